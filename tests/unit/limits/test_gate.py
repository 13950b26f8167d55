"""What a request is held to, what its caller is told, and that all is given back."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.fakes import FakeClock

from nagara.domain.catalog import Account, Key, KeyKind, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.limits import RateLimits
from nagara.domain.usage import Meter, Usage
from nagara.limits.base import Claim, Decision, Limit, LimiterError
from nagara.limits.gate import UNLIMITED, Allowance, Gate
from nagara.limits.memory import MemoryLimiter
from nagara.limits.rules import LimitSettings, make_rules
from nagara.observe.observations import Notice, Observation

FREE = LimitSettings(free_requests_per_minute=10, free_requests_per_day=100)


def key(id_: int = 1, limits: RateLimits = RateLimits(), **facts: Any) -> Key:  # noqa: B008 - frozen
    all_facts: dict[str, Any] = {"account_id": 1, "kind": KeyKind.STANDARD, **facts}
    return Key(id=id_, name="k", digest=b"", hint="", created_at_s=0, limits=limits, **all_facts)


def account(id_: int = 1, limits: RateLimits = RateLimits()) -> Account:  # noqa: B008 - frozen
    return Account(id_, "a", 0, 0, limits=limits)


def use(tokens: int) -> Usage:
    return Usage({Meter.INPUT: tokens - 1, Meter.OUTPUT: 1})


class FailingLimiter(MemoryLimiter):
    """A limiter that can be out of reach."""

    is_failing = False

    async def acquire(self, claims: Sequence[Claim]) -> Decision:
        if self.is_failing:
            raise LimiterError("connection refused")
        return await super().acquire(claims)


class Counted:
    """A gate with a clock, and short words to pass it."""

    def __init__(self, settings: LimitSettings = LimitSettings()) -> None:  # noqa: B008 - frozen
        self.clock = FakeClock()
        self.said: list[Observation] = []
        self.limiter = FailingLimiter(self.clock)
        self.gate = Gate(self.limiter, settings, self.clock, self.said.append)

    async def enter(
        self,
        by: Key,
        of: Account,
        model: str = "mini",
        operation: Operation = Operation.CHAT,
        input_bytes: int = 40,
    ) -> Allowance:
        allowance = self.gate.open(of, by, model, operation, input_bytes)
        await allowance.take()
        return allowance

    async def refusal(self, *asked: Any, **more: Any) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.enter(*asked, **more)
        assert caught.value.kind is ErrorKind.RATE_LIMIT
        return caught.value


async def test_key_without_limits_has_none_and_costs_nothing() -> None:
    counted = Counted(FREE)
    assert await counted.enter(key(), account()) is UNLIMITED
    assert len(counted.limiter) == 0


async def test_free_models_are_counted_together_for_all_keys_of_an_account() -> None:
    counted, keys = Counted(FREE), [key(1), key(2)]
    for number in range(10):
        await counted.enter(keys[number % 2], account(), f"model-{number}:free")
    error = await counted.refusal(keys[0], account(), "another:free")
    assert "10 requests per minute to free models" in error.message
    assert error.retry_after_s == 60
    assert (error.headers["x-ratelimit-limit-requests"], error.code) == (
        "10",
        "rate_limit_exceeded",
    )
    # Neither what is paid for nor another account is held up.
    assert await counted.enter(keys[0], account(), "model-1") is UNLIMITED
    assert await counted.enter(key(3, account_id=2), account(2), "another:free")


async def test_no_day_sees_more_than_a_hundred_requests_to_free_models() -> None:
    counted = Counted(FREE)
    for _ in range(10):
        for _ in range(10):
            await counted.enter(key(), account(), "x:free")
        counted.clock.advance(3600)
    error = await counted.refusal(key(), account(), "x:free")
    assert "100 requests per day" in error.message
    assert error.retry_after_s == 14 * 3600
    assert "at 2023-11-15T22:13:20Z" in error.message
    counted.clock.advance(14 * 3600)
    assert await counted.enter(key(), account(), "x:free")


async def test_free_requests_are_not_what_counting_tokens_is() -> None:
    counted = Counted(FREE)
    operation = Operation.COUNT_TOKENS
    assert await counted.enter(key(), account(), "x:free", operation, 0) is UNLIMITED


async def test_own_limits_come_before_those_of_the_settings_and_zero_is_none() -> None:
    settings = LimitSettings(key=RateLimits(requests_per_minute=1))
    counted = Counted(settings)
    wide, free = RateLimits(requests_per_minute=3), RateLimits(requests_per_minute=0)
    for limits, passing in ((RateLimits(), 1), (wide, 3)):
        by = key(passing, limits)
        for _ in range(passing):
            await counted.enter(by, account())
        await counted.refusal(by, account())
    assert await counted.enter(key(9, free), account()) is UNLIMITED


async def test_account_is_one_for_all_its_keys_but_test_keys() -> None:
    counted, of = Counted(), account(limits=RateLimits(requests_per_minute=2))
    await counted.enter(key(1), of)
    await counted.enter(key(2), of)
    error = await counted.refusal(key(3), of)
    assert error.message.startswith(
        "This account, with all its keys, may make 2 requests per minute"
    )
    assert await counted.enter(key(4, kind=KeyKind.TEST), of) is UNLIMITED


async def test_refusal_takes_nothing_of_the_limits_that_had_room() -> None:
    counted = Counted()
    by = key(1, RateLimits(requests_per_minute=100, requests_in_flight=1))
    first = await counted.enter(by, account())
    for _ in range(5):
        error = await counted.refusal(by, account())
        assert "1 request running at once" in error.message
        assert error.retry_after_s == 1
    first.end()
    second = dict((await counted.enter(by, account())).headers)
    assert second[b"x-ratelimit-remaining-requests"] == b"98"


@pytest.mark.parametrize("way_out", ["release", "end", "both", "handed over"])
async def test_slot_is_given_back_once(way_out: str) -> None:
    counted, by = Counted(), key(1, RateLimits(requests_in_flight=2))
    first, second = [await counted.enter(by, account()) for _ in range(2)]
    if way_out == "handed over":
        heir = first.hand_over()
        first.release()
        first.end()
        await counted.refusal(by, account())
        first = heir
    for _ in range(2):
        if way_out in ("release", "both"):
            first.release()
        if way_out != "release":
            first.end()
    third = await counted.enter(by, account())
    await counted.refusal(by, account())
    second.end()
    third.end()
    assert len(counted.limiter) == 0


async def test_end_of_what_was_refused_gives_nothing_back() -> None:
    counted, by = Counted(), key(1, RateLimits(requests_in_flight=1))
    await counted.enter(by, account())
    refused = counted.gate.open(account(), by, "mini", Operation.CHAT, 40)
    with pytest.raises(GatewayError):
        await refused.take()
    refused.end()
    await counted.refusal(by, account())


async def test_what_is_taken_twice_is_counted_once() -> None:
    counted, by = Counted(), key(1, RateLimits(requests_in_flight=2))
    first = await counted.enter(by, account())
    await first.take()
    second = await counted.enter(by, account())
    first.end()
    second.end()
    assert len(counted.limiter) == 0


async def test_tokens_are_estimated_then_corrected_into_debt_or_given_back() -> None:
    counted, by = Counted(), key(1, RateLimits(tokens_per_minute=600))

    async def remaining() -> int:
        allowance = await counted.enter(by, account(), input_bytes=4)
        left = int(dict(allowance.headers)[b"x-ratelimit-remaining-tokens"])
        allowance.end()
        return left + 1

    first = await counted.enter(by, account(), input_bytes=400)
    assert await remaining() == 500
    first.charge(use(150))
    first.charge(use(7))
    first.end()
    assert await remaining() == 450
    (await counted.enter(by, account(), input_bytes=1000)).end()
    assert await remaining() == 450
    (await counted.enter(by, account(), input_bytes=40)).charge(use(1050))
    error = await counted.refusal(by, account(), input_bytes=400)
    assert "600 tokens per minute" in error.message
    assert "about 100" in error.message
    assert error.retry_after_s == 70
    counted.clock.advance(69.9)
    await counted.refusal(by, account(), input_bytes=400)
    counted.clock.advance(0.1)
    await counted.enter(by, account(), input_bytes=400)


async def test_request_larger_than_the_limit_waits_for_all_of_it_and_leaves_a_debt() -> None:
    counted, by = Counted(), key(1, RateLimits(tokens_per_minute=60))
    large = await counted.enter(by, account(), input_bytes=4_000)
    large.charge(use(120))
    assert (await counted.refusal(by, account(), input_bytes=4_000)).retry_after_s == 120
    counted.clock.advance(120)
    await counted.enter(by, account(), input_bytes=4_000)


async def test_tightest_limit_of_each_unit_is_told_and_anthropic_in_its_own_words() -> None:
    counted = Counted()
    by = key(1, RateLimits(requests_per_minute=60, tokens_per_minute=1000))
    of = account(limits=RateLimits(requests_per_minute=30, tokens_per_minute=5000))
    allowance = await counted.enter(by, of, operation=Operation.MESSAGES)
    assert dict(allowance.headers) == {
        b"x-ratelimit-limit-requests": b"30",
        b"x-ratelimit-remaining-requests": b"29",
        b"x-ratelimit-reset-requests": b"2s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"990",
        b"x-ratelimit-reset-tokens": b"1s",
        b"anthropic-ratelimit-requests-limit": b"30",
        b"anthropic-ratelimit-requests-remaining": b"29",
        b"anthropic-ratelimit-requests-reset": b"2023-11-14T22:13:22Z",
        b"anthropic-ratelimit-tokens-limit": b"1000",
        b"anthropic-ratelimit-tokens-remaining": b"990",
        b"anthropic-ratelimit-tokens-reset": b"2023-11-14T22:13:21Z",
    }


async def test_retry_after_is_enough_for_every_limit_that_refused() -> None:
    counted = Counted()
    by = key(1, RateLimits(requests_per_minute=60))
    of = account(limits=RateLimits(requests_per_minute=2))
    await counted.enter(by, of)
    await counted.enter(by, of)
    error = await counted.refusal(by, of)
    assert error.retry_after_s == 30
    counted.clock.advance(30)
    assert await counted.enter(by, of)


async def test_changed_settings_hold_from_the_next_request_and_forget_nothing() -> None:
    counted = Counted(LimitSettings(key=RateLimits(requests_per_minute=2)))
    for _ in range(2):
        await counted.enter(key(), account())
    counted.gate.change_settings(LimitSettings(key=RateLimits(requests_per_minute=3)))
    await counted.enter(key(), account())
    await counted.refusal(key(), account())


async def test_clock_of_the_day_may_jump_without_effect() -> None:
    counted, by = Counted(), key(1, RateLimits(requests_per_minute=1))
    await counted.enter(by, account())
    for jump_s in (86_400 * 365, -86_400 * 800):
        counted.clock.set_now(counted.clock.now_s() + jump_s)
        assert (await counted.refusal(by, account())).retry_after_s == 60


async def test_limiter_that_fails_lets_through_what_is_paid_and_nothing_free() -> None:
    counted, by = Counted(FREE), key(1, RateLimits(requests_per_minute=1, requests_in_flight=1))
    counted.limiter.is_failing = True
    for _ in range(3):
        passed = await counted.enter(by, account())
        assert passed.headers == []
        passed.charge(use(5))
        passed.end()
    with pytest.raises(GatewayError) as caught:
        await counted.enter(by, account(), "x:free")
    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.OVERLOADED, 1)
    assert len(counted.said) == 1
    counted.limiter.is_failing = False
    await counted.enter(by, account())
    await counted.refusal(by, account())
    messages = [said.message for said in counted.said if isinstance(said, Notice)]
    assert len(messages) == 2
    assert "connection refused" in messages[0]
    assert "again" in messages[1]


async def test_rules_of_keys_that_are_gone_do_not_pile_up() -> None:
    counted = Counted()
    for number in range(25_000):
        counted.gate.open(account(), key(number), "mini", Operation.CHAT, 1)
    assert len(counted.gate._kept_rules) <= 10_000


def test_limit_says_what_it_is_in_the_singular() -> None:
    rules = make_rules(key(1, RateLimits(requests_per_minute=1)), account(), LimitSettings())
    (claim,) = rules.always
    assert isinstance(claim.limit, Limit)
    assert claim.limit.rule == "This key may make 1 request per minute"
