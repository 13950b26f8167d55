"""Credit that comes and goes apart from requests: top-ups, refunds, adjustments.

Each is one movement, named by its caller's id, and may be repeated: the same id with the same
content changes nothing, with another content it is refused. No sum ever leaves 64 bits, and nothing
is taken from a customer that is not available. Grants, which may expire, are in `grants.py`.

Raises `LedgerError` for what cannot be, `StorageError` when it is unknown whether it was done.
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.driver import ConflictError, Driver, ExpectationError, Statement
from nagara.storage.ledger import LedgerError, check_amount
from nagara.storage.transfers import (
    ADJUSTMENT,
    CASH,
    REVENUE,
    Party,
    Transfer,
    credit_customer,
    credit_key,
    debit_customer,
    insert_refund,
    insert_transfer,
)

_COLLECTED = "SELECT COALESCE(SUM(amount_nano), 0) FROM transfers WHERE id IN ($1, $2, $3)"
_REFUNDED = (
    "SELECT COALESCE(SUM(amount_nano), 0) FROM transfers WHERE request = $1 AND code = 'refund'"
)
_CHARGE = (
    "SELECT request, account_id, amount_nano FROM transfers "
    "WHERE id = $1 AND code IN ('post', 'overrun', 'late')"
)


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """What to move. `id` is the caller's, unique among movements of its kind; times are Unix."""

    id: str
    account_id: int
    amount_nano: int
    at_ms: int
    note: str | None = None


class Refundable(msgspec.Struct, frozen=True):
    """What was collected for a request, or by one of its charges, and what of it is left."""

    request: str
    account_id: int
    amount_nano: int
    left_nano: int


async def top_up(driver: Driver, movement: Movement) -> None:
    """Credit that was paid for."""
    check_amount(movement.amount_nano, "a top-up", minimum=1)
    transfer = make_transfer(movement, "top_up", CASH, customer(movement))
    first = credit_customer(movement.account_id, movement.amount_nano)
    await move(driver, transfer, [first, insert_transfer(transfer)])


async def adjust(driver: Driver, movement: Movement) -> None:
    """Correct a balance: up by an amount above zero, down, as far as available, by one below."""
    amount_nano = movement.amount_nano
    check_amount(abs(amount_nano), "an adjustment", minimum=1)
    movement = msgspec.structs.replace(movement, amount_nano=abs(amount_nano))
    if amount_nano > 0:
        transfer = make_transfer(movement, "adjustment", ADJUSTMENT, customer(movement))
        first = credit_customer(movement.account_id, movement.amount_nano)
    else:
        transfer = make_transfer(movement, "adjustment", customer(movement), ADJUSTMENT)
        first = debit_customer(movement.account_id, movement.amount_nano)
    await move(driver, transfer, [first, insert_transfer(transfer)])


async def refund(driver: Driver, movement: Movement, request: str) -> None:
    """Give back some of what was collected for a request (its own id), never more than it was.

    The key that it was made with gets its limit back, if that is for good and not for a period.
    """
    check_amount(movement.amount_nano, "a refund", minimum=1)
    rows = await driver.query(
        "SELECT key_id FROM requests WHERE id = $1 AND account_id = $2",
        (request, movement.account_id),
    )
    if not rows:
        raise LedgerError(f"account {movement.account_id!r} has no request {request!r} to refund")
    transfer = msgspec.structs.replace(
        make_transfer(movement, "refund", REVENUE, customer(movement)),
        key_id=rows[0][0],
        request=request,
    )
    statements = [
        credit_customer(transfer.account_id, transfer.amount_nano),
        credit_key(transfer.key_id, transfer.amount_nano),
        insert_refund(transfer),
    ]
    await move(driver, transfer, statements)


def make_transfer(movement: Movement, code: str, debit: Party, credit: Party) -> Transfer:
    """The movement as a row. The code is part of its id: ids of requests are never met."""
    return Transfer(
        id=f"{code}:{movement.id}",
        at_ms=movement.at_ms,
        debit=debit,
        credit=credit,
        amount_nano=movement.amount_nano,
        code=code,
        account_id=movement.account_id,
        note=movement.note,
    )


def customer(movement: Movement) -> Party:
    """The side of the account that a movement is about."""
    return Party("customer", movement.account_id)


async def move(driver: Driver, transfer: Transfer, statements: Sequence[Statement]) -> None:
    """Commit a movement, or recognise that it was made."""
    try:
        await driver.commit(statements, group=transfer.account_id)
    except (ExpectationError, ConflictError) as error:
        if not await is_made(driver, transfer):
            raise await _explain(driver, transfer) from error


async def is_made(driver: Driver, transfer: Transfer) -> bool:
    """Whether the transfer is there; `LedgerError` when its id is another's."""
    rows = await driver.query(
        "SELECT amount_nano, transfers.account_id, request, gave.kind FROM transfers "
        "JOIN ledger_accounts AS gave ON gave.id = debit_id WHERE transfers.id = $1",
        (transfer.id,),
    )
    content = (transfer.amount_nano, transfer.account_id, transfer.request, transfer.debit.kind)
    if rows and rows[0] != content:
        raise LedgerError(f"the id {transfer.id!r} was used for another movement")
    return bool(rows)


async def find_moved_at_ms(driver: Driver, code: str, movement_id: str) -> int:
    """When the movement with its caller's id was made: for who asks for it again, some time ago."""
    rows = await driver.query(
        "SELECT at_ms FROM transfers WHERE id = $1", (f"{code}:{movement_id}",)
    )
    return int(rows[0][0])


async def _explain(driver: Driver, transfer: Transfer) -> LedgerError:
    """Why a movement that was not made before was refused."""
    rows = await driver.query(
        "SELECT credits_nano, credits_nano - debits_nano - pending_nano FROM ledger_accounts "
        "WHERE kind = 'customer' AND owner = $1",
        (transfer.account_id,),
    )
    amount = f"${format_dollars(transfer.amount_nano)}"
    if not rows:
        return LedgerError(f"there is no account {transfer.account_id!r} in the ledger")
    credits_nano, available_nano = rows[0]
    if transfer.debit.kind == "customer":
        available = format_dollars(available_nano)
        return LedgerError(f"{amount} is more than the ${available} that is available")
    if transfer.request is None or credits_nano > AMOUNT_NANO_MAX - transfer.amount_nano:
        return LedgerError(
            f"with {amount} more, the credits of account {transfer.account_id!r} "
            f"would be beyond ${format_dollars(AMOUNT_NANO_MAX)}"
        )
    found = await find_refundable(driver, transfer.request, transfer.account_id)
    return LedgerError(
        f"{amount} is more than the ${format_dollars(found.left_nano)} that can be refunded of the "
        f"request {transfer.request!r}"
    )


async def find_charge(driver: Driver, transfer: str) -> Refundable | None:
    """What can be given back of one movement that charged a request; None if it is none such.

    No more than is left of its request: what was refunded of that before may have been this.
    """
    rows = await driver.query(_CHARGE, (transfer,))
    if not rows:
        return None
    request, account_id, amount_nano = rows[0]
    whole = await find_refundable(driver, request, account_id)
    return Refundable(request, account_id, amount_nano, min(amount_nano, whole.left_nano))


async def find_refundable(driver: Driver, request: str, account_id: int) -> Refundable:
    """What was collected for a request, and what of that is not refunded yet."""
    ids = tuple(f"{request}:{code}" for code in ("post", "overrun", "late"))
    collected = int((await driver.query(_COLLECTED, ids))[0][0])
    refunded = int((await driver.query(_REFUNDED, (request,)))[0][0])
    return Refundable(request, account_id, collected, collected - refunded)
