"""Streams are pumped by whichever side has news, and end where `run` waits."""

import asyncio
from collections.abc import Callable

import pytest

from nagara.dialects.base import ForwardedStream
from nagara.dialects.raw_stream import RawStream
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Lane
from nagara.upstream.attempt import Begun
from nagara.upstream.relay import StreamRelay
from tests.fakes import FakeAnswer, FakeReply

CHAT = ENDPOINTS["/v1/chat/completions"]
DONE = b"data: [DONE]\n\n"


def event(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text.encode()


class FedAnswer(FakeAnswer):
    """An answer whose pieces come when the test feeds them."""

    def __init__(self) -> None:
        super().__init__(200, [])
        self.is_drained = True
        self.on_news: Callable[[], None] | None = None

    def feed(self, *pieces: bytes | GatewayError) -> None:
        self.pieces += pieces
        self.is_drained = False
        if self.on_news is not None:
            self.on_news()

    def take(self) -> bytes | None:
        if not self.pieces:
            self.is_drained = True
            return None
        return super().take()

    def listen(self, on_news: Callable[[], None] | None) -> None:
        self.on_news = on_news


NO_LANE: Lane = None  # type: ignore[assignment]
"""A relay is given its stream, and needs no lane."""


class Relayed:
    """A relay whose first event has been sent."""

    def __init__(self, stream: ForwardedStream | None = None) -> None:
        assert CHAT.forward_stream is not None
        self.answer, self.reply = FedAnswer(), FakeReply()
        self.settled: list[bytes] = []
        self.stream = stream or CHAT.forward_stream(1000, None, hides_usage=False)
        begun = Begun(self.answer, event("first"), True, NO_LANE)
        self.relay = StreamRelay(begun, self.stream, self.reply, "req_1")

    async def settle(self, last: bytes) -> None:
        """What is held back until now is all that is still to be sent."""
        assert not self.reply.is_ended
        self.settled.append(last)

    async def begin(self) -> asyncio.Task[None]:
        running = asyncio.create_task(self.relay.run([], self.settle))
        await asyncio.sleep(0)
        assert self.reply.body == event("first")
        return running


async def test_event_is_sent_in_the_call_in_which_it_comes() -> None:
    relayed = Relayed()
    running = await relayed.begin()
    for text in ("a", "b"):
        relayed.answer.feed(event(text))
        assert relayed.reply.pieces[-1] == event(text)
    relayed.answer.feed(DONE)
    await running
    assert relayed.reply.is_ended
    assert relayed.answer.is_aborted
    assert relayed.answer.on_news is relayed.reply.on_room is None


async def test_full_client_leaves_the_rest_with_the_upstream_until_it_has_room() -> None:
    relayed = Relayed()
    running = await relayed.begin()
    relayed.reply.is_full = True
    relayed.answer.feed(event("a"))
    relayed.answer.feed(event("b"), DONE)
    assert len(relayed.answer.pieces) == 3
    relayed.reply.is_full = False
    assert relayed.reply.on_room is not None
    relayed.reply.on_room()
    await running
    assert relayed.reply.body == b"".join([*map(event, ("first", "a", "b")), DONE])


async def test_failure_of_the_upstream_ends_the_stream_with_an_error_event() -> None:
    relayed = Relayed()
    running = await relayed.begin()
    relayed.answer.feed(event("a"), GatewayError(ErrorKind.UPSTREAM_CUT, "It was cut."))
    await running
    assert relayed.relay.failure is not None
    assert b"It was cut." in relayed.reply.pieces[-1]
    assert DONE not in relayed.reply.body
    assert relayed.reply.is_ended


class BrokenStream(ForwardedStream):
    """A dialect with a mistake in it."""

    def take_event(self, event: bytes, data: bytes) -> bytes:
        if b"first" in event:
            return event
        raise ZeroDivisionError


async def test_mistake_of_ours_is_raised_where_the_answer_is_awaited() -> None:
    relayed = Relayed(BrokenStream(1000))
    running = await relayed.begin()
    relayed.answer.feed(event("a"))
    with pytest.raises(ZeroDivisionError):
        await running
    assert relayed.answer.is_aborted


async def test_nothing_is_sent_after_it_was_cancelled() -> None:
    relayed = Relayed()
    running = await relayed.begin()
    running.cancel()
    relayed.answer.feed(event("late"), DONE)
    with pytest.raises(asyncio.CancelledError):
        await running
    relayed.relay.interrupt(GatewayError(ErrorKind.SHUTTING_DOWN, "It stops."))
    assert b"late" not in relayed.reply.body
    assert b"It stops." in relayed.reply.body


class Ignorant:
    """A gauge that finds nothing."""

    usage = None

    def feed(self, data: bytes) -> None:
        pass


async def begin_raw() -> tuple[FedAnswer, FakeReply, list[bytes], asyncio.Task[None]]:
    answer, reply, settled = FedAnswer(), FakeReply(), list[bytes]()

    async def settle(last: bytes) -> None:
        assert not reply.is_ended
        settled.append(last)

    begun = Begun(answer, b"first", False, NO_LANE)
    relay = StreamRelay(begun, RawStream(Ignorant()), reply, "req_1")
    running = asyncio.create_task(relay.run([], settle))
    await asyncio.sleep(0)
    return answer, reply, settled, running


class Slow(RawStream):
    """A stream that gives a byte a step."""

    def __init__(self) -> None:
        super().__init__(Ignorant())
        self._waiting = b""

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def feed(self, data: bytes) -> bytes:
        self._waiting += super().feed(data)
        return self.work()

    def close(self) -> bytes:
        self._waiting += b"end"
        return self.work()

    def work(self) -> bytes:
        step, self._waiting = self._waiting[:1], self._waiting[1:]
        return step


async def begin_slow() -> tuple[FedAnswer, FakeReply, list[bytes], asyncio.Task[None]]:
    answer, reply, settled = FedAnswer(), FakeReply(), list[bytes]()

    async def settle(last: bytes) -> None:
        settled.append(last)

    stream = Slow()
    begun = Begun(answer, b"begin", False, NO_LANE)
    running = asyncio.create_task(StreamRelay(begun, stream, reply, "r", stream).run([], settle))
    await asyncio.sleep(0)
    return answer, reply, settled, running


async def test_work_is_done_in_steps_with_turns_of_the_loop_between() -> None:
    answer, reply, settled, running = await begin_slow()
    assert reply.body == b"b"
    # What comes meanwhile waits, and so does what was left.
    answer.feed(b"more", b"")
    while not reply.is_ended:
        before = len(reply.body)
        await asyncio.sleep(0)
        # A step of what there was, and the first of what came next.
        assert len(reply.body) <= before + 2
    await running
    assert reply.body == b"beginmoreend"
    assert settled == [b"d"]


async def test_work_waits_for_room_and_stops_when_it_was_cancelled() -> None:
    _answer, reply, settled, running = await begin_slow()
    reply.is_full = True
    for _ in range(3):
        await asyncio.sleep(0)
    told = reply.body
    assert told in (b"b", b"be")
    reply.is_full = False
    assert reply.on_room is not None
    reply.on_room()
    await asyncio.sleep(0)
    assert len(reply.body) == len(told) + 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    told = reply.body
    for _ in range(5):
        await asyncio.sleep(0)
    assert (reply.body, settled) == (told, [])


async def test_bare_bytes_are_sent_as_they_come_and_end_when_they_are_settled() -> None:
    answer, reply, settled, running = await begin_raw()
    answer.feed(b"second")
    assert reply.pieces == [b"first", b"second"]
    answer.feed(b"")
    await running
    assert settled == [b""]
    assert reply.is_ended
    assert not reply.is_broken_off


async def test_bare_bytes_that_fail_are_broken_off_once_that_is_settled() -> None:
    answer, reply, settled, running = await begin_raw()
    answer.feed(b"second", GatewayError(ErrorKind.UPSTREAM_CUT, "It was cut."))
    await running
    assert settled == [b""]
    assert reply.is_broken_off
    assert reply.body == b"firstsecond"


class LateStream(RawStream):
    """Bytes that are only audio from the second piece on."""

    def feed(self, data: bytes) -> bytes:
        return b"" if data == b"first" else super().feed(data)


async def begin_late() -> tuple[FedAnswer, FakeReply, list[bytes], asyncio.Task[None]]:
    answer, reply, settled = FedAnswer(), FakeReply(), list[bytes]()

    async def settle(last: bytes) -> None:
        settled.append(last)

    begun = Begun(answer, b"first", False, NO_LANE)
    relay = StreamRelay(begun, LateStream(Ignorant()), reply, "req_1")
    running = asyncio.create_task(relay.run([(b"x", b"y")], settle))
    await asyncio.sleep(0)
    return answer, reply, settled, running


async def test_what_can_only_break_off_has_no_head_before_its_first_bytes() -> None:
    answer, reply, settled, running = await begin_late()
    assert not reply.has_started
    answer.feed(b"audio")
    assert (reply.status, reply.headers, reply.pieces) == (200, [(b"x", b"y")], [b"audio"])
    answer.feed(b"")
    await running
    assert reply.is_ended
    assert settled == [b""]


async def test_failure_before_the_head_is_an_error_like_any_other() -> None:
    answer, reply, settled, running = await begin_late()
    answer.feed(GatewayError(ErrorKind.INVALID_REQUEST, "It is not to be said."))
    with pytest.raises(GatewayError, match="not to be said"):
        await running
    assert not reply.has_started
    assert settled == []
    assert answer.is_aborted
