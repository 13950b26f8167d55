"""A shared limit ends what takes too long, and only that."""

import asyncio

import pytest

from nagara.patience import Patience

LIMIT_S = 0.02


async def answer() -> int:
    await asyncio.sleep(0)
    return 7


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_is_in_time_is_given() -> None:
    patience = Patience(LIMIT_S)
    assert [await patience.wait_for(answer()) for _ in range(3)] == [7, 7, 7]
    # The timer of the first finds nobody.
    await asyncio.sleep(2 * LIMIT_S)
    assert await patience.wait_for(answer()) == 7


async def test_what_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    patience = Patience(LIMIT_S)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await patience.wait_for(forever())
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    assert await patience.wait_for(answer()) == 7


async def test_each_has_its_own_time_from_when_it_began() -> None:
    patience, loop = Patience(5 * LIMIT_S), asyncio.get_running_loop()
    ended_s: list[float] = []

    async def begin(after_s: float) -> None:
        await asyncio.sleep(after_s)
        began_s = loop.time()
        with pytest.raises(TimeoutError):
            await patience.wait_for(forever())
        ended_s.append(loop.time() - began_s)

    await asyncio.gather(*(begin(index * LIMIT_S) for index in range(4)))
    assert len(ended_s) == 4
    assert min(ended_s) >= 5 * LIMIT_S * 0.99


async def test_who_is_cancelled_by_others_is_cancelled() -> None:
    task = asyncio.create_task(Patience(60).wait_for(forever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_while_its_time_ends_is_cancelled() -> None:
    async def end_with_a_cancellation_more() -> None:
        try:
            await forever()
        finally:
            current = asyncio.current_task()
            assert current is not None
            current.cancel()

    task = asyncio.create_task(Patience(LIMIT_S).wait_for(end_with_a_cancellation_more()))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_failure_of_the_work_is_its_own() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Patience(LIMIT_S).wait_for(fail())
