"""Accounts and keys in the store, as values of the domain.

Every change counts up the revision `keys` in its own commit, so that a watcher reads one row to
know whether anything here changed. A deleted key is never listed or loaded again; its row stays,
without its digest, for the records that name it. Amounts are whole nano-dollars.

Raises `StorageError` as the driver does.
"""

import contextlib
from typing import Any, cast

import msgspec

from nagara.access import IssuedKey
from nagara.domain.catalog import Account, Key, KeyKind, LimitPeriod
from nagara.domain.limits import RateLimits
from nagara.storage.driver import Driver, ExpectationError, Row, Statement, Value
from nagara.storage.opening import KeyTerms, check_limit, encode_models, open_account, open_key
from nagara.storage.rate_limits import decode_limits, encode_limits, set_account_limits

ID_MAX = 2**63 - 1
KEYS_CHANGED = Statement("UPDATE revisions SET number = number + 1 WHERE name = 'keys'")

_ACCOUNT = (
    "SELECT accounts.id, name, created_at_s, credits_nano - debits_nano - pending_nano, "
    "markup_ppm, limits FROM accounts JOIN ledger_accounts AS kept "
    "ON kept.kind = 'customer' AND kept.owner = accounts.id"
)
_KEY = (
    "SELECT keys.id, account_id, name, keys.kind, digest, hint, created_at_s, expires_at_s, "
    "is_enabled, limit_nano, limit_period, allowed_models, limits FROM keys "
    "JOIN ledger_accounts AS kept ON kept.kind = 'key' AND kept.owner = keys.id "
    "WHERE deleted_at_s IS NULL"
)
_IS_OWN = " AND (CAST($2 AS BIGINT) IS NULL OR account_id = $2)"
_SET_LIMIT = "UPDATE ledger_accounts SET limit_nano = $2 WHERE kind = 'key' AND owner = $1"
# As if the period had begun with the key: what falls into the present one is then summed up anew
# from `activity`, which knows the days.
_SET_PERIOD = (
    "UPDATE ledger_accounts SET limit_period = $2, period_began_s = 0, period_nano = debits_nano "
    "WHERE kind = 'key' AND owner = $1 AND limit_period <> $2"
)
_DELETE_KEY = (
    "UPDATE keys SET deleted_at_s = $3, digest = NULL, is_enabled = 0 "
    "WHERE id = $1 AND deleted_at_s IS NULL AND (CAST($2 AS BIGINT) IS NULL OR account_id = $2)"
)

_FORGET_RETIRED = "DELETE FROM retired_secrets WHERE key_id = $1"
_COUNT_KEYS = "SELECT COUNT(*) FROM keys WHERE account_id = $1 AND deleted_at_s IS NULL"


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a key: UNSET leaves a field as it is, None takes the bound away."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    expires_at_s: int | msgspec.UnsetType | None = msgspec.UNSET
    credit_limit_nano: int | msgspec.UnsetType | None = msgspec.UNSET
    limit_period: LimitPeriod | msgspec.UnsetType = msgspec.UNSET
    allowed_models: frozenset[str] | msgspec.UnsetType | None = msgspec.UNSET
    limits: RateLimits | msgspec.UnsetType = msgspec.UNSET


async def load_revision(driver: Driver, name: str = "keys") -> int:
    """How often `keys` (accounts and keys) or `catalogue` was changed."""
    rows = await driver.query("SELECT number FROM revisions WHERE name = $1", (name,))
    return int(rows[0][0])


async def create_account(
    driver: Driver, name: str, *, created_at_s: int, opening_grant_nano: int
) -> Account | None:
    """A new account; None when there is one of that name."""
    statements = open_account(name, created_at_s, opening_grant_nano)
    try:
        results = await driver.commit([*statements, KEYS_CHANGED])
    except ExpectationError:
        return None
    return Account(int(results[0].rows[0][0]), name, created_at_s, opening_grant_nano)


async def change_account_limits(driver: Driver, account_id: int, limits: RateLimits) -> bool:
    """Hold an account to these rate limits; False when there is no such account."""
    try:
        await driver.commit([set_account_limits(account_id, limits), KEYS_CHANGED])
    except ExpectationError:
        return False
    return True


async def load_accounts(driver: Driver) -> list[Account]:
    """All accounts, by id."""
    return [_account(row) for row in await driver.query(f"{_ACCOUNT} ORDER BY accounts.id")]


async def find_account(driver: Driver, name: str) -> Account | None:
    """The account of that name."""
    rows = await driver.query(f"{_ACCOUNT} WHERE name = $1", (name,))
    return _account(rows[0]) if rows else None


async def create_key(
    driver: Driver, account: Account, issued: IssuedKey, terms: KeyTerms, created_at_s: int
) -> Key:
    """Store a new key of an account that exists."""
    statements = open_key(account.name, issued, terms, created_at_s)
    results = await driver.commit([*statements, KEYS_CHANGED])
    return Key(
        id=int(results[0].rows[0][0]),
        account_id=account.id,
        name=terms.name,
        kind=issued.kind,
        digest=issued.digest,
        hint=issued.hint,
        created_at_s=created_at_s,
        expires_at_s=terms.expires_at_s,
        credit_limit_nano=terms.credit_limit_nano,
        limit_period=terms.limit_period,
        allowed_models=terms.allowed_models,
        limits=terms.limits,
    )


async def load_keys(driver: Driver, *, account_id: int | None = None) -> list[Key]:
    """All keys, or one account's, by id."""
    if account_id is None:
        rows = await driver.query(f"{_KEY} ORDER BY keys.id")
    else:
        rows = await driver.query(f"{_KEY} AND account_id = $1 ORDER BY keys.id", (account_id,))
    return [_key(row) for row in rows]


async def count_keys(driver: Driver, account_id: int) -> int:
    """How many keys of any kind an account has."""
    return int((await driver.query(_COUNT_KEYS, (account_id,)))[0][0])


async def find_key(driver: Driver, key_id: int, *, account_id: int | None = None) -> Key | None:
    """One key; None when there is none, or it is another account's than the one asked for."""
    if not 0 < key_id <= ID_MAX:
        return None
    rows = await driver.query(f"{_KEY} AND keys.id = $1{_IS_OWN}", (key_id, account_id))
    return _key(rows[0]) if rows else None


async def change_key(
    driver: Driver, key_id: int, changes: KeyChanges, *, account_id: int | None = None
) -> Key | None:
    """Change a key and give it back as it is now; None as in `find_key`.

    A limit may be set below what was spent already: the key is then exhausted, and nothing that
    runs is cut off. Raises `ValueError` for a limit that the ledger cannot hold.
    """
    if 0 < key_id <= ID_MAX and (statements := _change_statements(key_id, account_id, changes)):
        with contextlib.suppress(ExpectationError):
            await driver.commit([*statements, KEYS_CHANGED])
    return await find_key(driver, key_id, account_id=account_id)


async def delete_key(
    driver: Driver, key_id: int, *, now_s: int, account_id: int | None = None
) -> bool:
    """Make a key useless for ever; False as None in `find_key`."""
    if not 0 < key_id <= ID_MAX:
        return False
    statement = Statement(_DELETE_KEY, (key_id, account_id, now_s), rows_expected=1)
    try:
        await driver.commit([statement, Statement(_FORGET_RETIRED, (key_id,)), KEYS_CHANGED])
    except ExpectationError:
        return False
    return True


def _change_statements(key_id: int, account_id: int | None, changes: KeyChanges) -> list[Statement]:
    """What to commit for the changes: nothing for none."""
    given = {
        name: value
        for name in changes.__struct_fields__
        if (value := getattr(changes, name)) is not msgspec.UNSET
    }
    statements = _change_limit(key_id, given)
    columns = {name: _column(name, value) for name, value in given.items()}
    if not columns and not statements:
        return []
    # A limit is another table's, but whether the key is there and theirs is said by this one.
    # Only our own column names are put together here; every value is a parameter.
    settings = ", ".join(f"{name} = ${at}" for at, name in enumerate(columns, start=3))
    own = Statement(
        f"UPDATE keys SET {settings or 'name = name'} "  # noqa: S608
        f"WHERE id = $1 AND deleted_at_s IS NULL{_IS_OWN}",
        (key_id, account_id, *columns.values()),
        rows_expected=1,
    )
    return [own, *statements]


def _change_limit(key_id: int, given: dict[str, Any]) -> list[Statement]:
    """Take what is the ledger's out of the changes."""
    statements = []
    if "credit_limit_nano" in given:
        limit_nano = given.pop("credit_limit_nano")
        if limit_nano is not None:
            check_limit(limit_nano, "a credit limit")
        statements.append(Statement(_SET_LIMIT, (key_id, limit_nano), rows_expected=1))
    if "limit_period" in given:
        period = given.pop("limit_period").value
        statements.append(Statement(_SET_PERIOD, (key_id, period)))
    return statements


def _column(name: str, value: Any) -> Value:
    if name == "allowed_models":
        return encode_models(value)
    if name == "limits":
        return encode_limits(value)
    # PostgreSQL takes no Boolean for a number.
    return int(value) if isinstance(value, bool) else cast(Value, value)


def _decode_models(text: str | None) -> frozenset[str] | None:
    return None if text is None else msgspec.json.decode(text, type=frozenset[str])


def _account(row: Row) -> Account:
    id_, name, created_at_s, balance_nano, markup_ppm, limits = row
    return Account(id_, name, created_at_s, balance_nano, markup_ppm, decode_limits(limits))


def _key(row: Row) -> Key:
    id_, account_id, name, kind, digest, hint, created_at_s, expires_at_s, *rest = row
    is_enabled, credit_limit_nano, limit_period, allowed_models, limits = rest
    return Key(
        id=id_,
        account_id=account_id,
        name=name,
        kind=KeyKind(kind),
        digest=digest,
        hint=hint,
        created_at_s=created_at_s,
        expires_at_s=expires_at_s,
        is_enabled=bool(is_enabled),
        credit_limit_nano=credit_limit_nano,
        limit_period=LimitPeriod(limit_period),
        allowed_models=_decode_models(allowed_models),
        limits=decode_limits(limits),
    )
