"""Whose address a failure is counted by, and whose word is taken for it."""

import pytest

from nagara.web.client_address import TrustedProxies

PEER = ("203.0.113.7", 5000)
PROXY = ("10.0.0.1", 5000)


def find(peername: object, *forwarded: bytes, trusted: tuple[str, ...] = ("10.0.0.0/8",)) -> str:
    headers = [(b"x-forwarded-for", value) for value in forwarded]
    return TrustedProxies(trusted).find_client(peername, [(b"host", b"x"), *headers])


def test_header_of_a_stranger_is_not_believed() -> None:
    assert find(PEER, b"198.51.100.1") == "203.0.113.7"
    assert find(PROXY, b"198.51.100.1", trusted=()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([b"198.51.100.1"], "198.51.100.1"),
        ([b"192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        ([b"192.0.2.66, 198.51.100.1, 10.1.1.1"], "198.51.100.1"),
        ([b"192.0.2.66", b"198.51.100.1", b"10.1.1.1"], "198.51.100.1"),
        ([b"10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ([b"198.51.100.1:8443"], "198.51.100.1"),
        ([b'"[2001:db8:1:2::9]:8443"'], "2001:db8:1:2::/64"),
        ([b"198.51.100.1, unknown, 10.1.1.1"], "10.1.1.1"),
        ([b"198.51.100.1, , 10.1.1.1"], "10.1.1.1"),
        ([b"\xff" * 100], "10.0.0.1"),
        ([b""], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_nearest_address_that_no_trusted_proxy_has_is_the_client(
    forwarded: list[bytes], address: str
) -> None:
    assert find(PROXY, *forwarded) == address


@pytest.mark.parametrize(
    ("host", "subject"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_network_of_an_ipv6_customer_is_one_address(host: str, subject: str) -> None:
    assert find((host, 5000, 0, 0)) == subject


@pytest.mark.parametrize("peername", [None, "", "/run/nagara.sock", (), ("nonsense", 1)])
def test_client_without_an_address_is_counted_as_one(peername: object) -> None:
    assert find(peername) == "unknown"


def test_long_list_is_looked_at_only_at_its_near_end() -> None:
    assert find(PROXY, b"198.51.100.1, " + b"10.1.1.1," * 5000 + b"10.1.1.1") == "10.1.1.1"


def test_what_is_no_network_cannot_be_trusted() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy.example"])
