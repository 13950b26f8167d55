"""Which proxy, if any, stands before an upstream: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

There is no standard for these variables. We follow curl where it is clear
(https://everything.curl.dev/usingcurl/proxies/env.html): the lower-case name wins over the upper
one, an entry of NO_PROXY covers its subdomains too, `*` covers everything; and Go where curl is
silent: ports and CIDR blocks (https://pkg.go.dev/golang.org/x/net/http/httpproxy). The mapping is
passed in; nothing here reads the environment.
"""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from nagara.upstream.origin import DEFAULT_PORTS, Origin, read_origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxy(msgspec.Struct, frozen=True):
    """A proxy's own origin, and what it wants as Proxy-Authorization."""

    origin: Origin
    authorization: bytes | None

    def __repr__(self) -> str:
        return f"Proxy({self.origin!r}, authorization={'…' if self.authorization else None})"


class Exemption(msgspec.Struct, frozen=True):
    """One entry of NO_PROXY: everything, a block of addresses, or a host and its subdomains."""

    is_everything: bool = False
    network: Network | None = None
    host: str = ""
    covers_only_subdomains: bool = False
    port: int | None = None

    def has(self, origin: Origin) -> bool:
        """Whether requests to `origin` go there directly."""
        if self.port is not None and self.port != origin.port:
            return False
        if self.is_everything:
            return True
        if self.network is not None:
            address = _read_address(origin.host)
            return address is not None and address in self.network
        host = origin.host.rstrip(".")
        if host == self.host:
            return not self.covers_only_subdomains
        return host.endswith("." + self.host)


class ProxySettings(msgspec.Struct, frozen=True):
    """The proxy for each scheme, and who is exempt."""

    http: Proxy | None = None
    https: Proxy | None = None
    exemptions: tuple[Exemption, ...] = ()

    def choose(self, origin: Origin) -> Proxy | None:
        """The proxy to reach `origin` by; None means directly."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or any(exemption.has(origin) for exemption in self.exemptions):
            return None
        return proxy


def read_proxy_settings(environment: Mapping[str, str]) -> ProxySettings:
    """The settings in an environment. Raises `ValueError` that names the variable at fault."""

    def read(*names: str) -> Proxy | None:
        for name in names:
            for spelling in (name.lower(), name):
                if value := environment.get(spelling, "").strip():
                    return _read_proxy(spelling, value)
        return None

    exempt = environment.get("no_proxy", "") or environment.get("NO_PROXY", "")
    entries = exempt.replace(",", " ").split()
    return ProxySettings(
        http=read("HTTP_PROXY", "ALL_PROXY"),
        https=read("HTTPS_PROXY", "ALL_PROXY"),
        exemptions=tuple(_read_exemption(entry) for entry in entries),
    )


def _read_proxy(name: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError("its scheme is not http or https")
        # The URL may hold a password, so no error may quote it.
        origin = read_origin(parts, "the proxy's URL")
    except ValueError as error:
        raise ValueError(
            f"{name} must be like http://proxy.example:3128 or https://…: {error}"
        ) from None
    if parts.username is None:
        return Proxy(origin, None)
    pair = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return Proxy(origin, b"Basic " + base64.b64encode(pair))


def _read_exemption(entry: str) -> Exemption:
    if entry == "*":
        return Exemption(is_everything=True)
    if (network := _read_network(entry)) is not None:
        return Exemption(network=network)
    host, port = _split_port(entry)
    if (network := _read_network(host.strip("[]"))) is not None:
        return Exemption(network=network, port=port)
    name = host.lower().removeprefix("*").rstrip(".")
    return Exemption(host=name.lstrip("."), covers_only_subdomains=name.startswith("."), port=port)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and not host.endswith(":"):
        return host, int(port)
    return entry, None


def _read_network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
