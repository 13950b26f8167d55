"""Sums of what an account did: read from the roll-ups by day, whatever the number of requests.

`activity` has one row for each day, key and model, kept in the commit of each charge, so that what
is read here is what was charged. All sums of one answer come from one SELECT and agree with each
other. Nothing here looks at single requests.
"""

from enum import StrEnum

import msgspec

from nagara.storage.driver import Driver, Value

GROUPS_MAX = 10_000
"""Groups that one answer may have, at most."""


class Grouping(StrEnum):
    """What sums can be told apart by."""

    DAY = "day"
    MODEL = "model"
    API_KEY = "api_key"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests: of an account, from one UTC day to another, both included.

    Days are counted from 1970-01-01. A key or model of None is any.
    """

    account_id: int
    first_day: int
    last_day: int
    key_id: int | None = None
    model: str | None = None


class Sums(msgspec.Struct, frozen=True):
    """Sums of some requests, and what they have in common: None for what they have not.

    `key_name` is there with `key_id`, also for a key that was deleted.
    """

    day: int | None
    key_id: int | None
    key_name: str | None
    model: str | None
    requests: int
    charge_nano: int
    input_tokens: int
    output_tokens: int


class Activity(msgspec.Struct, frozen=True):
    """Days newest first; models and keys by what they were charged; groups as were asked for."""

    days: list[Sums]
    models: list[Sums]
    keys: list[Sums]
    groups: list[Sums]


_COLUMNS = {Grouping.DAY: "day", Grouping.MODEL: "model", Grouping.API_KEY: "key_id"}
_CHOSEN = (
    "activity WHERE account_id = $1 AND day >= $2 AND day <= $3 "
    "AND (CAST($4 AS BIGINT) IS NULL OR key_id = $4) "
    "AND (CAST($5 AS TEXT) IS NULL OR model = $5)"
)
_SUMMED = ", ".join(
    f"CAST(SUM({name}) AS BIGINT) AS {name}"
    for name in ("requests", "charge_nano", "input_tokens", "output_tokens")
)
_ALL = frozenset(Grouping)
_OWN_DAY_KEYS = frozenset((Grouping.DAY, Grouping.API_KEY))
_OWN_MODEL = frozenset((Grouping.MODEL,))


async def load_activity(
    driver: Driver, selection: Selection, group_by: frozenset[Grouping] = frozenset()
) -> Activity:
    """The sums of a selection. Raises `StorageError`.

    There may be one group more than `GROUPS_MAX`, which says that there are too many.
    """
    parts: list[frozenset[Grouping]] = [frozenset((one,)) for one in Grouping]
    if group_by:
        parts.append(group_by)
    sources = _Sources(group_by)
    sql = f"{sources.sql} {' UNION ALL '.join(map(sources.part, range(len(parts)), parts))}"
    params: tuple[Value, ...] = (
        selection.account_id,
        selection.first_day,
        selection.last_day,
        selection.key_id,
        selection.model,
    )
    found: list[list[Sums]] = [[], [], [], []]
    for part, *sums in await driver.query(sql, params):
        found[part].append(Sums(*sums))
    days, models, keys, groups = (sorted(sums, key=_rank) for sums in found)
    return Activity(days, models, keys, groups)


class _Sources:
    """The sums that all parts of an answer are taken from, each read from the table once.

    The rows of a day and a key lie together in the table, so those sums take no sorting, and days
    and keys are sums of them. By model the rows have to be sorted: that is done once, as finely as
    is asked for, and models are sums of that.
    """

    def __init__(self, group_by: frozenset[Grouping]) -> None:
        # By all three there is nothing to sum up: those groups are the rows of the table.
        self._fine = group_by if Grouping.MODEL in group_by and group_by != _ALL else _OWN_MODEL
        day_keys = _sum_up(_OWN_DAY_KEYS, _CHOSEN)
        models = _sum_up(self._fine, _CHOSEN)
        self.sql = f"WITH day_keys AS MATERIALIZED ({day_keys}), models AS MATERIALIZED ({models})"

    def part(self, number: int, by: frozenset[Grouping]) -> str:
        """The SELECT of the sums told apart by these."""
        source = _CHOSEN
        if by <= _OWN_DAY_KEYS:
            source = "day_keys"
        elif by <= self._fine:
            source = "models"
        kept = _columns(by)
        chosen = [
            name if name in kept else f"CAST(NULL AS {kind})"
            for name, kind in (("day", "BIGINT"), ("key_id", "BIGINT"), ("model", "TEXT"))
        ]
        columns = f"{number}, {', '.join(chosen[:2])}, {_name_of(kept)}, {chosen[2]}, {_SUMMED}"
        grouped = f"GROUP BY {', '.join(kept)} LIMIT {GROUPS_MAX + 1}"
        # In parentheses, since the LIMIT is the part's and not the whole's.
        return f"SELECT * FROM (SELECT {columns} FROM {source} {grouped}) AS part{number}"


def _columns(by: frozenset[Grouping]) -> list[str]:
    # Only our own column names are put together here.
    return [_COLUMNS[one] for one in Grouping if one in by]


def _sum_up(by: frozenset[Grouping], source: str) -> str:
    columns = ", ".join(_columns(by))
    return f"SELECT {columns}, {_SUMMED} FROM {source} GROUP BY {columns}"


def _name_of(kept: list[str]) -> str:
    if "key_id" in kept:
        return "(SELECT name FROM keys WHERE keys.id = key_id)"
    return "CAST(NULL AS TEXT)"


def _rank(sums: Sums) -> tuple[int, int, int, str, int]:
    """Newest first, then what was charged most."""
    day = -(sums.day or 0)
    return day, -sums.charge_nano, -sums.requests, sums.model or "", sums.key_id or 0
