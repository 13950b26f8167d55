"""Stage 7 of a request: held to its limits before anything is spent on it.

An `Allowance` is one request's share of its limits. It is opened when the request is admitted,
taken before money is held, corrected by `charge` when the usage is known, and ended on every way
out:

    open ──take()──> taken ──charge(tokens)──> corrected ──end()──> slots are free
                  │          └───────────────────────────────── end()──> the estimate is given back
                  └─ GatewayError (429): nothing was taken; end() does nothing

**When the limiter fails**, paid requests pass without being counted, since the balance bounds what
they can do and a broken counter must not stop everyone; requests to free models are answered 503,
since nothing else bounds those. The operator is told once, and once when it counts again.
"""

import logging
from collections.abc import Sequence

from nagara.domain.catalog import Account, Key, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Usage
from nagara.limits.base import Claim, Limit, Limiter, LimiterError
from nagara.limits.headers import ResponseHeaders, encode_headers, refuse
from nagara.limits.rules import FREE_SUFFIX, LimitSettings, Rules, make_rules
from nagara.observe.observations import Notice, Observe
from nagara.runtime import Clock

BYTES_PER_TOKEN = 4
"""The rule of thumb for the estimate; what was really used corrects it."""
RULES_KEPT_MAX = 10_000
NO_CLAIMS: tuple[Claim, ...] = ()

KeptRules = tuple[Key, Account, Rules]


class Gate:
    """Opens allowances. One for the process."""

    def __init__(
        self, limiter: Limiter, settings: LimitSettings, clock: Clock, observe: Observe
    ) -> None:
        self._limiter = limiter
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._kept_rules: dict[int, KeptRules] = {}
        self._is_failing = False

    def change_settings(self, settings: LimitSettings) -> None:
        """Hold all from the next request on to these. What was counted stays counted."""
        self._settings = settings
        self._kept_rules.clear()

    def open(
        self, account: Account, key: Key, model_id: str, operation: Operation, input_bytes: int
    ) -> "Allowance":
        """The allowance of a request to a model by its canonical id. Nothing is taken yet.

        `input_bytes` is the size of a request that uses tokens, and zero for one that uses none.
        """
        rules = self._find_rules(account, key)
        claims, estimates, is_free = rules.always, NO_CLAIMS, False
        if input_bytes:
            if rules.tokens:
                estimates = estimate_tokens(rules.tokens, input_bytes)
            if rules.free and model_id.endswith(FREE_SUFFIX):
                claims, is_free = claims + rules.free, True
        if not claims and not estimates:
            return UNLIMITED
        return Allowance(self, claims, estimates, rules.slots, operation, is_free=is_free)

    async def admit(self, allowance: "Allowance", claims: Sequence[Claim]) -> bool:
        """Take the claims of an allowance; whether they were counted. Raises `GatewayError`."""
        try:
            decision = await self._limiter.acquire(claims)
        except LimiterError as error:
            self._tell_failing(error)
            if allowance.is_free:
                raise _cannot_count() from error
            return False
        self._tell_counting()
        now_s = self._clock.now_s()
        allowance.headers = encode_headers(claims, decision, allowance.operation, now_s)
        if not decision.is_taken:
            raise refuse(claims, decision, allowance.headers, now_s)
        return True

    def correct(self, estimates: Sequence[Claim], tokens: int) -> None:
        """Charge what was really used in place of the estimates that were taken."""
        for claim in estimates:
            if tokens != claim.amount:
                self._limiter.charge(claim.limit, tokens - claim.amount)

    def release(self, slots: Sequence[Limit]) -> None:
        """Give back slots."""
        for limit in slots:
            self._limiter.release(limit)

    def _find_rules(self, account: Account, key: Key) -> Rules:
        """The rules of a key, made anew when the snapshot has another key or account."""
        kept = self._kept_rules.get(key.id)
        if kept is not None and kept[0] is key and kept[1] is account:
            return kept[2]
        if len(self._kept_rules) >= RULES_KEPT_MAX:
            # They are quickly made again, and keys that are gone would stay for ever.
            self._kept_rules.clear()
        rules = make_rules(key, account, self._settings)
        self._kept_rules[key.id] = (key, account, rules)
        return rules

    def _tell_failing(self, error: LimiterError) -> None:
        if not self._is_failing:
            message = f"rate limits cannot be checked, and only free models are refused: {error}"
            self._observe(Notice(message=message, level=logging.ERROR))
        self._is_failing = True

    def _tell_counting(self) -> None:
        if self._is_failing:
            self._observe(Notice(message="rate limits are checked again", level=logging.INFO))
        self._is_failing = False


class Allowance:
    """One request's share of its limits. Whoever holds it calls `end`, whatever happens.

    `headers` belong to the answer, once it was taken. Everything that gives back may be repeated.
    """

    __slots__ = (
        "_claims", "_estimates", "_gate", "_is_taken", "_slots", "headers", "is_free", "operation",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate | None,
        claims: tuple[Claim, ...],
        estimates: tuple[Claim, ...],
        slots: tuple[Limit, ...],
        operation: Operation,
        *,
        is_free: bool,
    ) -> None:
        """`estimates` are claims beside the others; `slots` are the limits of some of those."""
        self.headers: ResponseHeaders = []
        self.operation = operation
        self.is_free = is_free
        self._gate = gate
        self._claims = claims
        # Once taken, these are to be corrected and given back, and then they are emptied.
        self._estimates = estimates
        self._slots = slots
        self._is_taken = False

    async def take(self) -> None:
        """Take what the request is bound to use, once until `end`.

        Raises `GatewayError`: RATE_LIMIT, OVERLOADED.
        """
        if self._gate is not None and not self._is_taken:
            self._is_taken = await self._gate.admit(self, self._claims + self._estimates)

    def charge(self, usage: Usage | None) -> None:
        """Put what was used in place of the estimate; None is nothing. The first time counts."""
        if self._is_taken and self._estimates and self._gate is not None:
            estimates, self._estimates = self._estimates, NO_CLAIMS
            tokens = 0 if usage is None else usage.input_tokens + usage.output_tokens
            self._gate.correct(estimates, tokens)

    def release(self) -> None:
        """The request is not in flight any more: its caller has the end of the answer."""
        if self._is_taken and self._slots and self._gate is not None:
            slots, self._slots = self._slots, ()
            self._gate.release(slots)

    def hand_over(self) -> "Allowance":
        """The same for what outlives the request; this one has nothing to give back any more."""
        heir = Allowance(
            self._gate, (), self._estimates, self._slots, self.operation, is_free=self.is_free
        )
        heir._is_taken, self._is_taken = self._is_taken, False
        return heir

    def end(self) -> None:
        """Done with it: what is still taken is given back. Who was never charged used no tokens."""
        if self._is_taken:
            self.release()
            self.charge(None)


UNLIMITED = Allowance(None, (), (), (), Operation.CHAT, is_free=False)
"""The allowance of every request that has no limits."""


def estimate_tokens(limits: Sequence[Limit], input_bytes: int) -> tuple[Claim, ...]:
    """What a request of that size takes of each limit before it is answered.

    Never more than the whole limit: a larger one has to wait until nothing else is counted, and
    leaves a debt, instead of being refused for ever for what is an estimate.
    """
    tokens = -(-input_bytes // BYTES_PER_TOKEN)
    return tuple([Claim(limit, min(tokens, limit.amount_max)) for limit in limits])


def _cannot_count() -> GatewayError:
    return GatewayError(
        ErrorKind.OVERLOADED,
        "The gateway cannot count requests right now, and free models are limited. "
        "Nothing is wrong with the request; send it again shortly.",
    )
