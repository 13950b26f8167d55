"""One GET to a host that somebody else named, over a connection of its own.

The name is resolved once, each address is checked, and the connection is made to one that passed:
no second look-up can lead elsewhere (DNS rebinding). The certificate is still checked against the
name. Nothing is kept: no connection, no cookie, no credential, and none is ever sent.

By a proxy of the environment the checked address is what the proxy is asked to connect to, so the
check holds there too. When the host is down, or is one that may not be connected to, there is one
error for all: which of the two it is says something of the network here.
"""

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.runtime import Clock
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.connection import Connection
from nagara.upstream.dialling import dial_address
from nagara.upstream.exchange import Exchange
from nagara.upstream.origin import Origin
from nagara.upstream.proxy import ProxySettings
from nagara.upstream.public_addresses import (
    Address,
    Network,
    is_in,
    is_odd_number,
    may_connect,
    read_address,
)
from nagara.upstream.request import encode_framing, encode_head, encode_lines, encode_start
from nagara.upstream.tls import TlsSettings

ADDRESSES_TRIED_MAX = 4
LOOKUPS_AT_ONCE_MAX = 8

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, in the order in which they are to be tried. Raises `OSError`."""

_HEADERS = encode_lines([(b"accept", b"*/*"), (b"accept-encoding", b"identity")])


class RefusedAddressError(Exception):
    """A host has no address that may be connected to. For the log, by its name alone."""


class SystemResolver:
    """The system's own answers, from threads of its own.

    Callers choose the names, and who answers for those may take long: that must not keep the loop's
    threads from looking up providers.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE_MAX, "resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See `Resolve`."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_own_address(address: Address) -> bool:
    """Whether the address is one of this machine's, however public it looks.

    Nothing is sent: the system only says from which address it would speak to that one.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return read_address(str(probe.getsockname()[0])) == address
    except OSError:
        # There is no way to it, and connecting will say so.
        return False


class OneOffLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of such a request. `networks_allowed` may be connected to although not public."""

    pool: PoolLimits
    timeouts: Timeouts
    networks_allowed: tuple[Network, ...] = ()


class OneOffClient:
    """Asks hosts that callers name. Holds nothing between two requests."""

    def __init__(
        self,
        limits: OneOffLimits,
        tls: TlsSettings,
        proxies: ProxySettings,
        clock: Clock,
        user_agent: bytes,
        resolve: Resolve | None = None,
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._proxies = proxies
        self._clock = clock
        self._lines = _HEADERS + encode_lines([(b"user-agent", user_agent)])
        self._resolve = resolve or SystemResolver()

    async def get(self, origin: Origin, target: bytes, body_bytes_max: int) -> "OneOffAnswer":
        """The answer as soon as its head is there. Close it, whatever comes.

        Raises `GatewayError` of an upstream kind; UPSTREAM_CONNECT if there is no address that may
        be connected to.
        """
        start = encode_start(b"GET", target)
        framing = encode_framing(b"GET", 0) + b"connection: close\r\n"
        head = encode_head(start, b"host: %b\r\n" % origin.host_header, self._lines, framing)
        connection = await self._connect(origin)
        timeouts = self._limits.timeouts
        monotonic_s = self._clock.monotonic_s
        total_s = math.inf if timeouts.total_s is None else timeouts.total_s
        due_s = monotonic_s() + total_s
        exchange = Exchange(monotonic_s, timeouts, due_s, body_bytes_max, is_head_request=False)
        try:
            connection.begin(exchange, head, b"", 0, timeouts)
            while (news := exchange.miss_head()) is not None:
                await news
        except BaseException:
            connection.close()
            raise
        return OneOffAnswer(exchange, connection)

    async def _connect(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(self._limits.timeouts.connect_s):
                *others, last = await self._find_addresses(origin)
                for i, address in enumerate(others):
                    connection = await self._try(origin, address, len(others) + 1 - i)
                    if connection is not None:
                        return connection
                return await self._dial(origin, last)
        except TimeoutError as error:
            raise _not_reached(error) from error

    async def _try(self, origin: Origin, address: Address, count: int) -> Connection | None:
        """A connection to one of several addresses, in its share of the time; None if it fails."""
        connect_s = self._limits.timeouts.connect_s
        try:
            async with asyncio.timeout(None if connect_s is None else connect_s / count / 2):
                return await self._dial(origin, address)
        except (GatewayError, TimeoutError):
            # The next address will say what is wrong, if it is wrong there too.
            return None

    async def _dial(self, origin: Origin, address: Address) -> Connection:
        connection = await dial_address(
            origin,
            str(address),
            self._proxies.choose(origin),
            self._tls,
            lambda: Connection(self._limits.pool, self._clock),
        )
        if connection.is_closed:
            raise _not_reached(None)
        return connection

    async def _find_addresses(self, origin: Origin) -> Sequence[Address]:
        """The addresses that may be connected to; at least one."""
        literal = read_address(origin.host)
        if literal is not None:
            found: Sequence[Address] = [literal]
        elif is_odd_number(origin.host):
            raise _not_reached(RefusedAddressError())
        else:
            try:
                texts = await self._resolve(origin.host, origin.port)
            except (OSError, UnicodeError) as error:
                raise _not_reached(error) from error
            found = [address for text in texts if (address := read_address(text)) is not None]
        passed = [address for address in found if self._may_connect(address)]
        if not passed:
            raise _not_reached(RefusedAddressError())
        return passed[:ADDRESSES_TRIED_MAX]

    def _may_connect(self, address: Address) -> bool:
        allowed = self._limits.networks_allowed
        if not may_connect(address, allowed):
            return False
        # What listens here may be reached by no one outside, whatever its address.
        return is_in(address, allowed) or not is_own_address(address)


class OneOffAnswer:
    """An answer of such a request."""

    def __init__(self, exchange: Exchange, connection: Connection) -> None:
        self.status = exchange.status
        self.headers = exchange.headers
        self._exchange = exchange
        self._connection = connection

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises as `Answer.take` does."""
        return await self._exchange.read()

    def close(self) -> None:
        """Let go of the connection, whether or not all was read."""
        self._exchange.abort()
        self._connection.close()


def _not_reached(cause: BaseException | None) -> GatewayError:
    failure = GatewayError(
        ErrorKind.UPSTREAM_CONNECT,
        "The host has no public address that can be connected to.",
    )
    failure.__cause__ = cause
    return failure
