"""uvicorn, with what it leaves to others: bounds on heads and on slow senders, and a clean exit.

Theory of operation. uvicorn parses and answers; the protocol here only watches how far a message
has come. From its first byte to the end of its head a message has `head_timeout_s`, and its head
`header_bytes_max` bytes. Then each pause in its body may last `body_timeout_s`, and all of it
`body_total_timeout_s`. One timer a connection checks this, and only while a message is unfinished:
a request that arrives in one piece, as most do, never arms it.

A head that breaks a rule is answered here, since no application was asked yet. The connection's
sending side is then closed and what still comes is thrown away for a moment, because closing at
once would make the system drop the answer before it is read. A late body is reported to the
application (`state["is_body_late"]`), which answers in the dialect of its endpoint.
"""

import asyncio
import contextlib
import enum
import logging
import signal
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import httptools
import msgspec
import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.runtime import make_id
from nagara.web.cycle import GatewayCycle
from nagara.web.errors import choose_encoder, encode_head

logger = logging.getLogger("nagara.server")

LINGER_S = 1.0
BACKLOG = 2048


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a connection."""

    header_bytes_max: int
    header_count_max: int
    head_timeout_s: float
    body_timeout_s: float
    body_total_timeout_s: float
    keep_alive_s: float
    shutdown_grace_s: float


class _Phase(enum.Enum):
    """How far the message on a connection has come."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    DISCARD = enum.auto()


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds. `limits` is set on a subclass by `make_protocol`."""

    limits: ServerLimits
    task: asyncio.Task[None]
    on_lost: Callable[[], None] | None = None
    # uvicorn sets it when a message begins, and what is no HTTP at all begins none.
    url = b""
    _phase = _Phase.IDLE
    _head_bytes = 0
    _data_bytes = 0
    _heads_begun = 0
    _began_s = 0.0
    _heard_s = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that connects and says nothing is treated as a slow head."""
        super().connection_made(transport)
        self._began_s = self.loop.time()
        self._phase = _Phase.HEAD
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching, and tell whoever serves a request of this connection."""
        self._stop_watching()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether a message is left unfinished."""
        if self._phase is _Phase.DISCARD:
            return
        is_within_message = self._phase is _Phase.BODY or self._head_bytes > 0
        self._heads_begun = 0
        self._data_bytes = len(data)
        super().data_received(data)
        phase = self._phase
        if phase is _Phase.IDLE:
            if self._timer is not None:
                self._stop_watching()
        elif phase is _Phase.HEAD:
            # Data that ended another message first is not this head's alone, and counts as its
            # first byte: the bound then holds but for what the loop reads at once.
            is_shared = self._heads_begun > (0 if is_within_message else 1)
            self._head_bytes += 1 if is_shared else len(data)
            if self._head_bytes > self.limits.header_bytes_max:
                self._refuse_head(_headers_too_large(self.limits))
            else:
                self._watch()
        else:
            self._heard_s = self.loop.time()
            self._watch()

    def on_message_begin(self) -> None:
        """A new head."""
        super().on_message_begin()
        self.scope["state"]["connection"] = self
        self._phase, self._head_bytes = _Phase.HEAD, 0
        self._heads_begun += 1
        self._began_s = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is whole: hold it to its bounds, then let the application begin."""
        if self._is_too_large():
            self._refuse_head(_headers_too_large(self.limits))
            return
        self._phase, self._head_bytes = _Phase.BODY, 0
        self._began_s = self._heard_s = self.loop.time()
        self._describe()
        earlier = self.cycle
        self.cycle = self._make_cycle()
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            # A request that was sent before the answer to the last one waits for its turn.
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # As uvicorn does it, but the task is kept: it is cancelled when the client leaves.
        self.task = self.loop.create_task(cycle.run_asgi(app))
        self.task.add_done_callback(self.tasks.discard)
        self.tasks.add(self.task)

    def on_body(self, body: bytes) -> None:
        """Body of a request that is still wanted."""
        if self._phase is not _Phase.DISCARD:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The message is whole."""
        if self._phase is not _Phase.DISCARD:
            self._phase = _Phase.IDLE
            super().on_message_complete()
            if self.flow.read_paused and not self.pipeline:
                # A large body's last piece paused reading. Unread, the socket would not tell that
                # the client has left, and its provider would go on answering nobody.
                self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """The answer is written: whoever leaves now leaves nothing undone."""
        self.on_lost = None
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What is not HTTP is answered as an error of ours, not as plain text."""
        if self._phase is not _Phase.DISCARD:
            self._refuse_head(
                GatewayError(ErrorKind.INVALID_REQUEST, "This is not a valid HTTP/1.1 request.")
            )

    def _is_too_large(self) -> bool:
        if len(self.headers) > self.limits.header_count_max:
            return True
        # The sum is only needed when what came could be too large at all.
        if self._head_bytes + self._data_bytes <= self.limits.header_bytes_max:
            return False
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > self.limits.header_bytes_max

    def _describe(self) -> None:
        """Complete the scope with what the head says."""
        scope, version = self.scope, self.parser.get_http_version()
        scope["method"] = self.parser.get_method().decode("ascii")
        if version != "1.1":
            scope["http_version"] = version
        target = httptools.parse_url(self.url)
        raw_path = target.path or b"/"
        path = raw_path.decode("ascii")
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = target.query or b""

    def _make_cycle(self) -> GatewayCycle:
        is_keep_alive = self.scope["http_version"] != "1.0" and self.parser.should_keep_alive()
        return GatewayCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=is_keep_alive,
            on_response=self.on_response_complete,
        )

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_at(self._due_s(), self._check)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due_s(self) -> float:
        if self._phase is _Phase.BODY:
            pause_ends_s = self._heard_s + self.limits.body_timeout_s
            return min(pause_ends_s, self._began_s + self.limits.body_total_timeout_s)
        return self._began_s + self.limits.head_timeout_s

    def _check(self) -> None:
        self._timer = None
        if self.transport.is_closing() or self._phase is _Phase.IDLE:
            return
        if self._phase is _Phase.DISCARD:
            self.transport.close()
        elif self.loop.time() < self._due_s():
            self._watch()
        elif self._phase is _Phase.HEAD:
            self._give_up_on_head()
        else:
            self._report_late_body()

    def _give_up_on_head(self) -> None:
        if self._head_bytes:
            self._refuse_head(
                GatewayError(ErrorKind.REQUEST_TIMEOUT, "The request's head took too long.")
            )
        else:
            self.transport.close()

    def _report_late_body(self) -> None:
        if self.cycle.response_complete:
            self.transport.close()
            return
        # The answer must be the last on this connection: the rest of the body may still come.
        self.cycle.keep_alive = False
        self.cycle.scope["state"]["is_body_late"] = True
        self.cycle.message_event.set()

    def _refuse_head(self, error: GatewayError) -> None:
        request_id = make_id("req_")
        # As far as the head was read: nothing of it, where it is no HTTP from its first byte.
        path = self.url.partition(b"?")[0].decode("latin-1")
        body = choose_encoder(path, self.headers or ())(error, request_id)
        lines = [f"HTTP/1.1 {error.status} Refused".encode()]
        for name, value in [*encode_head(error, request_id, body), (b"connection", b"close")]:
            lines.append(name + b": " + value)
        self._phase = _Phase.DISCARD
        self._stop_watching()
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self._check)


def make_protocol(limits: ServerLimits) -> type[GatewayProtocol]:
    """The protocol with these limits; uvicorn builds one for each connection."""
    return type("LimitedProtocol", (GatewayProtocol,), {"limits": limits})


class Server(uvicorn.Server):
    """uvicorn's server on a socket of ours. It ends with exit code 0 when it is told to stop."""

    def __init__(
        self,
        app: Callable[..., Any],
        limits: ServerLimits,
        on_started: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            http=make_protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(limits.keep_alive_s),
            timeout_graceful_shutdown=max(1, round(limits.shutdown_grace_s)),
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Once requests are taken and signals are heeded, say so."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; unlike uvicorn's own, do not raise them again at the end."""
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal stops in order; a second SIGINT does not wait any longer."""
        if not self.should_exit:
            self._on_stopping()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves requests running when it was told not to wait for them."""
        running = len(self.server_state.tasks)
        logger.info(
            "stopping; requests that run: %d%s",
            running,
            f", they have {self.config.timeout_graceful_shutdown} s to end" if running else "",
        )
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _headers_too_large(limits: ServerLimits) -> GatewayError:
    return GatewayError(
        ErrorKind.HEADERS_TOO_LARGE,
        f"The request's head is larger than {limits.header_bytes_max} bytes or has more than "
        f"{limits.header_count_max} headers.",
    )
