"""The three ways of counting, each for one limit of one subject. Whole numbers only.

`Bucket` is the generic cell rate algorithm in its leaky form: what was taken flows out evenly, and
what does not fit on top of the rest is refused. One number and the time it was true at. A unit
weighs as many points as a period has nanoseconds, and `amount_max` points flow out each nanosecond,
so nothing is ever rounded: floats lose a unit of a large burst on a machine that has been up for
weeks. The weight of a unit does not depend on the amount, so a changed limit keeps what was used.

`Window` remembers when each unit was taken: a bucket of a hundred a day lets two hundred through on
its first day, which is more than "a hundred a day" promises. `Slots` are given back by hand.

Time is the monotonic clock's, handed in; one that runs backwards stands still here.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from nagara.limits.base import NS_PER_S, Kind, Limit, State

SLOT_WAIT_NS = NS_PER_S
"""Nobody knows when a running request ends; a second is soon enough to ask again."""


class Counter(Protocol):
    """Counts for one limit. `find_wait_ns` is called first, and the others at the same time."""

    def find_wait_ns(self, limit: Limit, amount: int, now_ns: int) -> int:
        """How long until `amount` units fit; zero if they do."""

    def take(self, limit: Limit, amount: int, now_ns: int) -> None:
        """Take units whether they fit or not; a negative amount gives back."""

    def tell(self, limit: Limit, now_ns: int, wait_ns: int) -> State:
        """How it stands, with the wait that was found."""

    def is_idle(self, limit: Limit, now_ns: int) -> bool:
        """Whether a new counter would say the same."""


class Bucket:
    """Units that come back evenly. May be in debt after `take`."""

    __slots__ = ("_at_ns", "_points")

    def __init__(self) -> None:
        self._points = 0
        self._at_ns = 0

    def find_wait_ns(self, limit: Limit, amount: int, now_ns: int) -> int:
        """As `Counter` says."""
        amount_max = limit.amount_max
        if now_ns > self._at_ns:
            points = self._points - (now_ns - self._at_ns) * amount_max
            self._points = max(0, points)
            self._at_ns = now_ns
        over = self._points + (amount - amount_max) * limit.period_ns
        return -(-over // amount_max) if over > 0 else 0

    def take(self, limit: Limit, amount: int, now_ns: int) -> None:
        """As `Counter` says."""
        if now_ns > self._at_ns:
            self.find_wait_ns(limit, 0, now_ns)
        points = self._points + amount * limit.period_ns
        # What is given back to a bucket that has filled up again meanwhile overflows.
        self._points = max(0, points)

    def tell(self, limit: Limit, now_ns: int, wait_ns: int) -> State:  # noqa: ARG002 - drained before
        """As `Counter` says."""
        # Rounded up, so that a unit that is half back is not there.
        remaining = limit.amount_max + -self._points // limit.period_ns
        reset_ns = -(-self._points // limit.amount_max)
        return State(max(0, remaining), reset_ns, wait_ns)

    def is_idle(self, limit: Limit, now_ns: int) -> bool:
        """As `Counter` says."""
        self.find_wait_ns(limit, 0, now_ns)
        return self._points == 0


class Window:
    """At most so many units within any period. A request takes one."""

    __slots__ = ("_taken_ns",)

    def __init__(self) -> None:
        self._taken_ns: deque[int] = deque()

    def find_wait_ns(self, limit: Limit, amount: int, now_ns: int) -> int:
        """As `Counter` says."""
        taken = self._taken_ns
        begins_ns = now_ns - limit.period_ns
        while taken and taken[0] <= begins_ns:
            taken.popleft()
        # The amount may have been lowered, and more than one have to leave the window.
        leaving = len(taken) + amount - limit.amount_max
        return taken[leaving - 1] - begins_ns if leaving > 0 else 0

    def take(self, limit: Limit, amount: int, now_ns: int) -> None:  # noqa: ARG002 - a window's
        """As `Counter` says; a window gives nothing back."""
        self._taken_ns.extend([now_ns] * amount)

    def tell(self, limit: Limit, now_ns: int, wait_ns: int) -> State:
        """As `Counter` says."""
        taken = self._taken_ns
        remaining = max(0, limit.amount_max - len(taken))
        ends_ns = taken[-1] + limit.period_ns if taken else now_ns
        return State(remaining, max(0, ends_ns - now_ns), wait_ns)

    def is_idle(self, limit: Limit, now_ns: int) -> bool:
        """As `Counter` says."""
        return not self._taken_ns or self._taken_ns[-1] <= now_ns - limit.period_ns


class Slots:
    """Units that are held until they are given back."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = 0

    def find_wait_ns(self, limit: Limit, amount: int, now_ns: int) -> int:  # noqa: ARG002 - no clock
        """As `Counter` says."""
        return SLOT_WAIT_NS if self._held + amount > limit.amount_max else 0

    def take(self, limit: Limit, amount: int, now_ns: int) -> None:  # noqa: ARG002 - no clock
        """As `Counter` says."""
        self._held += amount

    def tell(self, limit: Limit, now_ns: int, wait_ns: int) -> State:  # noqa: ARG002 - no clock
        """As `Counter` says. When all are back is anybody's guess."""
        remaining = max(0, limit.amount_max - self._held)
        return State(remaining, SLOT_WAIT_NS if self._held else 0, wait_ns)

    def is_idle(self, limit: Limit, now_ns: int) -> bool:  # noqa: ARG002 - no clock
        """As `Counter` says."""
        return self._held <= 0


COUNTERS: Mapping[Kind, Callable[[], Counter]] = {
    Kind.EVENLY: Bucket,
    Kind.WINDOW: Window,
    Kind.RELEASED: Slots,
}
