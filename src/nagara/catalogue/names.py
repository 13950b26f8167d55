"""Model names made regular, so that one model has one public id whoever lists it.

A public id is in lower case, without its maker, with dots in versions: `anthropic/claude-4-5-x`
and `claude-4.5-x` are one name. Two names are one only when they say the same: sizes, formats
(`-fp8`), speeds (`-turbo`) and dates all stay, for a wrong merge is worse than a missed one.
"""

import datetime
import re
from collections.abc import Sequence

from nagara.catalogue.facts import Facts, Spelling

_VERSION = re.compile(r"((?<=[a-z]-)|(?<=-v))([1-9]\d?)-(0|[1-9]\d?)(?=$|[-:@])")
_LONG_DATE = re.compile(r"[-@](20\d\d-[01]\d-[0-3]\d|20\d\d[01]\d[0-3]\d)$")
_SHORT_DATE = re.compile(r"-(\d{4})$")
_LATEST = "-latest"


def make_id(name: str, facts: Facts) -> str:
    """The public id that a provider's name for a model stands for."""
    regular = _respell(name.lower().rsplit("/", 1)[-1], facts.spellings)
    model = facts.models.get(regular)
    return model.id if model and model.id else regular


def _respell(name: str, spellings: Sequence[Spelling]) -> str:
    for spelling in spellings:
        name = re.sub(spelling.pattern, spelling.replacement, name)
    return _VERSION.sub(r"\2.\3", name)


def split_date(name: str, *, has_short_dates: bool) -> tuple[str, str | None]:
    """A name and the date at its end. Makers also write four digits (`-0709`, `-2501`)."""
    found = _LONG_DATE.search(name) or (_SHORT_DATE.search(name) if has_short_dates else None)
    return (name[: found.start()], found.group(1)) if found else (name, None)


def read_date(name: str) -> datetime.date | None:
    """The day that a full date at the end of a name means; None for four digits or no real day."""
    found = _LONG_DATE.search(name)
    try:
        return datetime.date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


def drop_latest(name: str) -> str:
    """A name without the `-latest` that makers put on what moves with time."""
    return name.removesuffix(_LATEST)


def spell_both_ways(alias: str, facts: Facts) -> tuple[str, ...]:
    """A dated or dashed name as its maker writes it, and with dots in its version."""
    dotted = _respell(alias, facts.spellings)
    return (alias,) if dotted == alias else (alias, dotted)
