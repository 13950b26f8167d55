"""The limiter of one process against a model that counts in fractions."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from nagara.limits.base import Limit
from nagara.limits.memory import MemoryLimiter

WEEKS_S = 10_000_000.0


class Model:
    """A bucket of units that comes back evenly, by exact fractions of a second."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.units = Fraction(limit.amount_max)
        self.at_s = Fraction(0)

    def acquire(self, now_s: Fraction) -> bool:
        rate = Fraction(self.limit.amount_max, self.limit.period_s)
        gained = (now_s - self.at_s) * rate
        self.units, self.at_s = min(self.units + gained, Fraction(self.limit.amount_max)), now_s
        if self.units < 1:
            return False
        self.units -= 1
        return True


@given(
    amount=st.integers(1, 20),
    period_s=st.integers(1, 120),
    uptime_s=st.sampled_from([0, 1000, 10_000_000]),
    gaps_ms=st.lists(st.integers(0, 20_000) | st.just(0), max_size=60),
)
def test_exactly_as_many_are_let_through_as_the_model_lets(
    amount: int, period_s: int, uptime_s: int, gaps_ms: list[int]
) -> None:
    limit = Limit("requests", amount, period_s)
    limiter, model, now_ms = MemoryLimiter(), Model(limit), uptime_s * 1000
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        decision = limiter.acquire("key", limit, now_ms / 1000)
        assert decision.is_allowed is model.acquire(Fraction(now_ms, 1000))
        missing = limit.amount_max - model.units
        assert decision.remaining == int(model.units)
        assert abs(decision.reset_s - float(missing * period_s / amount)) < 1e-6
        wait = 0.0 if decision.is_allowed else float((1 - model.units) * period_s / amount)
        assert abs(decision.retry_after_s - wait) < 1e-6


def test_whole_burst_passes_after_weeks_and_not_one_more() -> None:
    limit, limiter = Limit("requests", 7001, 60), MemoryLimiter()
    answers = [limiter.acquire("key", limit, WEEKS_S).is_allowed for _ in range(7002)]
    assert answers == [True] * 7001 + [False]


def test_unit_is_free_when_it_was_said_to_be() -> None:
    limit, limiter = Limit("requests", 3, 60), MemoryLimiter()
    for _ in range(3):
        limiter.acquire("key", limit, WEEKS_S)
    wait_s = limiter.acquire("key", limit, WEEKS_S).retry_after_s
    assert wait_s == 20
    assert not limiter.acquire("key", limit, WEEKS_S + wait_s - 0.001).is_allowed
    assert limiter.acquire("key", limit, WEEKS_S + wait_s).is_allowed


def test_refusals_take_nothing() -> None:
    limit, limiter = Limit("requests", 1, 10), MemoryLimiter()
    assert limiter.acquire("key", limit, 0.0).is_allowed
    assert not any(limiter.acquire("key", limit, 9.999).is_allowed for _ in range(50))
    assert limiter.acquire("key", limit, 10.0).is_allowed


def test_subjects_and_limits_do_not_share() -> None:
    limiter = MemoryLimiter()
    minute, hour = Limit("minute", 1, 60), Limit("hour", 1, 3600)
    assert limiter.acquire("a", minute, 0.0).is_allowed
    assert limiter.acquire("b", minute, 0.0).is_allowed
    assert limiter.acquire("a", hour, 0.0).is_allowed
    assert not limiter.acquire("a", minute, 0.0).is_allowed


def test_full_buckets_are_swept_out_and_busy_ones_stay() -> None:
    limit, limiter = Limit("requests", 2, 10), MemoryLimiter(subjects_max=10)
    for number in range(9):
        limiter.acquire(str(number), limit, 0.0)
    limiter.acquire("busy", limit, 5.0)
    limiter.acquire("busy", limit, 5.0)
    for number in range(100, 103):
        limiter.acquire(str(number), limit, 6.0)
    assert len(limiter._arrivals) == 4
    assert not limiter.acquire("busy", limit, 6.0).is_allowed


def test_crowd_of_busy_subjects_is_not_swept_each_time() -> None:
    limit = Limit("requests", 2, 10)
    limiter, sweeps = MemoryLimiter(subjects_max=10), []
    original = limiter._sweep
    limiter._sweep = lambda now_s: (sweeps.append(now_s), original(now_s))[1]  # type: ignore[method-assign,func-returns-value]
    for number in range(640):
        limiter.acquire(str(number), limit, 0.0)
    assert len(sweeps) <= 7
