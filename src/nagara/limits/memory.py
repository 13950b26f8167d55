"""Rate limits of one process, exact, by the generic cell rate algorithm.

Each subject has one number: the time at which its bucket would be full again (`tat`, theoretical
arrival time). A unit moves it on by period / amount; it may not run further ahead than one period.
So a caller may burst the whole amount and then gets it back evenly. Nothing is awaited between the
reading and the writing, so concurrent requests of one event loop cannot both take the last unit.

Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from nagara.limits.base import Decision, Limit


class MemoryLimiter:
    """GCRA over a dictionary; subjects that are full again are swept out now and then."""

    def __init__(self, subjects_max: int = 100_000) -> None:
        self._arrivals: dict[tuple[str, str], float] = {}
        self._subjects_max = subjects_max

    def acquire(self, subject: str, limit: Limit, now_s: float) -> Decision:
        """Take one unit of `limit` for `subject`, if there is one."""
        key = (limit.name, subject)
        interval = limit.period_s / limit.amount_max
        arrival = max(self._arrivals.get(key, 0.0), now_s)
        ahead = arrival + interval - now_s
        # A billionth of a second of tolerance for the sums of floats.
        if ahead > limit.period_s + 1e-9:
            return Decision(False, 0, arrival - now_s, retry_after_s=ahead - limit.period_s)
        if key not in self._arrivals and len(self._arrivals) >= self._subjects_max:
            self._sweep(now_s)
        self._arrivals[key] = arrival + interval
        return Decision(True, int((limit.period_s - ahead) / interval + 1e-9), ahead)

    def _sweep(self, now_s: float) -> None:
        self._arrivals = {key: at for key, at in self._arrivals.items() if at > now_s}
