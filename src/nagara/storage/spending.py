"""What keys have spent, and what their credit limits have left: read from the ledger, never kept.

The limit is computed by the very piece of SQL that decides about a hold, so that what is shown is
what is enforced. Nothing here changes anything.
"""

import msgspec

from nagara.storage.driver import Driver
from nagara.storage.ledger_statements import SPENT
from nagara.storage.limit_periods import find_period_begins

# $2 is taken by the amount of a hold in the piece that is shared.
_SPENDING = (
    "SELECT owner, debits_nano - credits_nano, "
    f"CAST(limit_nano - pending_nano - {SPENT} AS BIGINT) FROM ledger_accounts "
    "WHERE kind = 'key' AND CAST($2 AS BIGINT) = 0 "
    "AND owner IN (SELECT id FROM keys WHERE account_id = $3 AND deleted_at_s IS NULL) "
    "AND (CAST($1 AS BIGINT) IS NULL OR owner = $1)"
)


class Spending(msgspec.Struct, frozen=True):
    """`spent_nano` is all that was ever charged through a key, less what was refunded of it.

    `remaining_nano` is what its limit leaves in the present period, what is held taken off; never
    below zero, None without a limit.
    """

    spent_nano: int
    remaining_nano: int | None


async def load_spending(
    driver: Driver, account_id: int, *, now_ms: int, key_id: int | None = None
) -> dict[int, Spending]:
    """By id, every key of an account, or one of them. Raises `StorageError`."""
    begins = find_period_begins(now_ms)
    params = (key_id, 0, account_id, begins.day_s, begins.week_s, begins.month_s)
    return {
        owner: Spending(spent_nano, None if room_nano is None else max(0, room_nano))
        for owner, spent_nano, room_nano in await driver.query(_SPENDING, params)
    }
