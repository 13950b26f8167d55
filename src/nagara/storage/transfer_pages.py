"""Pages of an account's movements: what came and what went, newest first, and what there was after.

Only movements of the customer's own balance are told: what a request cost the operator, and what
could not be collected, are the house's. Movements of one account are numbered in the order of their
commits, since each locks the customer's row first; so what there was after each is what there is
now less all that came later, and a page hands that sum on to the next.

A page is bounded by the rows that are looked at, as in `request_pages`.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from nagara.storage.driver import Driver, Value

LOOKED_AT_MAX = 10_000
"""Rows that are read for one page, at most."""


class TransferType(StrEnum):
    """The codes of movements that change a customer's balance."""

    POST = "post"
    OVERRUN = "overrun"
    LATE = "late"
    TOP_UP = "top_up"
    GRANT = "grant"
    GRANT_EXPIRED = "grant_expired"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"


Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Place(msgspec.Struct, frozen=True, array_like=True, tag="transfers"):
    """Where a page begins: with the first movement before `seq`.

    `balance_nano` is what there was after that movement; None where nobody knows.
    """

    seq: Count
    balance_nano: Count | None = None


START = Place(2**63 - 1)


class TransferRow(msgspec.Struct, frozen=True):
    """One movement: `amount_nano` is above zero for what came.

    `request` is the request's own id and `request_id` what its caller knows it by.
    `balance_nano` is what there was after it, None in a list that leaves movements out.
    """

    seq: int
    id: str
    at_ms: int
    code: str
    amount_nano: int
    key_id: int
    request: str | None
    request_id: str | None
    note: str | None
    expires_at_s: int | None
    balance_nano: int | None = None


class TransferPage(msgspec.Struct, frozen=True):
    """Some movements, and where the next page begins; None at the end."""

    rows: list[TransferRow]
    next: Place | None


_OWN = "transfers.account_id = $1 AND transfers.seq < $2"
# In the words of the partial index, or the database would not see that it may use that.
_BESIDE_CALLS = " AND code <> 'post' AND code <> 'cost'"
_ROWS = (
    "SELECT transfers.seq, transfers.id, transfers.at_ms, code, "
    "CASE WHEN debit_id = customer.id THEN -transfers.amount_nano ELSE transfers.amount_nano END, "
    "transfers.key_id, request, requests.request_id, note, expires_at_s, "
    "customer.credits_nano - customer.debits_nano FROM transfers "
    "JOIN ledger_accounts AS customer ON customer.kind = 'customer' AND customer.owner = $1 "
    "LEFT JOIN requests ON requests.id = transfers.request "
    "LEFT JOIN grants ON grants.transfer = transfers.id "
    f"WHERE {_OWN} AND transfers.seq >= $3 "
    "AND (debit_id = customer.id OR credit_id = customer.id)"
)


async def load_transfers(
    driver: Driver,
    account_id: int,
    place: Place,
    limit: int,
    types: frozenset[TransferType] = frozenset(),
) -> TransferPage:
    """The next `limit` movements of an account, or fewer; of these types if any are named.

    Raises `StorageError`.
    """
    beside = _BESIDE_CALLS if types and TransferType.POST not in types else ""
    end = await _find_end(driver, account_id, place, beside)
    # Only our own words are put together here, never a caller's.
    named = ", ".join(f"'{code.value}'" for code in sorted(types))
    chosen = f" AND code IN ({named})" if named else ""
    sql = f"{_ROWS}{beside}{chosen} ORDER BY transfers.seq DESC LIMIT $4"
    params: tuple[Value, ...] = (account_id, place.seq, end, limit + 1)
    rows = await driver.query(sql, params)
    is_first = place == START and not types and bool(rows)
    known_nano = rows[0][-1] if is_first else place.balance_nano
    found = _run_balance([TransferRow(*row[:-1]) for row in rows[:limit]], known_nano)
    left_nano = None if known_nano is None else known_nano - sum(row.amount_nano for row in found)
    if len(rows) > limit:
        return TransferPage(found, Place(found[-1].seq, left_nano))
    return TransferPage(found, Place(end, left_nano) if end else None)


async def _find_end(driver: Driver, account_id: int, place: Place, beside: str) -> int:
    """The lowest number that is looked at; 0 when all the rest is."""
    rows = await driver.query(
        f"SELECT transfers.seq FROM transfers WHERE {_OWN}{beside} "
        f"ORDER BY transfers.seq DESC LIMIT 1 OFFSET {LOOKED_AT_MAX - 1}",
        (account_id, place.seq),
    )
    return int(rows[0][0]) if rows else 0


def _run_balance(rows: list[TransferRow], balance_nano: int | None) -> list[TransferRow]:
    """The rows with what there was after each, given what there was after the first."""
    if balance_nano is None:
        return rows
    run = []
    for row in rows:
        run.append(msgspec.structs.replace(row, balance_nano=balance_nano))
        balance_nano -= row.amount_nano
    return run
