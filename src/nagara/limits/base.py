"""The protocol of rate limiters: take one unit now, or be told when one will be free."""

from typing import Protocol

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """A rate: `amount_max` units in any `period_s` seconds. `name` is what the caller reads."""

    name: str
    amount_max: int
    period_s: int


class Decision(msgspec.Struct, frozen=True):
    """Whether a unit was taken, how many are left now, and the seconds until all are back.

    `retry_after_s` is zero when the unit was taken.
    """

    is_allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


class Limiter(Protocol):
    """Counts by subject (a key, an account) and limit."""

    def acquire(self, subject: str, limit: Limit, now_s: float) -> Decision:
        """Take one unit of `limit` for `subject`, if there is one."""
