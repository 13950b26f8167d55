"""When a key's credit limit begins anew: the UTC day, the week from Monday, the calendar month.

Every period begins with a day, so that what was spent in one can be summed up from `activity`.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from nagara.domain.catalog import LimitPeriod

DAY_S = 86_400
DAY_MS = 1000 * DAY_S


class PeriodBegins(NamedTuple):
    """Unix seconds at which the day, the week and the month of a moment began."""

    day_s: int
    week_s: int
    month_s: int


def find_period_begins(at_ms: int) -> PeriodBegins:
    """The periods that a moment falls into."""
    return _begins_of_day(at_ms // DAY_MS)


def find_period_end(period: LimitPeriod, at_ms: int) -> int | None:
    """Unix seconds at which the period that a moment falls into is over; None for `total`."""
    begins = find_period_begins(at_ms)
    match period:
        case LimitPeriod.DAY:
            return begins.day_s + DAY_S
        case LimitPeriod.WEEK:
            return begins.week_s + 7 * DAY_S
        case LimitPeriod.MONTH:
            # No month has more than 31 days, and none fewer than 28.
            return find_period_begins((begins.month_s + 31 * DAY_S) * 1000).month_s
    return None


@lru_cache(maxsize=16)
def _begins_of_day(day: int) -> PeriodBegins:
    # 1970-01-01 was a Thursday, three days after a Monday.
    week = day - (day + 3) % 7
    month_s = int(datetime.fromtimestamp(day * DAY_S, UTC).replace(day=1).timestamp())
    return PeriodBegins(day * DAY_S, week * DAY_S, month_s)
