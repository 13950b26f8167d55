"""How a connection comes about: TCP, perhaps a proxy's tunnel, perhaps TLS.

Gives a connected `Connection` or raises a `GatewayError`; never leaves a socket behind when it
fails or is cancelled. The time limit is its caller's. What goes wrong before the proxy has opened
the way is UPSTREAM_PROXY, because the mending is to be done there and not at the provider.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Final, cast

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.connection import Connection
from nagara.upstream.failures import CONNECTING, CONNECTING_ERRORS, map_failure
from nagara.upstream.origin import Origin
from nagara.upstream.proxy import Proxy
from nagara.upstream.tls import TlsSettings, make_tls_context

REPLY_BYTES_MAX: Final = 16 * 1024

_REPLY_START: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


async def dial(
    origin: Origin,
    proxy: Proxy | None,
    tls: TlsSettings,
    make_connection: Callable[[], Connection],
) -> Connection:
    """Connect to `origin`, by way of `proxy` if there is one."""
    if proxy is None:
        return await _dial_directly(origin, tls, make_connection)
    if origin.scheme == "http":
        # A plain request goes to the proxy itself, with the whole URL as its target.
        try:
            return await _dial_directly(proxy.origin, tls, make_connection)
        except GatewayError as failure:
            raise _proxy_failure("No connection to the proxy could be made.") from failure
    tunnel = await _open_tunnel(origin, proxy, tls)
    return await _start_tls(tunnel, origin, tls, make_connection())


async def dial_address(
    origin: Origin,
    address: str,
    proxy: Proxy | None,
    tls: TlsSettings,
    make_connection: Callable[[], Connection],
) -> Connection:
    """Connect to `origin` at this one of its addresses; no name is resolved, but the proxy's own.

    A proxy is asked for a tunnel to the address, for plain HTTP too.
    """
    place = Origin(origin.scheme, address, origin.port)
    context = _context_for(origin, tls)
    if proxy is not None:
        tunnel = await _open_tunnel(place, proxy, tls)
        connection = make_connection()
        if context is not None:
            return await _start_tls(tunnel, origin, tls, connection)
        tunnel.set_protocol(connection)
        connection.connection_made(tunnel)
        return connection
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            make_connection,
            address,
            origin.port,
            ssl=context,
            server_hostname=origin.host if context is not None else None,
        )
    except CONNECTING_ERRORS as error:
        raise map_failure(error, CONNECTING) from error
    return connection


async def _dial_directly(
    origin: Origin, tls: TlsSettings, make_connection: Callable[[], Connection]
) -> Connection:
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            make_connection, origin.host, origin.port, ssl=_context_for(origin, tls)
        )
    except CONNECTING_ERRORS as error:
        raise map_failure(error, CONNECTING) from error
    return connection


async def _open_tunnel(origin: Origin, proxy: Proxy, tls: TlsSettings) -> asyncio.Transport:
    try:
        transport, tunnel = await asyncio.get_running_loop().create_connection(
            Tunnel, proxy.origin.host, proxy.origin.port, ssl=_context_for(proxy.origin, tls)
        )
    except CONNECTING_ERRORS as error:
        raise _proxy_failure("No connection to the proxy could be made.") from error
    try:
        await tunnel.open(origin, proxy.authorization)
    except BaseException:
        transport.abort()
        raise
    return transport


async def _start_tls(
    transport: asyncio.Transport, origin: Origin, tls: TlsSettings, connection: Connection
) -> Connection:
    try:
        inner = await asyncio.get_running_loop().start_tls(
            transport, connection, make_tls_context(tls), server_hostname=origin.host
        )
    except CONNECTING_ERRORS as error:
        raise map_failure(error, CONNECTING) from error
    except BaseException:
        transport.abort()
        raise
    if inner is None:
        raise map_failure(ConnectionResetError(), CONNECTING)
    # `start_tls` takes the protocol for one that knows its connection already.
    connection.connection_made(inner)
    return connection


def _context_for(origin: Origin, tls: TlsSettings) -> ssl.SSLContext | None:
    return make_tls_context(tls) if origin.scheme == "https" else None


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel (RFC 9110, section 9.3.6) and waits for its word."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reply = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, origin: Origin, authorization: bytes | None) -> None:
        """Return when the tunnel to `origin` is open. Raises `GatewayError` (UPSTREAM_PROXY)."""
        authority = origin.authority.encode()
        lines = [b"CONNECT %b HTTP/1.1" % authority, b"host: %b" % authority]
        if authorization is not None:
            lines.append(b"proxy-authorization: %b" % authorization)
        if self._transport is not None:
            self._transport.write(b"\r\n".join([*lines, b"", b""]))
        await self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy is connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the proxy's reply."""
        self._reply += data
        head, blank, rest = self._reply.partition(b"\r\n\r\n")
        if not blank:
            if len(self._reply) > REPLY_BYTES_MAX:
                self._refuse("The proxy's reply is larger than the gateway takes.")
            return
        start = _REPLY_START.match(head + b"\r")
        if start is None:
            self._refuse("The proxy's reply is not HTTP/1.1.")
        elif not start[1].startswith(b"2"):
            self._refuse(f"The proxy refused the tunnel with status {start[1].decode()}.")
        elif rest:
            # In TLS the client speaks first, so these bytes cannot be the upstream's.
            self._refuse("The proxy sent bytes that were not asked for.")
        elif not self._opened.done():
            self._opened.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The proxy has gone."""
        self._refuse("The proxy closed the connection before the tunnel was open.", error)
        self._transport = None

    def _refuse(self, message: str, cause: Exception | None = None) -> None:
        if not self._opened.done():
            failure = _proxy_failure(message)
            failure.__cause__ = cause
            self._opened.set_exception(failure)


def _proxy_failure(message: str) -> GatewayError:
    return GatewayError(ErrorKind.UPSTREAM_PROXY, message)
