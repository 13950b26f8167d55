"""Every limiter, held to a model that remembers everything and counts in fractions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import FakeClock

from nagara.limits.base import NS_PER_S, Claim, Kind, Limit, Limiter, Unit
from nagara.limits.memory import MemoryLimiter

LIMITERS: Mapping[str, Callable[[FakeClock], Limiter]] = {"memory": MemoryLimiter}
on_every_limiter = pytest.mark.parametrize("make", LIMITERS.values(), ids=LIMITERS)


def limit(kind: Kind, amount_max: int, period_s: int = 60, id_: str = "one") -> Limit:
    unit = Unit.SLOTS if kind is Kind.RELEASED else Unit.REQUESTS
    return Limit(
        id=id_, rule="x", unit=unit, kind=kind, amount_max=amount_max, period_ns=period_s * NS_PER_S
    )


class Model(Protocol):
    """What one limit should do, in exact seconds."""

    def fits(self, amount: int, now_s: Fraction) -> bool: ...
    def take(self, amount: int, now_s: Fraction) -> None: ...
    def remaining(self, now_s: Fraction) -> int: ...


class EvenlyModel:
    """A bucket of units, filled bit by bit."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.units = Fraction(limit.amount_max)
        self.at_s = Fraction(0)

    def fits(self, amount: int, now_s: Fraction) -> bool:
        gained = (now_s - self.at_s) * self.limit.amount_max * NS_PER_S / self.limit.period_ns
        self.units, self.at_s = min(self.units + gained, Fraction(self.limit.amount_max)), now_s
        return self.units >= amount

    def take(self, amount: int, now_s: Fraction) -> None:
        self.fits(0, now_s)
        self.units = min(self.units - amount, Fraction(self.limit.amount_max))

    def remaining(self, now_s: Fraction) -> int:
        self.fits(0, now_s)
        return max(0, self.units.__floor__())


class WindowModel:
    """The time of every unit that was ever taken."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.taken_s: list[Fraction] = []

    def fits(self, amount: int, now_s: Fraction) -> bool:
        return self.remaining(now_s) >= amount

    def take(self, amount: int, now_s: Fraction) -> None:
        self.taken_s += [now_s] * amount

    def remaining(self, now_s: Fraction) -> int:
        begins_s = now_s - Fraction(self.limit.period_ns, NS_PER_S)
        within = [at_s for at_s in self.taken_s if at_s > begins_s]
        return self.limit.amount_max - len(within)


class SlotsModel:
    """The number that is held."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.held = 0

    def fits(self, amount: int, now_s: Fraction) -> bool:
        return self.held + amount <= self.limit.amount_max

    def take(self, amount: int, now_s: Fraction) -> None:
        self.held += amount

    def remaining(self, now_s: Fraction) -> int:
        return self.limit.amount_max - self.held


MODELS: Mapping[Kind, Callable[[Limit], Model]] = {
    Kind.EVENLY: EvenlyModel,
    Kind.WINDOW: WindowModel,
    Kind.RELEASED: SlotsModel,
}

some_limits = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(1, 12), st.integers(1, 90)), min_size=1, max_size=5
)
some_steps = st.lists(
    st.tuples(
        st.just(0) | st.integers(0, 30_000),
        st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), min_size=1, max_size=5),
        st.integers(-12, 12),
    ),
    max_size=40,
)


def claim(limits: Sequence[Limit], at: int, amount: int) -> Claim:
    one = limits[at % len(limits)]
    return Claim(one, min(amount, one.amount_max) if one.kind is Kind.EVENLY else 1)


@on_every_limiter
@given(shapes=some_limits, steps=some_steps, uptime_s=st.sampled_from([0, 1000, 10_000_000]))
def test_as_much_is_let_through_as_the_model_lets_all_claims_or_none(
    make: Callable[[FakeClock], Limiter],
    shapes: Sequence[tuple[Kind, int, int]],
    steps: Sequence[tuple[int, Sequence[tuple[int, int]], int]],
    uptime_s: int,
) -> None:
    limits = [limit(*shape, id_=str(at)) for at, shape in enumerate(shapes)]
    models = [MODELS[one.kind](one) for one in limits]

    async def compare() -> None:
        clock, now_ms = FakeClock(), uptime_s * 1000
        limiter = make(clock)
        for gap_ms, wanted, correction in steps:
            now_ms += gap_ms
            clock.set_monotonic(now_ms / 1000)
            now_s = Fraction(now_ms, 1000)
            claims = {at % len(limits): claim(limits, at, amount) for at, amount in wanted}
            decision = await limiter.acquire(list(claims.values()))
            fit = {at: models[at].fits(one.amount, now_s) for at, one in claims.items()}
            assert decision.is_taken is all(fit.values())
            for at, one in claims.items():
                if decision.is_taken:
                    models[at].take(one.amount, now_s)
            for (at, one), state in zip(claims.items(), decision.states, strict=True):
                assert (state.wait_ns == 0) is fit[at]
                assert state.remaining == models[at].remaining(now_s)
                if one.limit.kind is Kind.EVENLY:
                    limiter.charge(one.limit, correction)
                    models[at].take(correction, now_s)
                elif one.limit.kind is Kind.RELEASED and decision.is_taken and correction > 0:
                    limiter.release(one.limit)
                    models[at].take(-1, now_s)

    asyncio.run(compare())


@on_every_limiter
@pytest.mark.parametrize("kind", Kind)
async def test_of_many_at_once_exactly_as_many_pass_as_may(
    make: Callable[[FakeClock], Limiter], kind: Kind
) -> None:
    limiter = make(FakeClock())
    wide, narrow = limit(kind, 50, id_="wide"), limit(Kind.EVENLY, 30, id_="narrow")

    async def ask(claims: Sequence[Claim]) -> bool:
        await asyncio.sleep(0)
        return (await limiter.acquire(claims)).is_taken

    both, one = [Claim(wide), Claim(narrow)], [Claim(wide)]
    passed = await asyncio.gather(*(ask(both) for _ in range(200)))
    assert passed.count(True) == 30
    # What the narrow one refused was not taken from the wide one.
    passed = await asyncio.gather(*(ask(one) for _ in range(200)))
    assert passed.count(True) == 20


@on_every_limiter
@pytest.mark.parametrize("kind", [Kind.EVENLY, Kind.WINDOW])
async def test_unit_is_free_when_it_was_said_to_be_and_not_before(
    make: Callable[[FakeClock], Limiter], kind: Kind
) -> None:
    clock = FakeClock()
    limiter, claims = make(clock), [Claim(limit(kind, 3))]
    for _ in range(3):
        assert (await limiter.acquire(claims)).is_taken
        clock.advance(1)
    wait_ns = (await limiter.acquire(claims)).states[0].wait_ns
    clock.advance(wait_ns / 1e9 - 0.001)
    assert not (await limiter.acquire(claims)).is_taken
    clock.advance(0.001)
    assert (await limiter.acquire(claims)).is_taken


@on_every_limiter
async def test_no_minute_sees_more_than_a_window_allows(
    make: Callable[[FakeClock], Limiter],
) -> None:
    clock = FakeClock()
    limiter, claims, taken_s = make(clock), [Claim(limit(Kind.WINDOW, 10))], list[float]()
    for _ in range(2000):
        clock.advance(0.7)
        if (await limiter.acquire(claims)).is_taken:
            taken_s.append(clock.monotonic_s())
    most = max(sum(at <= other < at + 60 for other in taken_s) for at in taken_s)
    assert most == 10


@on_every_limiter
async def test_whole_burst_passes_after_weeks_and_not_one_more(
    make: Callable[[FakeClock], Limiter],
) -> None:
    clock = FakeClock()
    clock.set_monotonic(10_000_000.0)
    limiter, claims = make(clock), [Claim(limit(Kind.EVENLY, 7001))]
    assert [(await limiter.acquire(claims)).is_taken for _ in range(7002)].count(True) == 7001


@on_every_limiter
async def test_debt_is_paid_before_anything_passes_again(
    make: Callable[[FakeClock], Limiter],
) -> None:
    clock, tokens = FakeClock(), limit(Kind.EVENLY, 60)
    limiter = make(clock)
    assert (await limiter.acquire([Claim(tokens, 10)])).is_taken
    limiter.charge(tokens, 110)
    refused = (await limiter.acquire([Claim(tokens, 1)])).states[0]
    assert (refused.remaining, refused.wait_ns, refused.reset_ns) == (0, 61 * 10**9, 120 * 10**9)
    clock.advance(61)
    assert (await limiter.acquire([Claim(tokens, 1)])).is_taken


@on_every_limiter
@pytest.mark.parametrize("kind", Kind)
async def test_changed_amount_keeps_what_was_counted(
    make: Callable[[FakeClock], Limiter], kind: Kind
) -> None:
    limiter, before = make(FakeClock()), limit(kind, 5)
    for _ in range(4):
        assert (await limiter.acquire([Claim(before)])).is_taken
    raised, lowered = limit(kind, 7), limit(kind, 3)
    assert (await limiter.acquire([Claim(raised)])).states[0].remaining == 2
    assert (await limiter.acquire([Claim(lowered)])).states[0].remaining == 0
    assert not (await limiter.acquire([Claim(lowered)])).is_taken


@on_every_limiter
async def test_clock_that_jumps_back_gives_nothing_and_takes_nothing(
    make: Callable[[FakeClock], Limiter],
) -> None:
    clock = FakeClock()
    limiter = make(clock)
    claims = [Claim(limit(Kind.EVENLY, 2, id_="a")), Claim(limit(Kind.WINDOW, 2, id_="b"))]
    assert (await limiter.acquire(claims)).is_taken
    clock.advance(-900)
    assert (await limiter.acquire(claims)).is_taken
    assert not (await limiter.acquire(claims)).is_taken
    clock.advance(900 + 60)
    assert (await limiter.acquire(claims)).is_taken
