"""Accounts and keys in the store, as values of the domain.

Every change counts up the revision `keys` in its own commit, so that a watcher reads one row to
know whether anything here changed. A deleted key is never listed or loaded again; its row stays,
without its digest, for the records that name it. Amounts are whole nano-dollars.

Raises `StorageError` as the driver does.
"""

from collections.abc import Callable, Mapping

import msgspec

from nagara.access import IssuedKey
from nagara.domain.catalog import Account, Key, KeyKind
from nagara.domain.limits import AS_SETTINGS_SAY, RateLimits
from nagara.storage.driver import Driver, ExpectationError, Row, Statement, Value

ID_MAX = 2**63 - 1
KEYS_CHANGED = Statement("UPDATE revisions SET number = number + 1 WHERE name = 'keys'")

_ACCOUNT = "SELECT id, name, created_at_s, balance_nano, limits FROM accounts"
_KEY = (
    "SELECT id, account_id, name, kind, digest, hint, created_at_s, expires_at_s, is_enabled, "
    "credit_limit_nano, allowed_models, limits FROM keys WHERE deleted_at_s IS NULL"
)
_INSERT_ACCOUNT = (
    "INSERT INTO accounts (name, created_at_s, balance_nano) VALUES ($1, $2, $3) "
    "ON CONFLICT (name) DO NOTHING RETURNING id"
)
_INSERT_KEY = (
    "INSERT INTO keys (account_id, name, kind, digest, hint, created_at_s, expires_at_s, "
    "credit_limit_nano, allowed_models, limits) "
    "SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM accounts WHERE name = $1 RETURNING id"
)
_IS_OWN = " AND (CAST($2 AS BIGINT) IS NULL OR account_id = $2)"
_DELETE_KEY = (
    "UPDATE keys SET deleted_at_s = $3, digest = NULL, is_enabled = 0 "
    "WHERE id = $1 AND deleted_at_s IS NULL AND (CAST($2 AS BIGINT) IS NULL OR account_id = $2)"
)


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is called and bound to; None is without bound."""

    name: str
    expires_at_s: int | None = None
    credit_limit_nano: int | None = None
    allowed_models: frozenset[str] | None = None
    limits: RateLimits = AS_SETTINGS_SAY


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a key: UNSET leaves a field as it is, None takes the bound away."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    expires_at_s: int | msgspec.UnsetType | None = msgspec.UNSET
    credit_limit_nano: int | msgspec.UnsetType | None = msgspec.UNSET
    allowed_models: frozenset[str] | msgspec.UnsetType | None = msgspec.UNSET
    limits: RateLimits | msgspec.UnsetType = msgspec.UNSET


async def load_revision(driver: Driver, name: str = "keys") -> int:
    """How often `keys` (accounts and keys) or `catalogue` was changed."""
    rows = await driver.query("SELECT number FROM revisions WHERE name = $1", (name,))
    return int(rows[0][0])


def insert_account(name: str, created_at_s: int, balance_nano: int) -> Statement:
    """Part of a commit that makes an account, and fails if there is one of that name."""
    return Statement(_INSERT_ACCOUNT, (name, created_at_s, balance_nano), rows_expected=1)


def insert_key(account: str, issued: IssuedKey, terms: KeyTerms, created_at_s: int) -> Statement:
    """Part of a commit that makes a key of the account of that name, which must exist by then."""
    params = (
        account,
        terms.name,
        issued.kind.value,
        issued.digest,
        issued.hint,
        created_at_s,
        terms.expires_at_s,
        terms.credit_limit_nano,
        _encode_models(terms.allowed_models),
        _encode_limits(terms.limits),
    )
    return Statement(_INSERT_KEY, params, rows_expected=1)


async def create_account(
    driver: Driver, name: str, *, created_at_s: int, balance_nano: int
) -> Account | None:
    """A new account; None when there is one of that name."""
    try:
        results = await driver.commit(
            [insert_account(name, created_at_s, balance_nano), KEYS_CHANGED]
        )
    except ExpectationError:
        return None
    return Account(int(results[0].rows[0][0]), name, created_at_s, balance_nano)


async def load_accounts(driver: Driver) -> list[Account]:
    """All accounts, by id."""
    return [_account(row) for row in await driver.query(f"{_ACCOUNT} ORDER BY id")]


async def find_account(driver: Driver, name: str) -> Account | None:
    """The account of that name."""
    rows = await driver.query(f"{_ACCOUNT} WHERE name = $1", (name,))
    return _account(rows[0]) if rows else None


async def change_account_limits(driver: Driver, account_id: int, limits: RateLimits) -> bool:
    """Hold an account to these limits from now on; False when there is no such account."""
    statement = Statement(
        "UPDATE accounts SET limits = $2 WHERE id = $1",
        (account_id, _encode_limits(limits)),
        rows_expected=1,
    )
    try:
        await driver.commit([statement, KEYS_CHANGED])
    except ExpectationError:
        return False
    return True


async def create_key(
    driver: Driver, account: Account, issued: IssuedKey, terms: KeyTerms, created_at_s: int
) -> Key:
    """Store a new key of an account that exists."""
    statement = insert_key(account.name, issued, terms, created_at_s)
    results = await driver.commit([statement, KEYS_CHANGED])
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
        allowed_models=terms.allowed_models,
        limits=terms.limits,
    )


async def load_keys(driver: Driver, *, account_id: int | None = None) -> list[Key]:
    """All keys, or one account's, by id."""
    if account_id is None:
        rows = await driver.query(f"{_KEY} ORDER BY id")
    else:
        rows = await driver.query(f"{_KEY} AND account_id = $1 ORDER BY id", (account_id,))
    return [_key(row) for row in rows]


async def find_key(driver: Driver, key_id: int, *, account_id: int | None = None) -> Key | None:
    """One key; None when there is none, or it is another account's than the one asked for."""
    if not 0 < key_id <= ID_MAX:
        return None
    rows = await driver.query(f"{_KEY} AND id = $1{_IS_OWN}", (key_id, account_id))
    return _key(rows[0]) if rows else None


async def change_key(
    driver: Driver, key_id: int, changes: KeyChanges, *, account_id: int | None = None
) -> Key | None:
    """Change a key and give it back as it is now; None as in `find_key`."""
    columns = _changed_columns(changes)
    if columns and 0 < key_id <= ID_MAX:
        # Only our own column names are put together here; every value is a parameter.
        settings = ", ".join(f"{name} = ${at}" for at, name in enumerate(columns, start=3))
        statement = Statement(
            f"UPDATE keys SET {settings} WHERE id = $1 AND deleted_at_s IS NULL{_IS_OWN}",  # noqa: S608
            (key_id, account_id, *columns.values()),
        )
        await driver.commit([statement, KEYS_CHANGED])
    return await find_key(driver, key_id, account_id=account_id)


async def delete_key(
    driver: Driver, key_id: int, *, now_s: int, account_id: int | None = None
) -> bool:
    """Make a key useless for ever; False as None in `find_key`."""
    if not 0 < key_id <= ID_MAX:
        return False
    statement = Statement(_DELETE_KEY, (key_id, account_id, now_s), rows_expected=1)
    try:
        await driver.commit([statement, KEYS_CHANGED])
    except ExpectationError:
        return False
    return True


def _changed_columns(changes: KeyChanges) -> Mapping[str, Value]:
    columns: dict[str, Value] = {}
    for name in changes.__struct_fields__:
        value = getattr(changes, name)
        if value is not msgspec.UNSET:
            encode = _ENCODED.get(name)
            columns[name] = value if encode is None else encode(value)
    return columns


def _encode_models(models: frozenset[str] | None) -> str | None:
    return None if models is None else msgspec.json.encode(sorted(models)).decode()


def _decode_models(text: str | None) -> frozenset[str] | None:
    return None if text is None else msgspec.json.decode(text, type=frozenset[str])


def _encode_limits(limits: RateLimits) -> str | None:
    return None if limits == AS_SETTINGS_SAY else msgspec.json.encode(limits).decode()


def _decode_limits(text: str | None) -> RateLimits:
    return AS_SETTINGS_SAY if text is None else msgspec.json.decode(text, type=RateLimits)


_ENCODED: Mapping[str, Callable[..., str | None]] = {
    "allowed_models": _encode_models,
    "limits": _encode_limits,
}
"""The columns that hold JSON."""


def _account(row: Row) -> Account:
    id_, name, created_at_s, balance_nano, limits = row
    return Account(id_, name, created_at_s, balance_nano, _decode_limits(limits))


def _key(row: Row) -> Key:
    id_, account_id, name, kind, digest, hint, created_at_s, expires_at_s, *rest = row
    is_enabled, credit_limit_nano, allowed_models, limits = rest
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
        allowed_models=_decode_models(allowed_models),
        limits=_decode_limits(limits),
    )
