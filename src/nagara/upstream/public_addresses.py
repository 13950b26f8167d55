"""Which addresses may be connected to for somebody else.

A caller's URL must lead to the public internet and nowhere else: not to this machine, its network,
its cloud's metadata, nor to an address that stands for one of these. What is public is said by
IANA's registries of special addresses; the rest of IPv6 beyond 2000::/3 is not given out. The
operator may allow networks of their own. Pure.

https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_V4_REFUSED = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network; the address itself is this machine
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own (RFC 6598), and Alibaba's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, which is public by its looks
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # relays to 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_V6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_V6_REFUSED = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, AMT
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",  # documentation
        ),
    )
)
# An IPv4 address for whoever has IPv6 alone; a translator connects to the address within.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# What URLs take for a number is an address to some and a name to others (`0x7f.1`, `2130706433`).
# https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from `10.0.0.0/8` or a single address. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def read_address(text: str) -> Address | None:
    """The address that a text is, in its usual form; None for anything else."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_odd_number(host: str) -> bool:
    """Whether a host is an address in a form that nobody writes without a reason."""
    last = host.rstrip(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and read_address(host) is None


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address.version == net.version and address in net for net in networks)


def may_connect(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address is public, or in one of the operator's networks."""
    meant = _unwrap(address)
    return _is_public(meant) or is_in(meant, allowed)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not is_in(address, _V4_REFUSED)
    # A zone is of a link, and no link is public.
    is_zoned = address.scope_id is not None
    return address in _V6_PUBLIC and not is_zoned and not is_in(address, _V6_REFUSED)


def _unwrap(address: Address) -> Address:
    """What is connected to in the end: the IPv4 address that an IPv6 one only wraps."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
