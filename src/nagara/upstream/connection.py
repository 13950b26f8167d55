"""One HTTP/1.1 connection to an upstream: bytes in, head and body pieces out.

How it works. httptools parses; this class keeps the books. The parser calls `on_…` while
`data_received` runs, which puts what it learns into the exchange at hand and wakes its reader once,
after all bytes at hand are parsed. So everything that arrived together is read together, no task is
made for a request or a read, and a reader that listens has its piece in this same call. Pieces of
body go into a list with no call of ours between: most of what arrives is one piece of a stream.

    state      exchange    bytes that come           end of the connection
    ---------  ----------  ------------------------  ------------------------------------------
    idle       none        nobody asked: close       closed, and the pool forgets it
    head       status 0    1xx skipped, final kept   cut; stale if it was reused and no byte came
    body       status set  pieces to the reader      the end, if nothing else frames; else cut
    idle       none        after the last byte, if the answer and our request both ended well
    closing    none        ignored                   `connection_lost` tells the pool, once

Memory. Reading pauses while the reader has more than `buffer_bytes_high` before it, and the socket
then holds the upstream back. An uploaded stream waits while the transport is above the same mark.
All that is not body (head, 1xx, chunk framing, trailers) counts against `head_bytes_max` from one
piece of body to the next, so no endless header, chunk extension or trailer can grow.

Time. A connection has one timer, set for no later than the earliest moment that matters. A later
moment does not touch it: when it fires too early it is set again for the rest. So a stream of a
thousand chunks, or a thousand requests, arms it once in as long as the shortest limit, and an idle
connection expires by the same timer.

Early answers. A final answer while we still send means that the connection will not be reused. If
it is an error (300 and above) the rest of the request is not sent.

Under TLS an end without close_notify looks to asyncio like any other, so a body that ends only with
the connection cannot be told from a truncated one there.

Must not decide which connection serves whom, or whether to try again: that is the pool's.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from functools import partial
from typing import Final, Protocol, cast

import httptools

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.runtime import Clock
from nagara.upstream.answer import Headers
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.exchange import Exchange
from nagara.upstream.failures import EXCHANGING, PARSER_ERRORS, map_failure
from nagara.upstream.head import (
    BODILESS_STATUSES,
    check_head_size,
    head_too_large,
    read_body_form,
)
from nagara.upstream.upload import Gate, send_body

# A body up to here goes out with its head in one write; a longer one is not worth copying.
JOINED_BODY_BYTES_MAX: Final = 64 * 1024

# Looking up a member of an enum is a call, and every request asks for this one.
_FIRST_BYTE_TIMEOUT: Final = ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT


class Owner(Protocol):
    """Who keeps connections: the pool."""

    def release(self, connection: "Connection") -> None:
        """The connection has ended an exchange well and can serve another."""

    def forget(self, connection: "Connection") -> None:
        """The connection's socket is gone. Called once for each connection that was owned."""


class Connection(asyncio.Protocol):
    """One connection. It serves one exchange at a time, begun by `begin`."""

    def __init__(self, limits: PoolLimits, clock: Clock) -> None:
        self.is_closed = False
        self.is_reused = False
        self.owner: Owner | None = None
        self._limits = limits
        self.loop = asyncio.get_running_loop()
        self._monotonic_s = clock.monotonic_s
        self._transport: asyncio.Transport | None = None
        self._arrived: list[bytes] = []
        """Body that the parser found in the bytes at hand; the exchange takes it out."""
        self.on_body = self._arrived.append
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._headers: Headers = []
        self._overhead_bytes = 0
        self._ends_at_eof = False
        self._can_be_kept = False
        self._is_dirty = False
        self.is_reading_paused = False
        self._gate = Gate()
        self._lost: asyncio.Future[None] | None = None
        self._idle_due_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.timer_due_s = math.inf

    # What the pool calls.

    @property
    def has_heard(self) -> bool:
        """Whether a byte came for the request at hand, while its answer's head has not."""
        return self._overhead_bytes > 0

    def own(self, owner: Owner) -> None:
        """Tell `owner` when this connection is free, and when it is gone."""
        self.owner = owner

    def begin(
        self,
        exchange: Exchange,
        head: bytes,
        body: bytes | AsyncIterator[bytes],
        length: int | None,
        timeouts: Timeouts,
    ) -> None:
        """Begin to send a request; the exchange says when its answer is there.

        `head` frames `body` already; `length` is what it declares for a streamed body, None if it
        says chunked. What a streamed body raises becomes the failure of the exchange.
        """
        transport = self._transport
        self._overhead_bytes = 0
        if transport is None or self.is_closed:
            exchange.fail(map_failure(None, EXCHANGING))
            return
        exchange.attach(self, self._arrived)
        self._exchange = exchange
        self._headers = []
        self._can_be_kept = True
        if not isinstance(body, bytes):
            transport.write(head)
            exchange.expect(ErrorKind.UPSTREAM_TOTAL_TIMEOUT, None)
            self._start_upload(exchange, body, length, timeouts, transport)
            return
        if len(body) <= JOINED_BODY_BYTES_MAX:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        exchange.expect(_FIRST_BYTE_TIMEOUT, timeouts.first_byte_s)

    def close(self) -> None:
        """Close the socket now; bytes that were not sent yet are dropped."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    def shut_down(self, failure: GatewayError) -> None:
        """Close, and let an exchange that is under way fail with `failure`."""
        self._end(failure)
        self.close()

    async def wait_closed(self) -> None:
        """Return when the socket is gone."""
        if self._transport is not None:
            self._lost = self._lost or self.loop.create_future()
            await self._lost

    def resume_reading(self) -> None:
        """Take bytes from the socket again, if that was paused."""
        if self.is_reading_paused and not self.is_closed and self._transport is not None:
            self.is_reading_paused = False
            self._transport.resume_reading()

    def watch(self, due_s: float) -> None:
        """Make sure that the timer fires no later than at `due_s`."""
        if due_s < self.timer_due_s and not self.is_closed:
            if self._timer is not None:
                self._timer.cancel()
            self.timer_due_s = due_s
            delay_s = max(0.0, due_s - self._monotonic_s())
            self._timer = self.loop.call_later(delay_s, self._check_time)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.buffer_bytes_high)

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        exchange = self._exchange
        if exchange is None or self._parser is None:
            # Nobody asked: a late 408, a goodbye, or noise. None of it may meet the next request.
            self.close()
            return
        arrived = self._arrived
        self._overhead_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if arrived:
                self._overhead_bytes = 0
                if exchange.body_bytes_max is not None:
                    exchange.hold()
                    exchange.has_news = True
            elif self._overhead_bytes > self._limits.head_bytes_max:
                raise head_too_large()
        except PARSER_ERRORS as error:
            self._end(_unwrap(error))
        except GatewayError as failure:
            self._end(failure)
        if exchange.has_news:
            if exchange.is_complete and exchange is self._exchange:
                self._settle()
            exchange.wake()
        elif arrived:
            # What `wake` does, for a piece of a stream that is taken at once.
            exchange.is_drained = False
            # A name of its own: an attribute that is called where it is looked up is taken for a
            # method first, which takes as long as the call.
            on_news = exchange.on_news
            if on_news is None:
                exchange.wake()
            else:
                on_news()
        if not (exchange.is_drained or exchange.is_complete):
            exchange.hold()
            if exchange.buffered_bytes > self._limits.buffer_bytes_high:
                self._pause_reading()

    def eof_received(self) -> None:
        """The upstream will send no more. For us that is the end of the connection."""
        self._end(None)
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        self.is_closed = True
        self._end(map_failure(error, EXCHANGING) if error is not None else None)
        if self._timer is not None:
            self._timer.cancel()
        # The parser holds our methods, so the two would wait for the cycle collector.
        self._transport = self._parser = self._timer = None
        if self.owner is not None:
            self.owner.forget(self)
            self.owner = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        """The transport holds as many unsent bytes as it may."""
        self._gate.shut()

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._gate.open()

    # What the parser calls, while `data_received` runs.

    def on_message_begin(self) -> None:
        """A head begins: ours, one after a 1xx, or one that nobody asked for."""
        self._is_dirty = self._exchange is None or self._exchange.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of a head, or of a trailer, which nobody will look at."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is complete. Anything below 200 is not the answer yet."""
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None or self._is_dirty:
            return
        status = parser.get_status_code()
        headers, self._headers = self._headers, []
        if status < 200:
            return
        limits = self._limits
        if len(headers) > limits.header_count_max or self._overhead_bytes > limits.head_bytes_max:
            check_head_size(headers, limits)
        has_body = not exchange.is_head_request and status not in BODILESS_STATUSES
        body = read_body_form(headers, limits, has_body=has_body)
        self._ends_at_eof = body.ends_at_eof
        exchange.take_head(status, body.headers, body.decoder)
        if exchange.upload is not None and not exchange.upload.done():
            self._can_be_kept = False
            if status >= 300:
                exchange.upload.cancel()
        if exchange.is_head_request:
            # The parser would wait for the body that the head speaks of, so it is of no more use.
            self._can_be_kept = False
            exchange.finish()

    def on_message_complete(self) -> None:
        """The last byte of a message was parsed; of the answer, unless its head was a 1xx."""
        exchange, parser = self._exchange, self._parser
        if exchange is None or parser is None or not exchange.status or exchange.is_complete:
            return
        if not parser.should_keep_alive():
            self._can_be_kept = False
        if self._arrived:
            self._overhead_bytes = 0
            if exchange.body_bytes_max is not None:
                exchange.hold()
        exchange.finish()

    # Our own.

    def _start_upload(
        self,
        exchange: Exchange,
        body: AsyncIterator[bytes],
        length: int | None,
        timeouts: Timeouts,
        transport: asyncio.Transport,
    ) -> None:
        work = send_body(body, length, transport, self._gate, exchange, timeouts)
        exchange.upload = self.loop.create_task(work, name="upstream upload")
        exchange.upload.add_done_callback(partial(self._end_upload, exchange))

    def _end_upload(self, exchange: Exchange, upload: "asyncio.Task[None]") -> None:
        error = None if upload.cancelled() else upload.exception()
        if error is not None and exchange is self._exchange:
            self._end(error)
            exchange.wake()

    def _settle(self) -> None:
        """The answer is complete: be free for the next, or close."""
        self._exchange = None
        transport = self._transport
        is_clean = self._can_be_kept and not self._is_dirty and not self.is_closed
        if not is_clean or transport is None or transport.get_write_buffer_size():
            self.close()
            return
        if self.is_reading_paused:
            self.resume_reading()
        self.is_reused = True
        self._idle_due_s = self._monotonic_s() + self._limits.idle_expiry_s
        if self._idle_due_s < self.timer_due_s:
            self.watch(self._idle_due_s)
        if self.owner is not None:
            self.owner.release(self)

    def _end(self, failure: BaseException | None) -> None:
        """End the exchange at hand, if any, with a failure or because the connection ended."""
        exchange = self._exchange
        if exchange is None:
            return
        self._exchange = None
        if failure is None and self._ends_at_eof and exchange.status:
            exchange.finish()
        else:
            exchange.fail(failure or map_failure(None, EXCHANGING))
        exchange.wake()
        self.close()

    def _pause_reading(self) -> None:
        if not self.is_reading_paused and not self.is_closed and self._transport is not None:
            self.is_reading_paused = True
            self._transport.pause_reading()

    def _check_time(self) -> None:
        self._timer, self.timer_due_s = None, math.inf
        now_s = self._monotonic_s()
        exchange = self._exchange
        due_s = self._idle_due_s if exchange is None else exchange.due_s
        if now_s < due_s:
            if due_s < math.inf:
                self.watch(due_s)
        elif exchange is None:
            self.close()
        else:
            self._end(exchange.make_timeout(now_s))


def _unwrap(error: Exception) -> GatewayError:
    # httptools wraps what a callback raises.
    if isinstance(error.__context__, GatewayError):
        return error.__context__
    return map_failure(error, EXCHANGING)
