"""Rate limits of one process, exact, by the generic cell rate algorithm.

Each subject has one number: the time at which its bucket would be full again (`tat`, theoretical
arrival time). A unit moves it on by period / amount; it may not run further ahead than one period.
So a caller may burst the whole amount and then gets it back evenly. Nothing is awaited between the
reading and the writing, so concurrent requests of one event loop cannot both take the last unit.

Times are whole nanoseconds multiplied by the amount, so that period / amount is whole too: floats
lose a unit of a large burst on a machine that has been up for weeks. A limit whose amount changes
begins anew.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from nagara.limits.base import Decision, Limit

NS_PER_S = 1_000_000_000


class MemoryLimiter:
    """GCRA over a dictionary; subjects that are full again are swept out now and then."""

    def __init__(self, subjects_max: int = 100_000) -> None:
        self._arrivals: dict[tuple[str, str, int], int] = {}
        self._subjects_max = subjects_max
        self._sweep_at = subjects_max

    def acquire(self, subject: str, limit: Limit, now_s: float) -> Decision:
        """Take one unit of `limit` for `subject`, if there is one."""
        amount, interval = limit.amount_max, limit.period_s * NS_PER_S
        key = (subject, limit.name, amount)
        second = amount * NS_PER_S
        now = round(now_s * NS_PER_S) * amount
        arrival = max(self._arrivals.get(key, 0), now)
        late = arrival + interval - now - interval * amount
        if late > 0:
            return Decision(False, 0, (arrival - now) / second, retry_after_s=late / second)
        if len(self._arrivals) >= self._sweep_at and key not in self._arrivals:
            self._sweep(now_s)
        self._arrivals[key] = arrival + interval
        return Decision(True, -late // interval, (arrival + interval - now) / second)

    def _sweep(self, now_s: float) -> None:
        now_ns = round(now_s * NS_PER_S)
        self._arrivals = {key: at for key, at in self._arrivals.items() if at > now_ns * key[2]}
        # Twice what is left, or a crowd of busy subjects would have every new one sweep in vain.
        self._sweep_at = max(self._subjects_max, 2 * len(self._arrivals))
