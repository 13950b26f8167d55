"""Accounts as their operator looks after them: sums, names, markups.

Every change counts up the revision `keys`, as in `keys.py`. Raises `StorageError` as the driver
does.
"""

from nagara.storage.driver import ConflictError, Driver, ExpectationError, Statement, Value
from nagara.storage.keys import KEYS_CHANGED
from nagara.storage.ledger import Balance

_BALANCES = (
    "SELECT owner, credits_nano, debits_nano, pending_nano FROM ledger_accounts "
    "WHERE kind = 'customer'"
)
_RENAME = "UPDATE accounts SET name = $2 WHERE id = $1"
_SET_MARKUP = "UPDATE accounts SET markup_ppm = $2 WHERE id = $1"


async def load_balances(driver: Driver) -> dict[int, Balance]:
    """The sums of every account, by its id."""
    return {row[0]: Balance(*row[1:]) for row in await driver.query(_BALANCES)}


async def rename_account(driver: Driver, account_id: int, name: str) -> bool:
    """Give an account another name; False when another has it."""
    try:
        return await _change(driver, _RENAME, (account_id, name))
    except ConflictError:
        return False


async def set_markup(driver: Driver, account_id: int, markup_ppm: int | None) -> bool:
    """Millionths on top of every price of this account; None leaves it to the models."""
    return await _change(driver, _SET_MARKUP, (account_id, markup_ppm))


async def _change(driver: Driver, sql: str, params: tuple[Value, ...]) -> bool:
    try:
        await driver.commit([Statement(sql, params, rows_expected=1), KEYS_CHANGED])
    except ExpectationError:
        return False
    return True
