"""What keys and accounts are bound to, as it is written on a command line: callbacks of click's.

Each refuses what it cannot read with a message that shows how to write it, and leaves an option
that was not given as None.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from nagara.domain.money import MARKUP_PPM_MAX, is_markup, parse_dollars
from nagara.storage.rotation import OVERLAP_MAX_S
from nagara.web.times import TIME_S_MAX, parse_time

NAME_CHARS_MAX = 255

# To a ten-thousandth.
_PERCENT = re.compile(r"(-?)([0-9]{1,7})(?:\.([0-9]{1,4}))?", re.ASCII)
Reader = Callable[[click.Context, click.Parameter, Any], Any]

_SPAN = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_SPAN_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def or_none(read: Reader, word: str) -> Reader:
    """For what can be changed: `word` takes it away (None), and what is not given stays (UNSET)."""

    def read_change(context: click.Context, option: click.Parameter, value: str | None) -> Any:
        if value is None:
            return msgspec.UNSET
        return None if value == word else read(context, option, value)

    return read_change


def read_overlap(_: click.Context, __: click.Parameter, value: str) -> int:
    """Seconds, from a span such as `24h`; `0` for none."""
    span = _SPAN.fullmatch(value)
    if span is None and value != "0":
        raise click.BadParameter(f"{value!r} is no span such as 30m, 24h or 7d, nor 0")
    overlap_s = 0 if span is None else int(span[1]) * _SPAN_S[span[2]]
    if overlap_s > OVERLAP_MAX_S:
        raise click.BadParameter(f"{value!r} is more than {OVERLAP_MAX_S // 86_400} days")
    return overlap_s


def read_name(_: click.Context, __: click.Parameter, value: str) -> str:
    """1 to 255 printable characters, without the space around them."""
    name = value.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise click.BadParameter(f"a name has 1 to {NAME_CHARS_MAX} printable characters")
    return name


def read_expiry(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Unix seconds in the future, from a span (`30d`) or an ISO date, UTC if it has no zone."""
    if value is None:
        return None
    now_s = int(datetime.now(UTC).timestamp())
    if span := _SPAN.fullmatch(value):
        expires_at_s = now_s + int(span[1]) * _SPAN_S[span[2]]
    else:
        expires_at_s = _read_date(value)
    if not now_s < expires_at_s <= TIME_S_MAX:
        raise click.BadParameter(f"{value!r} is not in the future, or is after the year 9999")
    return expires_at_s


def read_dollars(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Nano-dollars, not negative."""
    if value is None:
        return None
    try:
        amount_nano = parse_dollars(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if amount_nano < 0:
        raise click.BadParameter(f"{value!r} is negative")
    return amount_nano


def read_models(_: click.Context, __: click.Parameter, value: str | None) -> frozenset[str] | None:
    """Model ids between commas."""
    if value is None:
        return None
    models = frozenset(part.strip() for part in value.split(",")) - {""}
    if not models or not all(model.isprintable() for model in models):
        raise click.BadParameter(f"{value!r} is no list of models such as gpt-4.1,gpt-4.1-mini")
    return models


def read_amount(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Nano-dollars above zero."""
    amount_nano = read_dollars(ctx, param, value)
    if amount_nano == 0:
        raise click.BadParameter("nothing is no amount: it must be above zero")
    return amount_nano


def read_signed_amount(_: click.Context, __: click.Parameter, value: str) -> int:
    """Nano-dollars above or below zero."""
    try:
        amount_nano = parse_dollars(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if amount_nano == 0:
        raise click.BadParameter("nothing is no amount: it must be above or below zero")
    return amount_nano


def read_markup(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Millionths of a percentage above -100 such as `12.5` or `-20`; None for `none`."""
    if value in (None, "none"):
        return None
    found = _PERCENT.fullmatch(value.removesuffix("%"))
    if found is None:
        raise click.BadParameter(f"{value!r} is no percentage such as 12.5 or -20, or 'none'")
    sign, whole, fraction = found.groups("")
    markup_ppm = int(whole) * 10_000 + int(fraction.ljust(4, "0"))
    markup_ppm = -markup_ppm if sign else markup_ppm
    if not is_markup(markup_ppm):
        most = MARKUP_PPM_MAX // 10_000
        raise click.BadParameter(f"{value!r} is not above -100 and up to {most} percent")
    return markup_ppm


def format_percent(markup_ppm: int) -> str:
    """Exact: a percent is ten thousand millionths, so four places are enough."""
    sign = "-" if markup_ppm < 0 else ""
    whole, rest = divmod(abs(markup_ppm), 10_000)
    fraction = f"{rest:04d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def read_label(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """An id or a note: 1 to 255 printable characters."""
    if value is not None and not (1 <= len(value) <= NAME_CHARS_MAX and value.isprintable()):
        raise click.BadParameter(f"it must have 1 to {NAME_CHARS_MAX} printable characters")
    return value


def _read_date(value: str) -> int:
    try:
        return parse_time(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is neither a span such as 12h, 30d or 8w nor a date such as 2027-01-31 or "
            "2027-01-31T12:00Z"
        ) from error
