"""Statements that open an account or a key, each together with its row in the ledger.

An account begins with a grant: a transfer from promotion, and a row in `grants`, so that every
nano-dollar that was ever there has a movement behind it. They are parts of a commit of the
caller's; ids are not known before it, so rows are found by the account's name or the key's digest.
"""

import msgspec

from nagara.access import IssuedKey
from nagara.domain.catalog import LimitPeriod
from nagara.domain.limits import AS_SETTINGS_SAY, RateLimits
from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.driver import Statement
from nagara.storage.rate_limits import encode_limits

_INSERT_ACCOUNT = (
    "INSERT INTO accounts (name, created_at_s) VALUES ($1, $2) "
    "ON CONFLICT (name) DO NOTHING RETURNING id"
)
_INSERT_CUSTOMER = (
    "INSERT INTO ledger_accounts (kind, owner, credits_nano) "
    "SELECT 'customer', id, CAST($2 AS BIGINT) FROM accounts WHERE name = $1"
)
_INSERT_GRANT_TRANSFER = (
    "INSERT INTO transfers "
    "(id, at_ms, debit_id, credit_id, amount_nano, code, account_id, key_id) "
    "SELECT 'opening:' || accounts.id, accounts.created_at_s * 1000, promotion.id, customer.id, "
    "CAST($2 AS BIGINT), 'grant', accounts.id, 0 FROM accounts "
    "JOIN ledger_accounts AS customer "
    "ON customer.kind = 'customer' AND customer.owner = accounts.id "
    "JOIN ledger_accounts AS promotion ON promotion.kind = 'promotion' AND promotion.owner = 0 "
    "WHERE accounts.name = $1"
)
_INSERT_GRANT = (
    "INSERT INTO grants (account_id, transfer, amount_nano, remaining_nano) "
    "SELECT id, 'opening:' || id, CAST($2 AS BIGINT), CAST($2 AS BIGINT) "
    "FROM accounts WHERE name = $1"
)
_INSERT_KEY = (
    "INSERT INTO keys (account_id, name, kind, digest, hint, created_at_s, expires_at_s, "
    "allowed_models, limits) "
    "SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM accounts WHERE name = $1 RETURNING id"
)
_INSERT_KEY_LIMIT = (
    "INSERT INTO ledger_accounts (kind, owner, limit_nano, limit_period) "
    "SELECT 'key', id, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM keys WHERE digest = $1"
)


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is called and bound to; None is without bound."""

    name: str
    expires_at_s: int | None = None
    credit_limit_nano: int | None = None
    limit_period: LimitPeriod = LimitPeriod.TOTAL
    allowed_models: frozenset[str] | None = None
    limits: RateLimits = AS_SETTINGS_SAY


def open_account(name: str, created_at_s: int, opening_grant_nano: int) -> list[Statement]:
    """Statements that make an account and fail if there is one of that name.

    The first returns its id. Raises `ValueError` for a grant that the ledger cannot hold.
    """
    check_limit(opening_grant_nano, "an opening grant")
    statements = [
        Statement(_INSERT_ACCOUNT, (name, created_at_s), rows_expected=1),
        Statement(_INSERT_CUSTOMER, (name, opening_grant_nano), rows_expected=1),
    ]
    if opening_grant_nano > 0:
        params = (name, opening_grant_nano)
        statements.append(Statement(_INSERT_GRANT_TRANSFER, params, rows_expected=1))
        statements.append(Statement(_INSERT_GRANT, params, rows_expected=1))
    return statements


def open_key(
    account: str, issued: IssuedKey, terms: KeyTerms, created_at_s: int
) -> list[Statement]:
    """Statements that make a key of the account of that name, which must exist by then.

    The first returns its id. Raises `ValueError` for a limit that the ledger cannot hold.
    """
    if terms.credit_limit_nano is not None:
        check_limit(terms.credit_limit_nano, "a credit limit")
    params = (
        account,
        terms.name,
        issued.kind.value,
        issued.digest,
        issued.hint,
        created_at_s,
        terms.expires_at_s,
        encode_models(terms.allowed_models),
        encode_limits(terms.limits),
    )
    limit = (issued.digest, terms.credit_limit_nano, terms.limit_period.value)
    return [
        Statement(_INSERT_KEY, params, rows_expected=1),
        Statement(_INSERT_KEY_LIMIT, limit, rows_expected=1),
    ]


def check_limit(amount_nano: int, what: str) -> None:
    """Raise `ValueError` unless the amount is from 0 to what 64 bits can hold."""
    if not 0 <= amount_nano <= AMOUNT_NANO_MAX:
        raise ValueError(
            f"{what} must be from $0.00 to ${format_dollars(AMOUNT_NANO_MAX)}, "
            f"not ${format_dollars(amount_nano)}"
        )


def encode_models(models: frozenset[str] | None) -> str | None:
    """The column `allowed_models`: JSON, or NULL for all."""
    return None if models is None else msgspec.json.encode(sorted(models)).decode()
