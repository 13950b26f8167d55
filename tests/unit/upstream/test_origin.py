"""Base URLs, as people write them."""

import pytest

from nagara.upstream.origin import Origin, read_base_url


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "host_header"),
    [
        ("https://api.example", Origin("https", "api.example", 443), b"", b"api.example"),
        ("https://API.Example/v1/", Origin("https", "api.example", 443), b"/v1", b"api.example"),
        ("http://local:11434/v1", Origin("http", "local", 11434), b"/v1", b"local:11434"),
        ("HTTP://h:80/a//", Origin("http", "h", 80), b"/a", b"h"),
        ("https://h:80", Origin("https", "h", 80), b"", b"h:80"),
        ("http://[::1]:8080/x", Origin("http", "::1", 8080), b"/x", b"[::1]:8080"),
        ("https://[2001:DB8::1]", Origin("https", "2001:db8::1", 443), b"", b"[2001:db8::1]"),
        ("http://bücher.de", Origin("http", "xn--bcher-kva.de", 80), b"", b"xn--bcher-kva.de"),
        ("http://my_service:1", Origin("http", "my_service", 1), b"", b"my_service:1"),
    ],
)  # fmt: skip
def test_base_url_is_read(url: str, origin: Origin, prefix: bytes, host_header: bytes) -> None:
    base = read_base_url(url)
    assert (base.origin, base.prefix) == (origin, prefix)
    assert base.origin.host_header == host_header
    assert base.target(b"/chat?x=1") == prefix + b"/chat?x=1"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("api.example.com/v1", "http://"),
        ("ftp://h", "http://"),
        ("", "http://"),
        ("https://", "host name"),
        ("https:///v1", "host name"),
        ("https://h:0", "port"),
        ("https://h:65536", "port"),
        ("https://h:http", "port"),
        ("https://user:hunter2@h", "user name"),
        ("https://h/v1?key=1", "without"),
        ("https://h/#x", "without"),
        ("https://h/a b", "blanks"),
        ("https://h\r\nx: y", "blanks"),
        ("https://h/ä", "percent-encoded"),
        ("https://-h-.example", "host name"),
        ("https://h..example", "host name"),
        ("https://[::1", "not a URL"),
        ("https://[v1.x]", "IPv6"),
        ("https://" + "a." * 130 + "b", "host name"),
        ("https://ä" + "a" * 70, "host name"),
    ],
)
def test_a_bad_base_url_is_refused_with_its_fault(url: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_base_url(url)
    assert complaint in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_origins_with_other_prefixes_are_the_same_origin() -> None:
    assert read_base_url("https://h/a").origin == read_base_url("https://H:443/b").origin


def test_a_connect_authority_always_has_its_port() -> None:
    assert read_base_url("https://h").origin.authority == "h:443"
    assert read_base_url("https://[::1]").origin.authority == "[::1]:443"
