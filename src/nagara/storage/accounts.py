"""Accounts as their operator looks after them: sums, names, markups, rate limits.

Every change counts up the revision `keys`, as in `keys.py`. Raises `StorageError` as the driver
does.
"""

from nagara.domain.limits import RateLimits
from nagara.domain.money import PPM, is_markup
from nagara.storage.driver import ConflictError, Driver, ExpectationError, Statement, Value
from nagara.storage.keys import KEYS_CHANGED
from nagara.storage.ledger import Balance
from nagara.storage.rate_limits import set_account_limits

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
    """Millionths on top of every price of this account; None leaves it to the models.

    False when there is no such account. Raises `ValueError` for a discount of all or more.
    """
    if markup_ppm is not None and not is_markup(markup_ppm):
        raise ValueError(f"a markup must be above {-PPM} millionths, not {markup_ppm!r}")
    return await _change(driver, _SET_MARKUP, (account_id, markup_ppm))


async def set_limits(driver: Driver, account_id: int, limits: RateLimits) -> bool:
    """How fast all keys of an account together may call; False when there is no such account."""
    return await _commit(driver, set_account_limits(account_id, limits))


async def _change(driver: Driver, sql: str, params: tuple[Value, ...]) -> bool:
    return await _commit(driver, Statement(sql, params, rows_expected=1))


async def _commit(driver: Driver, change: Statement) -> bool:
    try:
        await driver.commit([change, KEYS_CHANGED])
    except ExpectationError:
        return False
    return True
