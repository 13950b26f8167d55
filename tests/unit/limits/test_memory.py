"""The limiter of one process: what it forgets, and what it must not."""

import pytest
from tests.fakes import FakeClock

from nagara.limits.base import Claim, Kind, Limit, Unit
from nagara.limits.memory import MemoryLimiter


def claim(id_: str, kind: Kind = Kind.EVENLY, amount: int = 1, amount_max: int = 10) -> Claim:
    unit = Unit.SLOTS if kind is Kind.RELEASED else Unit.REQUESTS
    return Claim(Limit(id=id_, rule="x", unit=unit, kind=kind, amount_max=amount_max), amount)


@pytest.mark.parametrize("kind", [Kind.EVENLY, Kind.WINDOW])
async def test_memory_follows_what_is_busy(kind: Kind) -> None:
    clock = FakeClock()
    limiter = MemoryLimiter(clock)
    for number in range(20_000):
        # Each is idle again after 6 s (a tenth of its minute), or after the whole of it.
        await limiter.acquire([claim(str(number), kind)])
        clock.advance(0.06)
    busy = 100 if kind is Kind.EVENLY else 1000
    assert len(limiter) <= 2 * busy + 2


async def test_busy_subject_is_never_forgotten_among_idle_ones() -> None:
    clock = FakeClock()
    limiter, busy = MemoryLimiter(clock), [claim("busy", amount=10)]
    await limiter.acquire(busy)
    for number in range(1000):
        await limiter.acquire([claim(str(number))])
    assert not (await limiter.acquire(busy)).is_taken


async def test_claims_of_a_first_request_are_all_kept() -> None:
    limiter = MemoryLimiter(FakeClock())
    claims = [claim(name, amount_max=1) for name in "abcd"]
    assert (await limiter.acquire(claims)).is_taken
    assert not any([(await limiter.acquire([one])).is_taken for one in claims])


async def test_slots_leave_nothing_behind_and_give_no_more_than_was_taken() -> None:
    limiter, slot = MemoryLimiter(FakeClock()), claim("a", Kind.RELEASED, amount_max=1)
    assert (await limiter.acquire([slot])).is_taken
    limiter.release(slot.limit)
    assert len(limiter) == 0
    limiter.release(slot.limit)
    assert (await limiter.acquire([slot])).is_taken
    assert not (await limiter.acquire([slot])).is_taken


async def test_late_correction_of_a_forgotten_count_is_harmless() -> None:
    limiter, tokens = MemoryLimiter(FakeClock()), claim("tokens").limit
    limiter.charge(tokens, -5)
    assert len(limiter) == 0
    limiter.charge(tokens, 10)
    assert not (await limiter.acquire([Claim(tokens)])).is_taken
