"""Pages of the journal: the requests of an account one by one, newest first.

A page is bounded by the rows that are looked at, not only by those that are found: a filter that
hardly matches anything among millions gives short pages, some of them empty, each of which says
where the next begins. Days on which nothing matches are skipped altogether, by the roll-ups.

Rows never change, and come in by their time; a page that was read stays true.
"""

from typing import Annotated

import msgspec

from nagara.storage.driver import Driver, Row, Value
from nagara.storage.limit_periods import DAY_S

LOOKED_AT_MAX = 10_000
"""Rows that are read for one page of a filtered list, at most."""

DAY_MS = DAY_S * 1000


Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Position(msgspec.Struct, frozen=True, array_like=True, tag="requests"):
    """Where a page begins: with the first request before this one."""

    at_ms: Count
    seq: Count


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests: of an account, from `from_ms` on. A key or model of None is any."""

    account_id: int
    from_ms: int
    key_id: int | None = None
    model: str | None = None

    @property
    def is_sparse(self) -> bool:
        """Whether it may leave out rows in between."""
        return self.key_id is not None or self.model is not None


class RequestRow(msgspec.Struct, frozen=True):
    """What an account is told of one of its requests. `usage` is JSON, as in the journal."""

    seq: int
    at_ms: int
    id: str
    request_id: str
    key_id: int
    key_name: str | None
    operation: str
    model: str
    provider: str | None
    deployment: str | None
    status: int
    outcome: str
    error: str | None
    is_streamed: int
    is_test: int
    attempts: int
    first_byte_ms: int | None
    duration_ms: int
    dropped: str | None
    usage: str | None
    is_usage_estimated: int
    input_tokens: int
    output_tokens: int
    charge_nano: int
    rate_card: str | None


class RequestPage(msgspec.Struct, frozen=True):
    """Some requests, and where the next page begins; None at the end."""

    rows: list[RequestRow]
    next: Position | None


_COLUMNS = ", ".join(
    "(SELECT name FROM keys WHERE keys.id = requests.key_id)" if name == "key_name" else name
    for name in RequestRow.__struct_fields__
)
_BEFORE = "account_id = $1 AND at_ms >= $2 AND (at_ms, seq) < ($3, $4)"
_MATCHES = (
    "(CAST($5 AS BIGINT) IS NULL OR key_id = $5) AND (CAST($6 AS TEXT) IS NULL OR model = $6)"
)
_NEWEST_FIRST = "ORDER BY at_ms DESC, seq DESC"
_PAGE = (
    f"SELECT {_COLUMNS} FROM requests WHERE {_BEFORE} AND {_MATCHES} "
    f"AND (at_ms, seq) >= ($7, $8) {_NEWEST_FIRST} LIMIT $9"
)
# Walks along the index alone.
_END_OF_LOOK = (
    f"SELECT at_ms, seq FROM requests WHERE {_BEFORE} {_NEWEST_FIRST} "
    f"LIMIT 1 OFFSET {LOOKED_AT_MAX - 1}"
)
_NEWEST_DAY = (
    "SELECT day FROM activity WHERE account_id = $1 AND day >= $2 AND day <= $3 "
    "AND (CAST($4 AS BIGINT) IS NULL OR key_id = $4) "
    "AND (CAST($5 AS TEXT) IS NULL OR model = $5) ORDER BY day DESC LIMIT 1"
)


async def load_requests(
    driver: Driver, wanted: RequestFilter, before: Position, limit: int
) -> RequestPage:
    """The next `limit` requests before a position, or fewer. Raises `StorageError`."""
    end = Position(0, 0)
    if wanted.is_sparse:
        skipped = await _skip_days(driver, wanted, before)
        if skipped is None:
            return RequestPage([], None)
        before = skipped
        end = await _find_end(driver, wanted, before)
    rows = await driver.query(_PAGE, (*_range(wanted, before), *_match(wanted, end), limit + 1))
    found = [RequestRow(*row) for row in rows[:limit]]
    if len(rows) > limit:
        return RequestPage(found, Position(found[-1].at_ms, found[-1].seq))
    return RequestPage(found, end if end.seq else None)


async def _skip_days(driver: Driver, wanted: RequestFilter, before: Position) -> Position | None:
    """The end of the newest day on which anything matches, or `before` if that is in it."""
    params = (
        wanted.account_id,
        wanted.from_ms // DAY_MS,
        before.at_ms // DAY_MS,
        wanted.key_id,
        wanted.model,
    )
    rows = await driver.query(_NEWEST_DAY, params)
    return min(before, Position((rows[0][0] + 1) * DAY_MS, 0), key=_order) if rows else None


async def _find_end(driver: Driver, wanted: RequestFilter, before: Position) -> Position:
    rows: list[Row] = await driver.query(_END_OF_LOOK, _range(wanted, before))
    return Position(*rows[0]) if rows else Position(0, 0)


def _range(wanted: RequestFilter, before: Position) -> tuple[Value, ...]:
    return wanted.account_id, wanted.from_ms, before.at_ms, before.seq


def _match(wanted: RequestFilter, end: Position) -> tuple[Value, ...]:
    return wanted.key_id, wanted.model, end.at_ms, end.seq


def _order(position: Position) -> tuple[int, int]:
    return position.at_ms, position.seq


async def find_requests(driver: Driver, text: str) -> list[tuple[str, int]]:
    """Ids and accounts of the request with that id, or else of some with that `request_id`.

    The latter are looked for in the whole journal: this is for an operator, not for callers.
    """
    own = await driver.query("SELECT id, account_id FROM requests WHERE id = $1", (text,))
    if not own:
        sql = "SELECT id, account_id FROM requests WHERE request_id = $1 LIMIT 10"
        own = await driver.query(sql, (text,))
    return [(row[0], row[1]) for row in own]
