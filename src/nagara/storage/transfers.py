"""Movements between accounts of the ledger: what they are, and the statements that make them.

A transfer is a row that is never changed; the kept sums of its sides are statements of their own in
the same commit, the customer's first. Their conditions are part of the write: no sum leaves 64
bits, nothing is taken that is not available, nothing is refunded that was not collected.
"""

from functools import lru_cache

import msgspec

from nagara.domain.money import AMOUNT_NANO_MAX
from nagara.storage.driver import Statement
from nagara.storage.row_inserts import RowInsert, RowValues

AVAILABLE = "credits_nano - debits_nano - pending_nano"
"""What a customer can still spend, as SQL over its row."""

CUSTOMER = "kind = 'customer' AND owner = $1"
KEY = "kind = 'key' AND owner = $1"

TRANSFERS = RowInsert(
    "INSERT INTO transfers (id, at_ms, debit_id, credit_id, amount_nano, code, account_id, "
    "key_id, request, note)",
    "(${}, ${}, (SELECT id FROM ledger_accounts WHERE kind = ${} AND owner = ${}), "
    "(SELECT id FROM ledger_accounts WHERE kind = ${} AND owner = ${}), "
    "${}, ${}, ${}, ${}, ${}, ${})",
)
_CREDIT = (
    "UPDATE ledger_accounts SET credits_nano = credits_nano + $2 "
    f"WHERE {{}} AND credits_nano <= {AMOUNT_NANO_MAX} - $2"
)
_CREDIT_CUSTOMER = _CREDIT.format(CUSTOMER)
_CREDIT_KEY = _CREDIT.format(KEY)
_DEBIT_CUSTOMER = (
    f"UPDATE ledger_accounts SET debits_nano = debits_nano + $2 "
    f"WHERE {CUSTOMER} AND {AVAILABLE} >= $2"
)
# No more than was collected for the request, less what was refunded of it already. The customer's
# row is locked by now, so that two refunds cannot both see the same rest.
_INSERT_REFUND = (
    "INSERT INTO transfers (id, at_ms, debit_id, credit_id, amount_nano, code, account_id, "
    "key_id, request, note) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), revenue.id, customer.id, "
    "CAST($4 AS BIGINT), 'refund', CAST($3 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS TEXT), "
    "CAST($7 AS TEXT) FROM ledger_accounts AS revenue "
    "JOIN ledger_accounts AS customer ON customer.kind = 'customer' AND customer.owner = $3 "
    "WHERE revenue.kind = 'revenue' AND revenue.owner = 0 AND CAST($4 AS BIGINT) <= "
    "(SELECT COALESCE(SUM(amount_nano), 0) FROM transfers WHERE id IN "
    "(CAST($6 AS TEXT) || ':post', CAST($6 AS TEXT) || ':overrun', CAST($6 AS TEXT) || ':late')) "
    "- (SELECT COALESCE(SUM(amount_nano), 0) FROM transfers "
    "WHERE request = CAST($6 AS TEXT) AND code = 'refund')"
)


class Party(msgspec.Struct, frozen=True):
    """One side of a transfer: an account of the ledger."""

    kind: str
    owner: int = 0


REVENUE = Party("revenue")
CASH = Party("cash")
PROMOTION = Party("promotion")
ADJUSTMENT = Party("adjustment")


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One movement: `debit` gives, `credit` gets. `account_id` is the customer's it is about."""

    id: str
    at_ms: int
    debit: Party
    credit: Party
    amount_nano: int
    code: str
    account_id: int
    key_id: int = 0
    request: str | None = None
    note: str | None = None


def insert_transfer(transfer: Transfer) -> Statement:
    """The row of one movement; the sums of its sides are other statements."""
    row = make_row(
        transfer.id,
        transfer.at_ms,
        transfer.debit,
        transfer.credit,
        transfer.amount_nano,
        transfer.code,
        transfer.account_id,
        transfer.key_id,
        transfer.request,
        transfer.note,
    )
    return TRANSFERS.insert((row,))


def make_row(
    id_: str,
    at_ms: int,
    debit: Party,
    credit: Party,
    amount_nano: int,
    code: str,
    account_id: int,
    key_id: int,
    request: str | None,
    note: str | None = None,
) -> RowValues:
    """What `TRANSFERS` inserts: a `Transfer`, for those made at every request."""
    return (
        id_,
        at_ms,
        debit.kind,
        debit.owner,
        credit.kind,
        credit.owner,
        amount_nano,
        code,
        account_id,
        key_id,
        request,
        note,
    )


@lru_cache(maxsize=256)
def cost_parties(provider: str) -> tuple[Party, Party]:
    """The two accounts of what a provider costs us."""
    return Party(f"cost:{provider}"), Party(f"provider:{provider}")


def credit_customer(account_id: int, amount_nano: int) -> Statement:
    """Add to what a customer ever got; it expects that 64 bits are enough."""
    return Statement(_CREDIT_CUSTOMER, (account_id, amount_nano), rows_expected=1)


def credit_key(key_id: int, amount_nano: int) -> Statement:
    """Add to what was refunded of a key's requests."""
    return Statement(_CREDIT_KEY, (key_id, amount_nano), rows_expected=1)


def debit_customer(account_id: int, amount_nano: int) -> Statement:
    """Take from a customer; it expects that so much is available."""
    return Statement(_DEBIT_CUSTOMER, (account_id, amount_nano), rows_expected=1)


def insert_refund(transfer: Transfer) -> Statement:
    """The row of a refund; it expects that its request was charged so much and more."""
    params = (
        transfer.id,
        transfer.at_ms,
        transfer.account_id,
        transfer.amount_nano,
        transfer.key_id,
        transfer.request,
        transfer.note,
    )
    return Statement(_INSERT_REFUND, params, rows_expected=1)
