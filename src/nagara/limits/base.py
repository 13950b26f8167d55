"""The protocol of rate limiters: several limits are taken together, or none of them.

A request is held to many limits at once (its key's, its account's), and must not use up one where
another refuses it. So `acquire` gets all of its claims, and a limiter decides them in one step: one
process without awaiting in between, a shared store in one script.

Tokens are not known before the answer: a claim takes an estimate, and `charge` corrects it by what
was really used, into debt if need be. A slot is held until `release`. Both are called while a
request is torn down, so they never wait and never raise; a limiter over the network queues them.

A limiter that cannot tell raises `LimiterError` from `acquire`, having taken nothing. What then
happens is decided by `limits/gate.py`, not here.
"""

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S


class Unit(enum.Enum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    SLOTS = "slots"


class Kind(enum.Enum):
    """How units come back.

    EVENLY: a whole amount at once, then one each period / amount (GCRA).
    WINDOW: never more than the amount within any period, whenever it begins; for small amounts,
    since each unit is remembered, and for claims of one unit.
    RELEASED: when they are given back.
    """

    EVENLY = "evenly"
    WINDOW = "window"
    RELEASED = "released"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one subject: `amount_max` units, at least one, in `period_ns`.

    `id` names the count, and stays the same when the amount changes. `rule` is the sentence that
    the caller reads: "this key may make 10 requests a minute".
    """

    id: str
    rule: str
    unit: Unit
    kind: Kind
    amount_max: int
    period_ns: int = MINUTE_NS


class Claim(msgspec.Struct, frozen=True):
    """So many units of a limit, which is never more than its amount."""

    limit: Limit
    amount: int = 1


class State(msgspec.Struct, frozen=True, gc=False):
    """How a claim's limit stands after the decision.

    `remaining` units are left, and all are back in `reset_ns`. `wait_ns` is zero where the claim
    fitted, else how long until it would, if nobody else takes anything.
    """

    remaining: int
    reset_ns: int
    wait_ns: int = 0


class Decision(msgspec.Struct, frozen=True):
    """Whether all claims were taken, and the state of each in their order."""

    is_taken: bool
    states: Sequence[State]


class LimiterError(Exception):
    """The limiter cannot tell. Its text is for the operator."""


class Limiter(Protocol):
    """Keeps the counts."""

    async def acquire(self, claims: Sequence[Claim]) -> Decision:
        """Take all claims, or none if one does not fit.

        Raises `LimiterError`. If it is cancelled, nothing stays taken.
        """

    def charge(self, limit: Limit, amount: int) -> None:
        """Take `amount` more units, whether they are there or not; below zero gives back."""

    def release(self, limit: Limit) -> None:
        """Give back one slot that was taken."""
