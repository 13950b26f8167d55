"""Pumps an upstream's answer to the client: metering, back-pressure, and how an answer ends.

Theory of operation. A stream is pumped in the very call in which its bytes arrive: upstream socket,
dialect's stream, client's socket, with no task switch between, since a switch would cost as much as
all the rest. `_pump` is called at news from either side, and takes what is there until

    the client's side is full       the upstream's side is then held back, and memory stays flat;
                                    the client's side calls again when it has room
    nothing is there to be taken    the upstream's side calls again when there is
    the stream is at its end,       the task that waits in `run` goes on
    or something failed
    there is work left to do        a `Worker` does it in steps, with turns of the loop between

The head goes out with the first event. From then on every failure is an event in the caller's
dialect, or, where the answer is no events, a broken connection: what breaks off never looks
complete. An answer that can only break off has no head before its first bytes, so that a failure
before them is an error like any other. What ends an answer, its terminal event and
what came in one piece with it, is held back until the answer has been settled: a caller who has
seen the end has paid for it, whatever happens to this process then. What the upstream still sends
after its terminal event is read only so that its connection can be used again.

An answer that is no stream is read whole, within a bound, and sent with its length.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.translation import Translated
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.lanes import Bounds
from nagara.upstream.attempt import Begun
from nagara.upstream.reply import Reply, ResponseHeaders

Settle = Callable[[bytes], Awaitable[None]]

END_OF_CONNECTION_S = 1.0
"""How long a finished upstream may take to end its body before its connection is closed."""


async def read_whole(begun: Begun, bounds: Bounds) -> Translated:
    """Read an answer that the caller wants whole, to its end.

    Raises `GatewayError` when it breaks off, is too large or cannot be read; it is then aborted.
    """
    bytes_max = bounds.response_bytes_max
    answer, size, piece = begun.answer, 0, begun.first
    pieces: list[bytes] = []
    try:
        while piece:
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise GatewayError(
                    ErrorKind.UPSTREAM_TOO_LARGE,
                    f"The provider's answer is larger than {bytes_max} bytes.",
                )
            taken = answer.take()
            piece = await answer.read() if taken is None else taken
    except BaseException:
        answer.abort()
        raise
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return begun.lane.read_whole(body, bounds, is_event_stream=begun.is_event_stream)


class Worker(Protocol):
    """What of a stream takes long to make, and so is made in steps: everybody else waits for one.

    What `feed`, `close` or `terminator` gives is then only the first of it.
    """

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be made of what has come."""

    def work(self) -> bytes:
        """The next of it."""


class StreamRelay:
    """One streamed answer under way. `run` pumps it; `stream` tells what was learned."""

    def __init__(
        self,
        begun: Begun,
        stream: AnswerStream,
        reply: Reply,
        request_id: str,
        worker: Worker | None = None,
    ) -> None:
        self.stream = stream
        self.failure: GatewayError | None = None
        self._answer = begun.answer
        self._first = begun.first
        self._reply = reply
        self._request_id = request_id
        self._headers: ResponseHeaders = []
        self._worker = worker
        self._step: asyncio.Handle | None = None
        self._is_at_end = False
        self._last: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The last bytes for the client, or why there are no more."""

    async def run(self, headers: ResponseHeaders, settle: Settle) -> None:
        """Send the answer's head and pump its events until it is ended, one way or another.

        `settle` is awaited once with the end, before that is sent. However this is left, cancelled
        too, the upstream is then at its end or aborted. Raises `GatewayError` for a failure before
        the head, of an answer that could not say so after it.
        """
        self._headers = headers
        try:
            if not self.stream.breaks_off:
                self._reply.start(200, headers)
            try:
                last = await self._pump_to_end()
            except GatewayError as error:
                if not self._reply.has_started:
                    raise
                self.failure = error
                last = self.stream.fail(error, self._request_id)
            if not self._reply.has_started:
                self._reply.start(200, headers)
            await settle(last)
            self._end(last)
            if self.failure is None:
                await self._finish_upstream()
        finally:
            self._answer.abort()

    def interrupt(self, error: GatewayError) -> None:
        """End the client's stream with `error`, after `run` was cancelled; no-op if it ended."""
        if self._reply.is_ended:
            return
        self.failure = error
        # Where there is no head yet, who called has an error to give.
        if self._reply.has_started:
            self._end(self.stream.fail(error, self._request_id))

    def _end(self, last: bytes) -> None:
        if self.failure is not None and self.stream.breaks_off:
            self._reply.break_off()
        else:
            self._reply.end(last)

    async def _pump_to_end(self) -> bytes:
        self._answer.listen(self._pump)
        self._reply.on_room = self._pump
        try:
            self._pump(self._first)
            return await self._last
        finally:
            # They hold this relay, which holds them.
            self._answer.listen(None)
            self._reply.on_room = None
            if self._step is not None:
                self._step.cancel()

    def _pump(self, piece: bytes | None = None) -> None:
        """Forward `piece` and what is there. What goes wrong is raised where `run` waits."""
        answer, stream, reply = self._answer, self.stream, self._reply
        worker, last = self._worker, self._last
        try:
            while True:
                if piece is None:
                    if worker is not None and worker.is_busy:
                        self._work_soon()
                        return
                    if answer.is_drained or reply.is_full or last.done():
                        return
                    piece = answer.take()
                    if piece is None:
                        return
                if not piece:
                    self._finish(stream.close())
                else:
                    forwarded = stream.feed(piece)
                    if stream.is_ended:
                        self._finish_events(forwarded)
                    elif forwarded:
                        if not reply.has_started:
                            reply.start(200, self._headers)
                        reply.write(forwarded)
                piece = None
        except Exception as error:  # noqa: BLE001 - the event loop calls this: nobody would see it
            last.set_exception(error)

    def _finish_events(self, forwarded: bytes) -> None:
        """The stream has ended itself; what it failed with comes after what came before."""
        failure = self.stream.failure
        if failure is None:
            self._finish(forwarded + self.stream.terminator())
        else:
            self._write(forwarded)
            raise failure

    def _write(self, forwarded: bytes) -> None:
        if not forwarded:
            return
        if not self._reply.has_started:
            self._reply.start(200, self._headers)
        self._reply.write(forwarded)

    def _finish(self, forwarded: bytes) -> None:
        """These are the last bytes, unless more of them are still to be made."""
        if self._worker is not None and self._worker.is_busy:
            self._is_at_end = True
            self._write(forwarded)
        else:
            self._last.set_result(forwarded)

    def _work_soon(self) -> None:
        # Who is full calls `_pump` when there is room again.
        if self._step is None and not self._reply.is_full:
            self._step = asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        """One step of the work. What goes wrong is raised where `run` waits."""
        assert self._worker is not None
        self._step = None
        if self._last.done():
            return
        try:
            made = self._worker.work()
            if not self._worker.is_busy and self._is_at_end:
                self._finish(made)
                return
            self._write(made)
        except Exception as error:  # noqa: BLE001 - as in `_pump`
            self._last.set_exception(error)
            return
        self._pump()

    async def _finish_upstream(self) -> None:
        try:
            async with asyncio.timeout(END_OF_CONNECTION_S):
                while await self._answer.read():
                    pass
        except (GatewayError, TimeoutError):
            pass
