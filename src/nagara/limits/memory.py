"""The limiter of one process: counters in a dictionary, by the id of their limit.

Nothing is awaited between looking at the claims and taking them, so of all concurrent requests of
the event loop exactly as many pass as may. What it counts is lost with the process, and every
process counts for itself.

Memory follows what is busy: for each counter that is made, the two that were made or looked at
longest ago are looked at again, and go if they have nothing left to remember. There is never a
moment in which all of them have to be gone through.
"""

from collections import OrderedDict
from collections.abc import Sequence

from nagara.limits.base import NS_PER_S, Claim, Decision, Limit
from nagara.limits.counters import COUNTERS, Counter
from nagara.runtime import Clock

LOOKED_AT = 2
"""With two for each new one, no more than half of the counters are idle for long."""


class MemoryLimiter:
    """A `Limiter` that never fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The limit that a counter was last used with tells how fast it empties.
        self._counters: OrderedDict[str, tuple[Limit, Counter]] = OrderedDict()

    def __len__(self) -> int:
        """How many counters are held."""
        return len(self._counters)

    async def acquire(self, claims: Sequence[Claim]) -> Decision:
        """As `Limiter` says."""
        now_ns, count_before = self._now_ns(), len(self._counters)
        found: list[tuple[Claim, Counter, int]] = []
        is_taken = True
        for claim in claims:
            counter = self._find(claim.limit)
            wait_ns = counter.find_wait_ns(claim.limit, claim.amount, now_ns)
            found.append((claim, counter, wait_ns))
            if wait_ns:
                is_taken = False
        if is_taken:
            for claim, counter, _ in found:
                counter.take(claim.limit, claim.amount, now_ns)
        # Not before they were taken: a new counter looks idle until then.
        if len(self._counters) > count_before:
            self._sweep(len(self._counters) - count_before, now_ns)
        return Decision(is_taken, [c.tell(one.limit, now_ns, wait) for one, c, wait in found])

    def charge(self, limit: Limit, amount: int) -> None:
        """As `Limiter` says."""
        held = self._counters.get(limit.id)
        if held is not None:
            held[1].take(limit, amount, self._now_ns())
        elif amount > 0:
            self._find(limit).take(limit, amount, self._now_ns())

    def release(self, limit: Limit) -> None:
        """As `Limiter` says."""
        held = self._counters.get(limit.id)
        if held is None:
            return
        counter = held[1]
        counter.take(limit, -1, 0)
        if counter.is_idle(limit, 0):
            del self._counters[limit.id]

    def _now_ns(self) -> int:
        return round(self._clock.monotonic_s() * NS_PER_S)

    def _find(self, limit: Limit) -> Counter:
        held = self._counters.get(limit.id)
        if held is not None and held[0] is limit:
            return held[1]
        counter = COUNTERS[limit.kind]() if held is None else held[1]
        self._counters[limit.id] = (limit, counter)
        return counter

    def _sweep(self, made: int, now_ns: int) -> None:
        counters = self._counters
        for _ in range(min(LOOKED_AT * made, len(counters))):
            id_ = next(iter(counters))
            limit, counter = counters[id_]
            if counter.is_idle(limit, now_ns):
                del counters[id_]
            else:
                counters.move_to_end(id_)
