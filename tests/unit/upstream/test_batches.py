"""Several calls for one request: their order, their bound, and what happens when one fails."""

import asyncio

import msgspec
import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.batches import AT_ONCE_MAX, Ask, WholeAnswer, ask_all


class Begun(msgspec.Struct):
    answer: WholeAnswer
    first: bytes


def answering(*pieces: bytes, until: asyncio.Event | None = None) -> Ask:
    async def ask() -> Begun:
        if until is not None:
            await until.wait()
        return Begun(WholeAnswer(b"".join(pieces[1:])), pieces[0])

    return ask


async def test_answers_are_in_the_order_of_the_calls_however_they_come() -> None:
    late = asyncio.Event()

    async def last() -> Begun:
        late.set()
        return Begun(WholeAnswer(b""), b"3")

    whole = await ask_all([answering(b"1", until=late), answering(b"2", b"2"), last], 100)
    assert await whole.read() == b"[1,22,3]"
    assert await whole.read() == b""


async def test_no_more_than_a_few_are_under_way_together() -> None:
    running, most = 0, 0

    def make() -> Ask:
        async def ask() -> Begun:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return Begun(WholeAnswer(b""), b"1")

        return ask

    await ask_all([make() for _ in range(5 * AT_ONCE_MAX)], 1000)
    assert most == AT_ONCE_MAX


async def test_one_that_fails_stops_the_others() -> None:
    never, stopped = asyncio.Event(), asyncio.Event()

    async def fail() -> Begun:
        raise GatewayError(ErrorKind.UPSTREAM_RATE_LIMIT, "busy")

    async def hang() -> Begun:
        try:
            await never.wait()
        except asyncio.CancelledError:
            stopped.set()
            raise
        raise AssertionError

    with pytest.raises(GatewayError, match="busy"):
        await ask_all([hang, fail], 100)
    assert stopped.is_set()


async def test_answers_share_one_bound() -> None:
    with pytest.raises(GatewayError) as caught:
        await ask_all([answering(b"12345"), answering(b"1", b"2345")], 9)
    assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE
