"""Moments as text, in UTC: RFC 3339 with a Z, and plain dates."""

from datetime import UTC, date, datetime

EPOCH_DAY = date(1970, 1, 1).toordinal()
# The last second that a date can be written for.
TIME_S_MAX = 253_402_300_799


def format_time(time_s: int) -> str:
    """`2027-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def format_time_ms(time_ms: int) -> str:
    """`2027-01-31T12:00:00.250Z`."""
    whole_s, rest_ms = divmod(time_ms, 1000)
    return f"{format_time(whole_s)[:-1]}.{rest_ms:03d}Z"


def format_day(day: int) -> str:
    """The date of a day that is counted from 1970-01-01."""
    return date.fromordinal(EPOCH_DAY + day).isoformat()


def parse_time(text: str) -> int:
    """Unix seconds of a date or date-time (ISO 8601), UTC if it names no zone.

    Raises `ValueError` for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except OverflowError as error:
        raise ValueError(f"{text!r} is no moment that can be counted") from error


def parse_day(text: str) -> int:
    """Days since 1970-01-01 of a date such as `2027-01-31`. Raises `ValueError`."""
    day = date.fromisoformat(text).toordinal() - EPOCH_DAY
    if len(text) != len("2027-01-31") or day < 0:
        raise ValueError(f"{text!r} is no date from 1970 on")
    return day
