"""Whose address a request comes from, by which failures are counted.

Behind a proxy the connection's own address is the proxy's, and `x-forwarded-for` lists those
before it, the nearest last. Anyone can send that header, so it is believed only as far as it was
written by proxies that the settings trust: from the right, up to the first address that is not one
of them.

An IPv6 customer has at least a /64 to choose addresses from, so its /64 counts as one address.
Pure.

Sources: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
and RFC 6177
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from nagara.web.request_head import Headers

NETWORK_BITS = 64
HOPS_MAX = 20
UNKNOWN = "unknown"
"""The address of who has none, such as a client on a Unix socket."""

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The proxies whose word is taken. Raises `ValueError` for what is no address or network."""

    def __init__(self, proxies: Sequence[str]) -> None:
        self._networks = tuple(ip_network(proxy, strict=False) for proxy in proxies)

    def find_client(self, peername: object, headers: Headers) -> str:
        """The subject to count by: an IPv4 address, or the /64 of an IPv6 one.

        `peername` is the transport's: an address and a port, or something else where it has none.
        """
        is_internet = isinstance(peername, tuple | list) and len(peername) >= 2
        address = _read_address(str(peername[0])) if is_internet else None  # type: ignore[index]
        if address is None:
            return UNKNOWN
        for hop in reversed(_read_hops(headers)) if self._trusts(address) else ():
            before = _read_address(hop)
            if before is None:
                # What nobody can have written honestly ends what can be believed.
                break
            address = before
            if not self._trusts(address):
                break
        return _subject(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _read_hops(headers: Headers) -> list[str]:
    """The nearest addresses of the list, which may be spread over several lines."""
    lines = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return ",".join(lines).rsplit(",", HOPS_MAX)[-HOPS_MAX:] if lines else []


def _read_address(text: str) -> Address | None:
    """An address, also with a port as some proxies add it; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket that listens for both shows IPv4 clients in IPv6's clothes.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _subject(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, NETWORK_BITS), strict=False))
