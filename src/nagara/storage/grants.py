"""Credit that is given, and may expire: what expires soonest is spent first.

How it works. What a grant has left is not written by every request: `attributed_nano` of the
customer says how much of its debits was already taken from its grants, and whoever gives or ends
a grant takes the debits since then from those that live, in order. What none of them has was paid
from other credit. Such an event reads, computes purely, and commits under the condition that
nobody else did meanwhile; otherwise it begins again.

What is held when a grant expires may still be spent from it: only the rest expires, and what is
given back of the hold expires at a later turn.
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.credits import Movement, customer, is_made, make_transfer
from nagara.storage.driver import ConflictError, Driver, ExpectationError, Statement, StorageError
from nagara.storage.ledger import LedgerError, check_amount
from nagara.storage.transfers import PROMOTION, Party, Transfer, insert_transfer

TRIES = 10
ACCOUNTS_A_TURN = 100

_SUMS = (
    "SELECT credits_nano, debits_nano, pending_nano, attributed_nano FROM ledger_accounts "
    "WHERE kind = 'customer' AND owner = $1"
)
_LIVE = (
    "SELECT id, transfer, remaining_nano, expires_at_s FROM grants "
    "WHERE account_id = $1 AND ended_at_s IS NULL "
    "ORDER BY CASE WHEN expires_at_s IS NULL THEN 1 ELSE 0 END, expires_at_s, id"
)
_DUE = (
    "SELECT DISTINCT account_id FROM grants WHERE ended_at_s IS NULL AND expires_at_s <= $1 "
    "AND account_id > $2 ORDER BY account_id LIMIT $3"
)
_GIVE = (
    "UPDATE ledger_accounts SET credits_nano = credits_nano + $2, attributed_nano = $4 "
    "WHERE kind = 'customer' AND owner = $1 AND attributed_nano = $3 "
    f"AND credits_nano <= {AMOUNT_NANO_MAX} - $2"
)
_EXPIRE = (
    "UPDATE ledger_accounts SET debits_nano = debits_nano + $2, attributed_nano = $4 "
    "WHERE kind = 'customer' AND owner = $1 AND attributed_nano = $3 "
    "AND credits_nano - debits_nano - pending_nano >= $2"
)
_SET_REMAINING = (
    "UPDATE grants SET remaining_nano = $2, ended_at_s = $3 "
    "WHERE id = $1 AND remaining_nano = $4 AND ended_at_s IS NULL"
)
_INSERT = (
    "INSERT INTO grants (account_id, transfer, amount_nano, remaining_nano, expires_at_s) "
    "VALUES ($1, $2, $3, $3, $4)"
)


class Live(msgspec.Struct, frozen=True):
    """A grant that has not ended: what it has left, as of the customer's `attributed_nano`."""

    id: int
    transfer: str
    remaining_nano: int
    expires_at_s: int | None


class Grants(msgspec.Struct, frozen=True):
    """A customer's sums and live grants, soonest expiry first, as they were read."""

    account_id: int
    debits_nano: int
    pending_nano: int
    attributed_nano: int
    live: tuple[Live, ...]


def attribute(live: Sequence[Live], spent_nano: int) -> list[Live]:
    """The grants after so much was spent, first from the first."""
    after = []
    for grant in live:
        taken_nano = min(grant.remaining_nano, spent_nano)
        spent_nano -= taken_nano
        left_nano = grant.remaining_nano - taken_nano
        after.append(msgspec.structs.replace(grant, remaining_nano=left_nano))
    return after


def find_expired(live: Sequence[Live], pending_nano: int, now_s: int) -> list[int]:
    """How much of each grant expires now: of those that are due, what no hold may still spend."""
    expired = []
    for grant in live:
        kept_nano = min(grant.remaining_nano, pending_nano)
        pending_nano -= kept_nano
        is_due = grant.expires_at_s is not None and grant.expires_at_s <= now_s
        expired.append(grant.remaining_nano - kept_nano if is_due else 0)
    return expired


async def give_grant(
    driver: Driver, movement: Movement, *, expires_at_s: int | None = None
) -> None:
    """Credit as a gift, until it is spent or expires. May be repeated with its id."""
    check_amount(movement.amount_nano, "a grant", minimum=1)
    transfer = make_transfer(movement, "grant", PROMOTION, customer(movement))
    for _ in range(TRIES):
        if await is_made(driver, transfer):
            return
        grants, credits_nano = await _load(driver, movement.account_id)
        if credits_nano > AMOUNT_NANO_MAX - movement.amount_nano:
            raise LedgerError(
                f"with ${format_dollars(movement.amount_nano)} more, the credits of account "
                f"{movement.account_id!r} would be beyond ${format_dollars(AMOUNT_NANO_MAX)}"
            )
        if await _try(driver, grants, _give_statements(grants, transfer, expires_at_s)):
            return
    raise _busy(movement.account_id)


async def expire_grants(driver: Driver, now_s: int) -> int:
    """Take back what is left of the grants that are due; nano-dollars that were taken."""
    total_nano, last = 0, 0
    while rows := await driver.query(_DUE, (now_s, last, ACCOUNTS_A_TURN)):
        for (account_id,) in rows:
            total_nano += await _expire_of(driver, account_id, now_s)
            last = account_id
    return total_nano


async def _expire_of(driver: Driver, account_id: int, now_s: int) -> int:
    for _ in range(TRIES):
        grants, _ = await _load(driver, account_id)
        after = attribute(grants.live, grants.debits_nano - grants.attributed_nano)
        expired = find_expired(after, grants.pending_nano, now_s)
        if not sum(expired) and grants.debits_nano == grants.attributed_nano:
            # All that is left of them is held.
            return 0
        if await _try(driver, grants, _expire_statements(grants, after, expired, now_s)):
            return sum(expired)
    raise _busy(account_id)


def _give_statements(
    grants: Grants, transfer: Transfer, expires_at_s: int | None
) -> list[Statement]:
    after = attribute(grants.live, grants.debits_nano - grants.attributed_nano)
    sums = (grants.account_id, transfer.amount_nano, grants.attributed_nano, grants.debits_nano)
    own = (grants.account_id, transfer.id, transfer.amount_nano, expires_at_s)
    return [
        Statement(_GIVE, sums, rows_expected=1),
        *_remaining(grants.live, after, transfer.at_ms // 1000),
        insert_transfer(transfer),
        Statement(_INSERT, own, rows_expected=1),
    ]


def _expire_statements(
    grants: Grants, after: list[Live], expired: list[int], now_s: int
) -> list[Statement]:
    total_nano = sum(expired)
    sums = (
        grants.account_id,
        total_nano,
        grants.attributed_nano,
        grants.debits_nano + total_nano,
    )
    left = [
        msgspec.structs.replace(grant, remaining_nano=grant.remaining_nano - out_nano)
        for grant, out_nano in zip(after, expired, strict=True)
    ]
    return [
        Statement(_EXPIRE, sums, rows_expected=1),
        *_remaining(grants.live, left, now_s),
        *(
            insert_transfer(_expiry(grants.account_id, grant, out_nano, now_s))
            for grant, out_nano in zip(after, expired, strict=True)
            if out_nano > 0
        ),
    ]


def _remaining(before: Sequence[Live], after: Sequence[Live], now_s: int) -> list[Statement]:
    """Write what grants have left now, of those where it is less; one with nothing has ended."""
    return [
        Statement(
            _SET_REMAINING,
            (
                now.id,
                now.remaining_nano,
                None if now.remaining_nano else now_s,
                then.remaining_nano,
            ),
            rows_expected=1,
        )
        for then, now in zip(before, after, strict=True)
        if now.remaining_nano < then.remaining_nano
    ]


def _expiry(account_id: int, grant: Live, amount_nano: int, now_s: int) -> Transfer:
    return Transfer(
        # A grant can expire in parts, and each leaves it with less.
        id=f"{grant.transfer}:expired:{grant.remaining_nano}",
        at_ms=now_s * 1000,
        debit=Party("customer", account_id),
        credit=PROMOTION,
        amount_nano=amount_nano,
        code="grant_expired",
        account_id=account_id,
        note=grant.transfer,
    )


async def _load(driver: Driver, account_id: int) -> tuple[Grants, int]:
    """The grants of an account, and all it ever got."""
    sums = await driver.query(_SUMS, (account_id,))
    if not sums:
        raise LedgerError(f"there is no account {account_id!r} in the ledger")
    # Read after the sums: if an event came between, the condition on them fails the commit.
    live = tuple(Live(*row) for row in await driver.query(_LIVE, (account_id,)))
    credits_nano, debits_nano, pending_nano, attributed_nano = sums[0]
    return Grants(account_id, debits_nano, pending_nano, attributed_nano, live), credits_nano


async def _try(driver: Driver, grants: Grants, statements: list[Statement]) -> bool:
    try:
        await driver.commit(statements, group=grants.account_id)
    except (ExpectationError, ConflictError):
        return False
    return True


def _busy(account_id: int) -> StorageError:
    return StorageError(f"the grants of account {account_id!r} are changed all the time: try again")
