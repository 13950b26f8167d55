"""Callers' URLs lead to the public internet, whatever an address is written as."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.upstream.public_addresses import (
    is_odd_number,
    may_connect,
    read_address,
    read_networks,
)

REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.1.2.3",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1",
    "ff0e::1", "4000::1", "2a00:1450::1%eth0",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "169.253.255.255", "172.15.255.255",
    "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_address_that_is_not_public_is_refused(text: str) -> None:
    address = read_address(text)
    assert address is not None
    assert not may_connect(address)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_connected_to(text: str) -> None:
    address = read_address(text)
    assert address is not None
    assert may_connect(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_the_same_in_either_version(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert may_connect(address) == may_connect(mapped) == may_connect(translated)


@given(st.ip_addresses())
def test_what_the_standard_library_knows_as_special_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    is_special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    is_nat64 = address in ipaddress.ip_network("64:ff9b::/96")
    if is_special and mapped is None and not is_nat64:
        assert not may_connect(address)


@pytest.mark.parametrize("text", REFUSED[:28])
def test_operators_networks_are_connected_to_and_nothing_beside_them(text: str) -> None:
    address = read_address(text)
    assert address is not None
    assert may_connect(address, read_networks([text]))
    assert not may_connect(address, read_networks(["10.77.0.0/16", "fd77::/48"]))
    # Allowed is what is connected to, whichever way it is written.
    mapped = read_address(f"::ffff:{text}")
    assert mapped is not None
    assert may_connect(mapped, read_networks([text]))
    assert not may_connect(mapped, read_networks(["::/0"]))


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.5",
     "127.0.0.01", "0", "example.1", "example.0x", "256.1.1.1", "127.0.0.1.", "2130706433."],
)  # fmt: skip
def test_number_in_a_form_that_nobody_writes_is_odd(host: str) -> None:
    assert is_odd_number(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "example.com", "1.example", "0x7f.example", "x1", "::1", "a.b1", "1and1.de"],
)
def test_name_or_plain_address_is_not_odd(host: str) -> None:
    assert not is_odd_number(host)
