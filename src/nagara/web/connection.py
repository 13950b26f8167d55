"""One connection of a client: bytes in, requests out, and bounds on what a client may do.

Theory of operation. httptools parses; this class keeps the books. Each request becomes a `Cycle`,
served as soon as its head is whole. One is served at a time: requests that were sent before the
answer to the last one wait for their turn, and the socket is not read then.

All are served in one task, which rests in between, since making one costs as much as parsing a
request. When it still has things to put away behind the last answer, the next request gets a new
task, and the old one ends when it is done.

    phase    bytes that come           time runs out
    -------  ------------------------  ----------------------------------------------
    IDLE     a new head                between two requests: closed
    HEAD     the rest of the head      408, or closed when not a byte of it came
    BODY     to the request's cycle    the cycle is told; it answers in its dialect
    DISCARD  thrown away               closed

A message has `head_timeout_s` and `header_bytes_max` from its first byte to the end of its head.
Then each pause in its body may last `body_timeout_s`, and all of it `body_total_timeout_s`. One
timer a connection checks this and the idle connection too. It is set for no later than the moment
that matters, and never for a request that arrives in one piece, as most do: a timer that fires
too early is set again for the rest.

A head that breaks a rule is answered here, since no application was asked yet. The connection's
sending side is then closed and what still comes is thrown away for a moment, because closing at
once would make the system drop the answer before it is read.

uvicorn's server makes these, lists them in its `server_state`, and asks them to `shutdown`.
"""

import asyncio
import enum
import logging
import math
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

import httptools
from uvicorn.server import ServerState

from nagara.domain.errors import GatewayError
from nagara.runtime import make_id
from nagara.web.bounds import ConnectionLimits
from nagara.web.cycle import Cycle
from nagara.web.lazy_timer import LazyTimer
from nagara.web.refusal import encode_refusal, head_too_large, head_too_late, not_http
from nagara.web.request_head import Headers, make_head, size_of

logger = logging.getLogger("nagara.server")

LINGER_S = 1.0
UNREAD_BYTES_HIGH = 64 * 1024
"""With so much of a body waiting for its reader, the client is not read."""

Application = Callable[[Cycle], Coroutine[Any, Any, None]]
"""Serves one request to its end. What it raises is a mistake, and ends the connection."""


class _Phase(enum.Enum):
    """How far the message on a connection has come."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    DISCARD = enum.auto()


# An enum's members are looked up dearly, and these several times a request.
_IDLE, _HEAD, _BODY, _DISCARD = _Phase


class ClientConnection(asyncio.Protocol):
    """One connection. `limits` and `serve` are set on a subclass by `make_protocol`."""

    limits: ConnectionLimits
    serve: Application
    task: asyncio.Task[None]

    def __init__(self, server_state: ServerState, **_: Any) -> None:
        """uvicorn passes more than is needed."""
        self.on_lost: Callable[[], None] | None = None
        self.send: Callable[[bytes], None]
        self._server = server_state
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        # What follows a request that says "connection: close" must not spoil the answer to it.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._transport: asyncio.Transport
        self._scheme = "http"
        # The message that arrives: its head so far, then the cycle that takes its body.
        self._phase = _HEAD
        self._target = b""
        self._headers: Headers = []
        self._receiving: Cycle | None = None
        # The one that is served, and those that wait for their turn.
        self._serving: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        # What the task rests on between two requests: it becomes the next of them.
        self._rest: asyncio.Future[Cycle] | None = None
        # Books of the bounds.
        self._head_bytes = self._data_bytes = self._heads_begun = 0
        self._is_phase_new = True
        self._phase_began_s = self._heard_s = 0.0
        self._timer = LazyTimer(self._loop, self._check)
        self._is_reading_paused = self._is_full = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client that connects and says nothing is treated as a slow head."""
        self._transport = cast("asyncio.Transport", transport)
        # The transport's own method: a chunk of a stream should not cost a call more.
        self.send = self._transport.write
        self.peername: object = transport.get_extra_info("peername")
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        self._server.connections.add(self)  # type: ignore[arg-type]
        self._note_time()
        self._timer.set(self._due_s())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The client has gone: tell whoever serves it."""
        self._server.connections.discard(self)
        self._timer.stop()
        self._waiting.clear()
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()
        if self._serving is not None:
            self._serving.lose()
        if self._rest is not None:
            self._rest.cancel()
        # The parser holds our methods, so the two would wait for the cycle collector.
        self._parser = self._receiving = self._serving = None

    def pause_writing(self) -> None:
        """The transport holds as many unsent bytes as it may."""
        self._is_full = True
        if self._serving is not None:
            self._serving.is_full = True

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._is_full = False
        if self._serving is not None:
            self._serving.make_room()

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether a message is left unfinished."""
        parser = self._parser
        if self._phase is _DISCARD or parser is None:
            return
        is_within_message = self._phase is _BODY or self._head_bytes > 0
        self._heads_begun = 0
        self._data_bytes = len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We speak nothing else, and say so by answering as if it had not been asked (RFC 9110,
            # section 7.8). The parser takes nothing more.
            self._close_after_last()
        except httptools.HttpParserError:
            self._refuse(not_http())
        if self._phase is not _IDLE:
            self._hold_to_bounds(is_within_message)

    # What the parser calls, while `data_received` runs.

    def on_message_begin(self) -> None:
        """A new head."""
        if self._phase is _DISCARD:
            return
        self._phase, self._is_phase_new = _HEAD, True
        self._target, self._headers = b"", []
        self._head_bytes = 0
        self._heads_begun += 1

    def on_url(self, target: bytes) -> None:
        """A piece of the request's target."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head, or of a trailer, which nobody will look at."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole: hold it to its bounds, then let the application begin."""
        parser = self._parser
        if self._phase is _DISCARD or parser is None:
            return
        limits, headers = self.limits, self._headers
        # What it takes is only summed up when what came could be too large at all.
        if len(headers) > limits.header_count_max or (
            self._head_bytes + self._data_bytes > limits.header_bytes_max
            and size_of(headers) > limits.header_bytes_max
        ):
            self._refuse_size()
            return
        self._phase, self._is_phase_new = _BODY, True
        self._head_bytes = 0
        cycle = self._make_cycle(parser, headers)
        self._headers = []
        self._receiving = cycle
        if self._serving is None:
            self._begin(cycle)
        else:
            self._pause_reading()
            self._waiting.append(cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of body, for a request that is still wanted."""
        cycle = self._receiving
        if cycle is None or cycle.is_ended or self._phase is _DISCARD:
            return
        cycle.take_body(body)
        if cycle.unread_bytes > UNREAD_BYTES_HIGH:
            self._pause_reading()

    def on_message_complete(self) -> None:
        """The message is whole."""
        cycle = self._receiving
        if cycle is None or self._phase is _DISCARD:
            return
        self._phase = _IDLE
        self._receiving = None
        cycle.is_body_whole = True
        cycle.tell()
        if self._is_reading_paused and not self._waiting:
            # A large body's last piece paused reading. Unread, the socket would not tell that the
            # client has left, and its provider would go on answering nobody.
            self._resume_reading()
        if self._serving is None:
            # It was answered before its body had come.
            self._begin_idle()

    # What a cycle and its handler call.

    def resume_body(self) -> None:
        """Take more of a body from the socket again."""
        if not self._waiting:
            self._resume_reading()

    def finish(self, cycle: Cycle) -> None:
        """The answer has ended: whoever leaves now leaves nothing undone."""
        self.on_lost = None
        if cycle is not self._serving:
            return
        self._serving = None
        if not cycle.keeps_alive:
            self._transport.close()
        elif not self._transport.is_closing():
            if self._waiting:
                self._begin(self._waiting.popleft())
            if self._is_reading_paused and not self._waiting:
                self._resume_reading()
            if self._phase is _IDLE:
                self._begin_idle()

    def reset(self) -> None:
        """Close at once and in disorder."""
        connection = self._transport.get_extra_info("socket")
        # With no time to linger the system sends a reset in place of an end.
        option = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self._transport.abort()

    # What uvicorn's server calls.

    def shutdown(self) -> None:
        """Close, once the answer that is under way has ended."""
        if self._serving is None:
            self._transport.close()
        else:
            self._serving.keeps_alive = False

    # Serving.

    def _make_cycle(self, parser: httptools.HttpRequestParser, headers: Headers) -> Cycle:
        named = dict(headers)
        keeps_alive = parser.should_keep_alive()
        # Only HTTP/1.1 keeps a connection of which nothing was said (RFC 9112, section 9.3), and
        # so its version is known without being written out. llhttp heeds both of these.
        is_said = b"connection" in named or b"proxy-connection" in named
        version = "1.1" if keeps_alive and not is_said else parser.get_http_version()
        method = parser.get_method().decode("ascii")
        head = make_head(method, self._target, headers, named, version, self._scheme)
        return Cycle(head, self, keeps_alive and version != "1.0", self._is_full)

    def _begin(self, cycle: Cycle) -> None:
        self._serving = cycle
        cycle.is_full = self._is_full
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(cycle)
            return
        # Kept, and by uvicorn too: it is cancelled when the client leaves or the server stops.
        self.task = self._loop.create_task(self._serve_requests(cycle))
        self._server.tasks.add(self.task)
        self.task.add_done_callback(self._end_task)

    async def _serve_requests(self, cycle: Cycle) -> None:
        """Serve a request and those that come after it, until another task does or none comes."""
        task = self.task
        while True:
            await self.serve(cycle)
            is_over = self._serving is not None or self._parser is None
            if is_over or task is not self.task or task.cancelling():
                return
            self._rest = self._loop.create_future()
            try:
                cycle = await self._rest
            finally:
                self._rest = None

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._server.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("a request could not be served", exc_info=error)
        cycle = self._serving
        if cycle is not None and task is self.task and not cycle.is_ended:
            # Whatever the reason, this client will get no more of its answer.
            self._transport.close()

    # Bounds.

    def _hold_to_bounds(self, is_within_message: bool) -> None:
        """What came has left a message unfinished."""
        if self._phase is _DISCARD:
            return
        if self._is_phase_new:
            self._note_time()
        if self._phase is _HEAD:
            # Data that ended another message first is not this head's alone, and counts as its
            # first byte: the bound then holds but for what the loop reads at once.
            is_shared = self._heads_begun > (0 if is_within_message else 1)
            self._head_bytes += 1 if is_shared else self._data_bytes
            if self._head_bytes > self.limits.header_bytes_max:
                self._refuse_size()
                return
        else:
            self._heard_s = self._loop.time()
        self._timer.set(self._due_s())

    def _pause_reading(self) -> None:
        if not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = False
            self._transport.resume_reading()

    def _note_time(self) -> None:
        """The phase that the connection is in began now."""
        self._phase_began_s = self._heard_s = self._loop.time()
        self._is_phase_new = False

    def _begin_idle(self) -> None:
        self._phase_began_s = now_s = self._loop.time()
        # Asked here, since nearly always the timer is due sooner: it is moved when it fires.
        if now_s + self.limits.keep_alive_s < self._timer.due_s:
            self._timer.set(self._due_s())

    def _due_s(self) -> float:
        """When the time of this phase runs out."""
        if self._phase is _BODY:
            pause_ends_s = self._heard_s + self.limits.body_timeout_s
            return min(pause_ends_s, self._phase_began_s + self.limits.body_total_timeout_s)
        if self._phase is _HEAD:
            return self._phase_began_s + self.limits.head_timeout_s
        if self._serving is not None:
            return math.inf
        lasts_s = LINGER_S if self._phase is _DISCARD else self.limits.keep_alive_s
        return self._phase_began_s + lasts_s

    def _check(self) -> None:
        if self._transport.is_closing():
            return
        if self._is_reading_paused and self._phase is not _DISCARD:
            # What we do not read cannot come: the client is not late.
            self._note_time()
        due_s = self._due_s()
        if self._loop.time() < due_s:
            self._timer.set(due_s)
        elif self._phase is _HEAD and self._head_bytes:
            self._refuse(head_too_late())
        elif (cycle := self._receiving) is not None and not cycle.is_ended:
            # The answer must be the last on this connection: the rest of the body may still come.
            cycle.keeps_alive = False
            cycle.is_body_late = True
            cycle.tell()
        else:
            self._transport.close()

    # What cannot be served.

    def _refuse(self, error: GatewayError) -> None:
        """Take nothing more, and answer with `error` unless others still have answers to come."""
        if self._phase is _DISCARD:
            return
        self._phase = _DISCARD
        broken, self._receiving = self._receiving, None
        if broken is not None and broken is self._serving:
            # Its handler waits for a body that will not come; the answer is given here.
            self._serving = None
            broken.lose()
        elif broken is not None and broken in self._waiting:
            self._waiting.remove(broken)
        if not self._close_after_last():
            request_id = make_id("req_")
            self._transport.write(encode_refusal(error, self._target, self._headers, request_id))
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._timer.stop()
            self._note_time()
            self._timer.set(self._due_s())

    def _refuse_size(self) -> None:
        limits = self.limits
        self._refuse(head_too_large(limits.header_bytes_max, limits.header_count_max))

    def _close_after_last(self) -> bool:
        """Close after the last answer that is still to come; False if there is none."""
        last = self._waiting[-1] if self._waiting else self._serving
        if last is not None:
            last.keeps_alive = False
        return last is not None


def make_protocol(limits: ConnectionLimits, serve: Application) -> type[ClientConnection]:
    """The protocol with these limits before that application; uvicorn makes the connections."""
    members = {"limits": limits, "serve": staticmethod(serve)}
    return type("LimitedConnection", (ClientConnection,), members)
