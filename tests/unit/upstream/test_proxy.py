"""Which proxy is chosen, and tunnels through a real one."""

import asyncio
import base64
import contextlib

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.origin import read_base_url
from nagara.upstream.proxy import ProxySettings, read_proxy_settings
from tests.fakes import FakeUpstream, Peer, Received
from tests.unit.upstream.certificates import Certificates
from tests.unit.upstream.conftest import MakeClient

PROXY = {"HTTP_PROXY": "http://p:3128", "HTTPS_PROXY": "http://p:3129"}


def is_proxied(url: str, **environment: str) -> bool:
    return read_proxy_settings(environment).choose(read_base_url(url).origin) is not None


def proxy_url(environment: dict[str, str], url: str) -> str | None:
    proxy = read_proxy_settings(environment).choose(read_base_url(url).origin)
    return f"{proxy.origin.scheme}://{proxy.origin.authority}" if proxy else None


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "https://h", None),
        (PROXY, "http://h", "http://p:3128"),
        (PROXY, "https://h", "http://p:3129"),
        (
            {"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"},
            "https://h",
            "http://low:1",
        ),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, "https://h", "http://up:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://h", None),
        ({"HTTPS_PROXY": "p.example:8080"}, "https://h", "http://p.example:8080"),
        ({"HTTPS_PROXY": "https://p"}, "https://h", "https://p:443"),
        ({"ALL_PROXY": "http://all:1"}, "http://h", "http://all:1"),
        ({"all_proxy": "http://all:1", "HTTPS_PROXY": "http://s:1"}, "https://h", "http://s:1"),
    ],
)
def test_the_proxy_of_the_scheme_is_chosen(
    environment: dict[str, str], url: str, expected: str | None
) -> None:
    assert proxy_url(environment, url) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("", "http://h", True),
        ("*", "http://h", False),
        ("example.com", "http://example.com", False),
        ("example.com", "http://EXAMPLE.com.", False),
        ("example.com", "http://api.example.com", False),
        ("example.com", "http://notexample.com", True),
        (".example.com", "http://api.example.com", False),
        (".example.com", "http://example.com", True),
        ("*.example.com", "http://api.example.com", False),
        ("a.example, ,b.example", "http://b.example", False),
        ("a.example b.example", "http://b.example", False),
        ("example.com:8080", "http://example.com:8080", False),
        ("example.com:8080", "http://example.com", True),
        ("example.com:443", "https://example.com", False),
        ("127.0.0.1", "http://127.0.0.1:5000", False),
        ("127.0.0.1:5000", "http://127.0.0.1:5000", False),
        ("127.0.0.1:5000", "http://127.0.0.1:5001", True),
        ("10.0.0.0/8", "http://10.20.30.40", False),
        ("10.0.0.0/8", "http://11.20.30.40", True),
        ("10.0.0.0/8", "http://h10.example", True),
        ("::1", "http://[::1]:80", False),
        ("[::1]", "http://[::1]:80", False),
        ("[::1]:81", "http://[::1]:80", True),
        ("[::1]:81", "http://[::1]:81", False),
        ("2001:db8::/32", "http://[2001:db8::5]", False),
        ("2001:db8::/32", "http://10.0.0.1", True),
    ],
)
def test_no_proxy_exempts(no_proxy: str, url: str, expected: bool) -> None:
    assert is_proxied(url, NO_PROXY=no_proxy, **PROXY) is expected
    assert is_proxied(url, no_proxy=no_proxy, NO_PROXY=no_proxy and "h", **PROXY) is expected


@pytest.mark.parametrize("value", ["socks5://p:1080", "http://u:hunter2@p:port", "http://"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_proxy_settings({"ALL_PROXY": value})
    assert "ALL_PROXY" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_proxys_password_is_not_shown() -> None:
    settings = read_proxy_settings({"HTTP_PROXY": "http://me:p%40ss@p"})
    assert settings.http is not None
    assert settings.http.authorization == b"Basic " + base64.b64encode(b"me:p@ss")
    assert base64.b64encode(b"me:p@ss").decode() not in repr(settings)


class FakeProxy:
    """A CONNECT proxy that takes every name for a port on loopback."""

    def __init__(self, upstream_port: int) -> None:
        self.requests: list[Received] = []
        self._upstream_port = upstream_port

    async def __call__(self, peer: Peer) -> None:
        request = await peer.read_head()
        assert request is not None
        self.requests.append(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        await peer.send(b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n")
        try:
            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        finally:
            writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def answers(peer: Peer) -> None:
    while request := await peer.read_request():
        await peer.answer(request.target)


def through(url: str) -> ProxySettings:
    return read_proxy_settings({"HTTPS_PROXY": url, "HTTP_PROXY": url})


@pytest.mark.parametrize("is_proxy_tls", [False, True])
async def test_https_goes_through_a_tunnel(
    make_client: MakeClient, certificates: Certificates, is_proxy_tls: bool
) -> None:
    proxy_tls = certificates.server("localhost") if is_proxy_tls else None
    async with FakeUpstream(answers, tls=certificates.server("upstream.test")) as upstream:
        proxy = FakeProxy(upstream.port)
        async with FakeUpstream(proxy, tls=proxy_tls) as front:
            settings = through(front.url.replace("://", "://me:pass@"))
            client = make_client(tls=certificates.settings, proxies=settings)
            for target in (b"/a", b"/b"):
                assert await client.fetch("https://upstream.test:444", target=target) == target
            assert len(proxy.requests) == 1
            request = proxy.requests[0]
            assert (request.method, request.target) == (b"CONNECT", b"upstream.test:444")
            assert request.header(b"host") == b"upstream.test:444"
            assert request.header(b"proxy-authorization") == b"Basic bWU6cGFzcw=="


async def test_http_names_the_whole_url_to_the_proxy(make_client: MakeClient) -> None:
    async with FakeUpstream() as front:
        settings = through(front.url.replace("://", "://me:pass@"))
        client = make_client(proxies=settings)
        asking = asyncio.create_task(client.fetch("http://upstream.test:81/p", target=b"/a?b"))
        peer = await front.accept()
        request = await peer.read_request()
        assert request is not None
        assert request.target == b"http://upstream.test:81/p/a?b"
        assert request.header(b"host") == b"upstream.test:81"
        assert request.header(b"proxy-authorization") == b"Basic bWU6cGFzcw=="
        await peer.answer(b"ok")
        assert await asking == b"ok"


async def proxy_failure(make_client: MakeClient, scheme: str, front_url: str) -> GatewayError:
    client = make_client(proxies=through(front_url))
    with pytest.raises(GatewayError) as caught:
        await client.fetch(f"{scheme}://upstream.test")
    assert caught.value.kind is ErrorKind.UPSTREAM_PROXY
    assert "upstream.test" not in caught.value.message
    assert "127.0.0.1" not in caught.value.message
    return caught.value


REPLIES = {
    "credentials": b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
    "forbidden": b"HTTP/1.1 403 Forbidden\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\n\r\n",
    "not http": b"\x05\x00\r\n\r\n",
    "endless": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000,
    "too much": b"HTTP/1.1 200 OK\r\n\r\nextra",
    "cut": b"HTTP/1.1 200 OK\r\n",
}


@pytest.mark.parametrize("name", REPLIES)
async def test_a_proxy_that_opens_no_tunnel_is_a_proxy_failure(
    make_client: MakeClient, name: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(REPLIES[name])
        if name == "cut":
            peer.close()
        else:
            await peer.stall()

    async with FakeUpstream(script) as front:
        await proxy_failure(make_client, "https", front.url)
        await front.peers[0].closed()


async def test_a_proxy_that_wants_credentials_for_http_is_a_proxy_failure(
    make_client: MakeClient,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"who are you", status=407)

    async with FakeUpstream(script) as front:
        await proxy_failure(make_client, "http", front.url)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_down_is_a_proxy_failure(
    make_client: MakeClient, scheme: str
) -> None:
    async with FakeUpstream() as front:
        url = front.url
    await proxy_failure(make_client, scheme, url)


async def test_cancelling_while_the_tunnel_opens_leaves_no_socket(make_client: MakeClient) -> None:
    async with FakeUpstream() as front:
        client = make_client(proxies=through(front.url))
        asking = asyncio.create_task(client.fetch("https://upstream.test"))
        peer = await front.accept()
        await peer.read_head()
        asking.cancel()
        async with asyncio.timeout(0.5):
            await peer.closed()
        with pytest.raises(asyncio.CancelledError):
            await asking
