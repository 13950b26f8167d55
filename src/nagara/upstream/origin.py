"""Where an upstream is: scheme, host and port, and the path that its base URL begins with.

An origin is what connections are kept by. It holds no path, query or credential, so two providers
behind one host share connections. A base URL that cannot be meant is refused when it is read, not
when it is first called.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PATH: Final = re.compile(r"[!-~]*")


class Origin(msgspec.Struct, frozen=True):
    """Scheme (`http` or `https`), host (lower case, ASCII, an IPv6 address bare) and port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port` as CONNECT wants it: the port always there, IPv6 in brackets."""
        return f"{self.bracketed_host}:{self.port}"

    @property
    def host_header(self) -> bytes:
        """The value of the Host header: without the port where it is the scheme's own."""
        is_default = self.port == DEFAULT_PORTS[self.scheme]
        return (self.bracketed_host if is_default else self.authority).encode()

    @property
    def bracketed_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


class BaseUrl(msgspec.Struct, frozen=True):
    """An origin and the path before every request's own, which has no slash at its end."""

    origin: Origin
    prefix: bytes

    def target(self, path: bytes) -> bytes:
        """The request target for `path`, which begins with a slash and may have a query."""
        return self.prefix + path


def read_base_url(url: str) -> BaseUrl:
    """Read `https://host[:port][/prefix]`.

    Raises `ValueError` that says what is wrong with it, for whoever wrote the configuration.
    """
    parts = _split(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"The base URL {url!r} must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("A base URL must not hold a user name or password; use a credential.")
    if parts.query or parts.fragment:
        raise ValueError(f"The base URL {url!r} must end with its path, without ? or #.")
    if not _PATH.fullmatch(parts.path):
        raise ValueError(f"The path of the base URL {url!r} must be ASCII, percent-encoded.")
    return BaseUrl(read_origin(parts, url), parts.path.rstrip("/").encode())


def read_origin(parts: SplitResult, url: str) -> Origin:
    """The origin of a URL that is split already; `url` is what an error quotes."""
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"The port in {url!r} must be a number from 1 to 65535.") from error
    if port == 0:
        raise ValueError(f"The port in {url!r} must be a number from 1 to 65535.")
    return Origin(parts.scheme, _read_host(parts, url), port or DEFAULT_PORTS[parts.scheme])


def _split(url: str) -> SplitResult:
    # urlsplit drops tabs and line breaks and trims blanks; what it would mend is refused here.
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"The base URL {url!r} must not hold blanks or control characters.")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ValueError(f"{url!r} is not a URL: {error}.") from error


def _read_host(parts: SplitResult, url: str) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise ValueError(f"The host in {url!r} is not an IPv6 address.") from error
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError(f"The host in {url!r} is not a valid host name.") from error
    if len(ascii_host) > 253 or not _HOST.fullmatch(ascii_host):
        raise ValueError(f"The URL {url!r} needs a valid host name.")
    return ascii_host.lower()
