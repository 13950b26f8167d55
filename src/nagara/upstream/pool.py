"""Connections to upstreams, kept by origin: the client that the rest of the gateway calls.

How a request finds its connection. `Slots` decides, in one step and without waiting: an idle
connection, the right to open one, or a place in the queue. The awaits stand around those decisions.
Whoever leaves the queue, by time or by cancellation, at the very moment in which a connection was
handed over hands it on.

A stale connection. An upstream may close an idle connection while our request is on its way. If
the connection had served before, not one byte of an answer came, it broke soon after the request
and the body can be sent again, the request is sent once more, on a new connection. Only then:
anything later may have been worked on already, and trying again is failover's decision.

Cancelling `send`, or a `read` of its answer, closes the connection at once: an upstream that is
left running goes on to cost money.

Must not know what a request means. When an upstream is down every request fails with an error kind
of its own; nothing is remembered about it.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.runtime import Clock
from nagara.upstream.answer import Answer, Headers
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.connection import Connection
from nagara.upstream.dialling import dial
from nagara.upstream.exchange import Exchange
from nagara.upstream.failures import CONNECTING, map_failure, map_timeout
from nagara.upstream.origin import Origin
from nagara.upstream.proxy import Proxy, ProxySettings
from nagara.upstream.request import (
    CHUNKED,
    encode_framing,
    encode_head,
    encode_lines,
    encode_start,
    read_content_length,
)
from nagara.upstream.slots import Slots
from nagara.upstream.tls import TlsSettings, make_tls_context

# A connection that was closed while idle shows it within a round trip. One that breaks later broke
# over the request.
STALE_WITHIN_S: Final = 2.0

PROXY_AUTHENTICATION_REQUIRED: Final = 407

_CONNECT_TIMEOUT: Final = ErrorKind.UPSTREAM_CONNECT_TIMEOUT

Body = bytes | AsyncIterator[bytes]
Turn = asyncio.Future[Connection | None]
"""What a queued request waits for: a connection, or None for the right to open one."""


class Line:
    """All that is kept for one origin: its slots, its proxy, and the lines of every head."""

    def __init__(self, origin: Origin, proxy: Proxy | None, limits: PoolLimits) -> None:
        self.origin = origin
        self.proxy = proxy
        self.slots: Slots[Connection, Turn] = Slots(
            limits.connections_per_origin_max, limits.waiting_max
        )
        self.is_forwarded = proxy is not None and origin.scheme == "http"
        self.target_prefix = b""
        self.fixed_lines = b"host: %b\r\n" % origin.host_header
        if self.is_forwarded:
            self.target_prefix = b"http://" + origin.host_header
        if self.is_forwarded and proxy is not None and proxy.authorization is not None:
            self.fixed_lines += b"proxy-authorization: %b\r\n" % proxy.authorization

    def encode_head(
        self, method: bytes, target: bytes, lines: bytes, headers: Headers, body: Body
    ) -> tuple[bytes, int | None]:
        """The head of a request to this origin, and the body's length; None if it is chunked."""
        if isinstance(body, bytes) and body and not headers:
            # What nearly every request is, and what the rest comes to, in one step.
            start, size = encode_start(method, self.target_prefix + target), len(body)
            parts = (start, self.fixed_lines, lines, size)
            return b"%b\r\n%b%bcontent-length: %d\r\n\r\n" % parts, size
        length = len(body) if isinstance(body, bytes) else read_content_length(headers)
        start = encode_start(method, self.target_prefix + target)
        framing = CHUNKED if length is None else encode_framing(method, length)
        if headers:
            lines += encode_lines(headers)
        return encode_head(start, self.fixed_lines, lines, framing), length

    def check_answer(self, exchange: Exchange) -> None:
        """Raise `GatewayError` (UPSTREAM_PROXY) for an answer that is the proxy's own refusal."""
        if exchange.status == PROXY_AUTHENTICATION_REQUIRED:
            exchange.abort()
            raise GatewayError(ErrorKind.UPSTREAM_PROXY, "The proxy asks for other credentials.")

    def release(self, connection: Connection) -> None:
        """See `connection.Owner`."""
        while (turn := self.slots.release(connection)) is not None:
            # Somebody who was cancelled in this same step stands in the queue until it runs.
            if not turn.done():
                turn.set_result(connection)
                return

    def forget(self, connection: Connection) -> None:
        """See `connection.Owner`."""
        self._let_open(self.slots.forget(connection))

    def give_up_opening(self) -> None:
        """The right to open a connection goes to the next in the queue, or back."""
        self._let_open(self.slots.give_up_opening())

    def hand_back(self, turn: Turn) -> None:
        """Undo what a turn was given by the time its owner left."""
        self.slots.leave_queue(turn)
        if not turn.done() or turn.cancelled() or turn.exception() is not None:
            return
        connection = turn.result()
        if connection is None:
            self.give_up_opening()
        # A closed one frees its slot itself, when its socket is gone.
        elif not connection.is_closed:
            self.release(connection)

    def _let_open(self, turn: Turn | None) -> None:
        while turn is not None:
            if not turn.done():
                turn.set_result(None)
                return
            turn = self.slots.give_up_opening()


class Pool:
    """An HTTP/1.1 client. One pool serves all origins, in one event loop."""

    def __init__(
        self, limits: PoolLimits, tls: TlsSettings, proxies: ProxySettings, clock: Clock
    ) -> None:
        """Raises `ValueError` when the CA bundle that `tls` names cannot be used."""
        if tls.ca_bundle_file is not None:
            make_tls_context(tls)
        self._limits = limits
        self._tls = tls
        self._proxies = proxies
        self._clock = clock
        self._lines: dict[Origin, Line] = {}
        self._is_closed = False

    async def send(
        self,
        origin: Origin,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: Body,
        timeouts: Timeouts,
        lines: bytes = b"",
    ) -> Answer:
        """Send a request; the answer, as soon as its head is there. Read it to its end or abort it.

        `target` is the path and query. Host, framing and connection headers are the client's own
        and left out of `headers`, but a `content-length` there is the length of a streamed `body`,
        which is chunked without. `lines` are more headers, as `encode_lines` gives them, for what
        need not be encoded for every request.

        Raises `GatewayError` of an upstream kind, INVALID_REQUEST when the request cannot be
        written down, SHUTTING_DOWN after `close`, and whatever a streamed `body` raises.
        """
        line = self._lines.get(origin) or self._add_line(origin)
        # Before a connection is taken: what cannot be written down must not cost one.
        head, length = line.encode_head(method, target, lines, headers, body)
        began_s = self._clock.monotonic_s()
        total_due_s = math.inf if timeouts.total_s is None else began_s + timeouts.total_s
        connection = line.slots.take_idle()
        # One that was closed in this same step is still listed until its socket is gone.
        if connection is None or connection.is_closed:
            connection = await self._wait_for_connection(line, timeouts, total_due_s)
            began_s = self._clock.monotonic_s()
        is_again = False
        while True:
            exchange = self._make_exchange(timeouts, total_due_s, method)
            try:
                connection.begin(exchange, head, body, length, timeouts)
                while (news := exchange.miss_head()) is not None:
                    await news
                break
            except GatewayError as failure:
                is_late = self._clock.monotonic_s() - began_s > STALE_WITHIN_S
                if is_again or is_late or not _is_stale(connection, failure, body):
                    raise
            except BaseException:
                # Cancelled: nobody will read this answer, and its tokens cost money.
                exchange.abort()
                raise
            is_again = True
            connection = await self._replace(line, timeouts, total_due_s)
        if line.is_forwarded:
            line.check_answer(exchange)
        return exchange

    async def close(self) -> None:
        """Close every connection; what is under way fails with SHUTTING_DOWN. Returns when done."""
        self._is_closed = True
        closing = []
        for line in self._lines.values():
            for turn in line.slots.empty_queue():
                if not turn.done():
                    turn.set_exception(_shutting_down())
            for connection in line.slots.connections:
                connection.shut_down(_shutting_down())
                closing.append(connection.wait_closed())
        await asyncio.gather(*closing)

    def _add_line(self, origin: Origin) -> Line:
        line = Line(origin, self._proxies.choose(origin), self._limits)
        self._lines[origin] = line
        return line

    def _make_exchange(self, timeouts: Timeouts, total_due_s: float, method: bytes) -> Exchange:
        return Exchange(
            self._clock.monotonic_s,
            timeouts,
            total_due_s,
            self._limits.body_bytes_max,
            is_head_request=method == b"HEAD",
        )

    async def _wait_for_connection(
        self, line: Line, timeouts: Timeouts, total_due_s: float
    ) -> Connection:
        """A connection where the first idle one would not do: another, or one of its own."""
        if self._is_closed:
            raise _shutting_down()
        while (idle := line.slots.take_idle()) is not None:
            if not idle.is_closed:
                return idle
        while not line.slots.take_slot():
            connection = await self._wait_turn(line, total_due_s)
            if connection is None:
                break
            if not connection.is_closed:
                return connection
        return await self._open(line, timeouts, total_due_s)

    async def _replace(self, line: Line, timeouts: Timeouts, total_due_s: float) -> Connection:
        """A new connection, in the place of an idle one if there is no other room."""
        if self._is_closed:
            raise _shutting_down()
        if not line.slots.take_slot():
            # Idle ones may be as stale as the one that failed, so none of them is tried.
            idle = line.slots.replace_idle()
            if idle is None:
                return await self._wait_for_connection(line, timeouts, total_due_s)
            idle.close()
        return await self._open(line, timeouts, total_due_s)

    async def _wait_turn(self, line: Line, total_due_s: float) -> Connection | None:
        turn: Turn = asyncio.get_running_loop().create_future()
        if not line.slots.join_queue(turn):
            raise _busy("Too many requests wait for a connection to the provider already.")
        left_s = total_due_s - self._clock.monotonic_s()
        wait_s = self._limits.wait_s
        is_total = wait_s is None or left_s < wait_s
        try:
            async with asyncio.timeout(_finite(left_s if is_total else wait_s)):
                return await turn
        except TimeoutError as error:
            line.hand_back(turn)
            if is_total:
                raise map_timeout(ErrorKind.UPSTREAM_TOTAL_TIMEOUT) from error
            raise _busy("No connection to the provider became free in time.") from error
        except BaseException:
            line.hand_back(turn)
            raise

    async def _open(self, line: Line, timeouts: Timeouts, total_due_s: float) -> Connection:
        """Open a connection in the slot that was taken for it, or give the slot up."""
        try:
            connection = await self._dial(line, timeouts, total_due_s)
            if self._is_closed:
                # `close` could not see a connection that was still being opened.
                connection.close()
                raise _shutting_down()
        except BaseException:
            line.give_up_opening()
            raise
        line.slots.opened(connection)
        connection.own(line)
        return connection

    async def _dial(self, line: Line, timeouts: Timeouts, total_due_s: float) -> Connection:
        left_s = total_due_s - self._clock.monotonic_s()
        connect_s = timeouts.connect_s
        is_total = connect_s is None or left_s < connect_s
        try:
            async with asyncio.timeout(_finite(left_s if is_total else connect_s)):
                connection = await dial(
                    line.origin,
                    line.proxy,
                    self._tls,
                    partial(Connection, self._limits, self._clock),
                )
        except TimeoutError as error:
            kind = ErrorKind.UPSTREAM_TOTAL_TIMEOUT if is_total else _CONNECT_TIMEOUT
            raise map_timeout(kind) from error
        if connection.is_closed:
            # It was lost, or the upstream spoke first, before there was anybody to tell.
            connection.close()
            raise map_failure(ConnectionResetError(), CONNECTING)
        return connection


def _is_stale(connection: Connection, failure: GatewayError, body: Body) -> bool:
    return (
        connection.is_reused
        and not connection.has_heard
        and failure.kind is ErrorKind.UPSTREAM_CUT
        and isinstance(body, bytes)
    )


def _finite(limit_s: float | None) -> float | None:
    return None if limit_s == math.inf else limit_s


def _busy(message: str) -> GatewayError:
    return GatewayError(ErrorKind.UPSTREAM_BUSY, message)


def _shutting_down() -> GatewayError:
    return GatewayError(ErrorKind.SHUTTING_DOWN, "The gateway is shutting down.")
