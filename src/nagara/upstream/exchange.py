"""One request and its answer: the half of it that somebody waits for.

The connection puts a head, an end or a failure in, and shows the pieces of body that have arrived;
the reader takes them out, or aborts. What it has not taken when the connection has told it of them
is held here, so that a connection whose answer is complete can serve the next request while this
one is still being read. There is exactly one reader: a task that awaits `read`, or a listener that
is called with every piece.

Must not parse, and must not outlive its interest: after the end, a failure or an abort it never
touches the connection again.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Protocol

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.answer import Headers
from nagara.upstream.bounds import Timeouts
from nagara.upstream.decoding import Decoder
from nagara.upstream.failures import map_timeout
from nagara.upstream.head import check_body_size

DECODED_PIECE_BYTES_MAX: Final = 256 * 1024

# What a bytes object and its place in a list cost beside its content: an upstream that sends a
# byte a chunk must not fill the memory with them.
PIECE_OVERHEAD_BYTES: Final = 48

# Looking up a member of an enum is a call, and every request asks for these.
_TOTAL_TIMEOUT: Final = ErrorKind.UPSTREAM_TOTAL_TIMEOUT
_IDLE_TIMEOUT: Final = ErrorKind.UPSTREAM_IDLE_TIMEOUT


class Wire(Protocol):
    """What an exchange needs of its connection. Its timer fires at `timer_due_s` or sooner."""

    loop: asyncio.AbstractEventLoop
    timer_due_s: float
    is_reading_paused: bool

    def resume_reading(self) -> None:
        """Take more bytes from the socket again; nothing if it was not paused."""

    def close(self) -> None:
        """Close the socket now."""

    def watch(self, due_s: float) -> None:
        """Look at the exchange's `due_s` no later than at this monotonic time."""


class Exchange:
    """An `Answer`, and the connection's side of it. See `nagara.upstream.answer`."""

    __slots__ = (
        "_arrived",
        "_decoded_bytes",
        "_decoder",
        "_held",
        "_idle_limit_s",
        "_monotonic_s",
        "_received_bytes",
        "_total_due_s",
        "_wait_kind",
        "_waiter",
        "_wire",
        "body_bytes_max",
        "buffered_bytes",
        "due_s",
        "failure",
        "has_news",
        "headers",
        "is_complete",
        "is_drained",
        "is_head_request",
        "on_news",
        "status",
        "upload",
    )

    def __init__(
        self,
        monotonic_s: Callable[[], float],
        timeouts: Timeouts,
        total_due_s: float,
        body_bytes_max: int | None,
        *,
        is_head_request: bool,
    ) -> None:
        self.status = 0
        self.headers: Headers = []
        self.failure: BaseException | None = None
        self.is_complete = False
        self.is_drained = False
        self.is_head_request = is_head_request
        self.has_news = False
        self.buffered_bytes = 0
        self._received_bytes = 0
        self._decoded_bytes = 0
        self.body_bytes_max = body_bytes_max
        self.upload: asyncio.Task[None] | None = None
        self.due_s = total_due_s
        self._total_due_s = total_due_s
        self._idle_limit_s = math.inf if timeouts.idle_s is None else timeouts.idle_s
        self._wait_kind = _TOTAL_TIMEOUT
        self._waiter: asyncio.Future[None] | None = None
        self.on_news: Callable[[], None] | None = None
        """The listener."""
        self._wire: Wire | None = None
        self._decoder: Decoder | None = None
        self._arrived: list[bytes] = []
        """The connection's list of what it has just parsed; see `attach`."""
        self._held: list[bytes] = []
        """What came before that, and waits to be taken."""
        self._monotonic_s = monotonic_s

    # The reader's side.

    def take(self) -> bytes | None:
        """The next piece of the body, if it is here; see `Answer.take`. Those that wait are joined.

        What came before a failure is given before it is raised.
        """
        data = None
        arrived = self._arrived
        if self._decoder is not None:
            if piece := self._take_decoded(self._decoder):
                return piece
        elif self._held:
            data = b"".join((*self._held, *arrived))
            self._held.clear()
            arrived.clear()
            self.buffered_bytes = 0
        elif arrived:
            data = arrived.pop()
            if arrived:
                data = b"".join((*arrived, data))
                arrived.clear()
        wire = self._wire
        if wire is None:
            # Nothing more will come.
            if data is None and self.failure is not None:
                raise self.failure
            return data or b""
        # All that came has been taken: from now on the upstream's time runs. This is `expect`
        # without its cases, since it is done for every chunk of a stream.
        if wire.is_reading_paused:
            wire.resume_reading()
        self.is_drained = True
        monotonic_s = self._monotonic_s
        self.due_s = due_s = monotonic_s() + self._idle_limit_s
        if due_s > self._total_due_s:
            self.due_s = due_s = self._total_due_s
        if due_s < wire.timer_due_s:
            wire.watch(due_s)
        return data

    def listen(self, on_news: Callable[[], None] | None) -> None:
        """Call `on_news` in place of waking a task; see `Answer.listen`."""
        self.on_news = on_news

    async def read(self) -> bytes:
        """What `take` gives, waited for; see `Answer.read`."""
        while (piece := self.take()) is None:
            await self._wait()
        return piece

    def abort(self) -> None:
        """Stop the upstream now; see `Answer.abort`."""
        self._held.clear()
        self._arrived.clear()
        self._decoder = None
        if self.is_complete or self.failure is not None:
            return
        wire = self._wire
        self.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "The answer was given up by its reader."))
        self.wake()
        if wire is not None:
            wire.close()

    def miss_head(self) -> "asyncio.Future[None] | None":
        """What to await before asking again; None when `status` and `headers` are there.

        Raises what came instead. Whoever is cancelled meanwhile must abort.
        """
        if self.status:
            return None
        if self.failure is not None:
            raise self.failure
        # As long as there is something to wait for, it has its connection.
        assert self._wire is not None
        self._waiter = waiter = self._wire.loop.create_future()
        return waiter

    # The connection's side. `has_news` says that `wake` is due once the bytes at hand are parsed.

    def attach(self, wire: Wire, arrived: list[bytes]) -> None:
        """Begin on this connection, which puts pieces of body into `arrived` as it parses them."""
        self._wire = wire
        self._arrived = arrived

    def take_head(self, status: int, headers: Headers, decoder: Decoder | None) -> None:
        """The final head is here."""
        self.status = status
        self.headers = headers
        self._decoder = decoder
        self._wait_kind = _IDLE_TIMEOUT
        self.due_s = self._total_due_s
        self.has_news = True

    def hold(self) -> None:
        """Keep what has arrived, until the reader takes it: the upstream's time does not run.

        Raises `GatewayError` when all that came is past the limit.
        """
        arrived = self._arrived
        if not arrived:
            return
        size = sum(map(len, arrived))
        self.buffered_bytes += size + PIECE_OVERHEAD_BYTES * len(arrived)
        self._held += arrived
        arrived.clear()
        self.due_s = self._total_due_s
        if self.body_bytes_max is not None:
            self._received_bytes += size
            check_body_size(self._received_bytes, self.body_bytes_max)

    def finish(self) -> None:
        """The answer is complete; the connection is somebody else's now."""
        self.is_complete = True
        self._leave()

    def fail(self, failure: BaseException) -> None:
        """The answer will not be completed. What has arrived can still be read first."""
        if self.failure is None and not self.is_complete:
            self.failure = failure
            self._leave()

    def wake(self) -> None:
        """Let the reader see the news."""
        self.has_news = self.is_drained = False
        self.due_s = self._total_due_s
        if self.on_news is not None:
            self.on_news()
            return
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def expect(self, kind: ErrorKind, limit_s: float | None) -> None:
        """From now on the upstream has `limit_s` to go on; after it, the failure is `kind`."""
        if limit_s is None:
            self.expect_nothing()
        else:
            self._wait_kind = kind
            self.due_s = self._monotonic_s() + limit_s
            if self.due_s > self._total_due_s:
                self.due_s = self._total_due_s
        wire = self._wire
        # Asked here, since nearly always the timer is due sooner: it is moved when it fires.
        if wire is not None and self.due_s < wire.timer_due_s:
            wire.watch(self.due_s)

    def expect_nothing(self) -> None:
        """From now on only the total limit counts."""
        self.due_s = self._total_due_s

    def make_timeout(self, now_s: float) -> GatewayError:
        """The failure of an exchange whose `due_s` has passed."""
        is_total = now_s >= self._total_due_s
        return map_timeout(_TOTAL_TIMEOUT if is_total else self._wait_kind)

    def _leave(self) -> None:
        self._wire = None
        self._held += self._arrived
        self._arrived.clear()
        # The next exchange has the connection's list.
        self._arrived = []
        self.has_news = True
        if self.upload is not None:
            self.upload.cancel()

    async def _wait(self) -> None:
        assert self._wire is not None
        self._waiter = self._wire.loop.create_future()
        try:
            await self._waiter
        except BaseException:
            # Cancelled: nobody will read this answer, and its tokens cost money.
            self.abort()
            raise
        finally:
            self._waiter = None

    def _take_decoded(self, decoder: Decoder) -> bytes:
        try:
            piece = decoder.take(DECODED_PIECE_BYTES_MAX)
            self.hold()
            if not piece and self._held:
                decoder.feed(b"".join(self._held))
                self._empty()
                piece = decoder.take(DECODED_PIECE_BYTES_MAX)
            if not piece and self.is_complete:
                decoder.close()
            if self.body_bytes_max is not None:
                self._decoded_bytes += len(piece)
                check_body_size(self._decoded_bytes, self.body_bytes_max)
        except GatewayError as failure:
            self.abort()
            self.failure = failure
            raise
        return piece

    def _empty(self) -> None:
        self._held.clear()
        self.buffered_bytes = 0
        if self._wire is not None and self._wire.is_reading_paused:
            self._wire.resume_reading()
