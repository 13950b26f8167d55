"""`nagara credits`: what comes to an account, and what is put right, apart from its calls.

Each is one movement of the ledger with an id. Who gives `--id` may run the command again, after a
timeout say: the same id with the same content changes nothing. Notes are seen by the account.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from nagara.cli.accounts import find_payer
from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_json, print_table
from nagara.cli.store import open_store
from nagara.cli.terms import read_amount, read_expiry, read_label, read_signed_amount
from nagara.domain.money import format_dollars
from nagara.runtime import make_id
from nagara.storage.credits import (
    Movement,
    Refundable,
    adjust,
    find_charge,
    find_moved_at_ms,
    find_refundable,
    refund,
    top_up,
)
from nagara.storage.driver import Driver
from nagara.storage.first_start import DEFAULT_ACCOUNT
from nagara.storage.grants import give_grant
from nagara.storage.keys import load_accounts
from nagara.storage.ledger import LedgerError, find_balance
from nagara.storage.request_pages import find_requests
from nagara.storage.transfer_pages import START, TransferRow, TransferType, load_transfers
from nagara.web.account.report_views import view_transfer
from nagara.web.times import format_time, format_time_ms

CHARGES = frozenset((TransferType.POST, TransferType.OVERRUN, TransferType.LATE))
COLUMNS = ("when", "type", "amount", "expires", "note", "id")
"""The first are the last that a narrow terminal leaves out."""

of_account = click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Whose.")


class Order(msgspec.Struct, frozen=True):
    """What a command was asked to move, before it is known for whom."""

    movement_id: str
    note: str | None
    is_json: bool
    place: Place


class Kind(msgspec.Struct, frozen=True):
    """A kind of movement: its code in the ledger, and how a person is told of one."""

    code: str
    done: str
    is_signed: bool = False


TOP_UP = Kind("top_up", "Added {amount} to {account}")
GRANT = Kind("grant", "Gave {amount} to {account}")
ADJUSTMENT = Kind("adjustment", "Corrected the balance of {account} by {amount}", is_signed=True)
REFUND = Kind("refund", "Gave {amount} back to {account}")


def takes_order(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--id`, `--note` and what every command has to one that gets them as `order: Order`."""

    def run(id_: str | None, note: str | None, is_json: bool, place: Place, **own: Any) -> None:
        command(order=Order(id_ or make_id(""), note, is_json, place), **own)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run = click.option(
        "--note", callback=read_label, metavar="TEXT", help="Why; the account sees it."
    )(run)
    run = click.option(
        "--id", "id_", callback=read_label, metavar="ID", help="So that it is done once only."
    )(run)
    return as_json(takes_place(run))


@click.group("credits", no_args_is_help=True)
def credit() -> None:
    """Add, give, refund and correct credit, and list what came and went.

    Amounts are US dollars as decimal text, such as 12.50.
    """


@credit.command()
@click.argument("amount", callback=read_amount)
@of_account
@takes_order
def add(amount: int, account: str, order: Order) -> None:
    """Add AMOUNT that was paid for."""
    _run(order, account, amount, TOP_UP, top_up)


@credit.command()
@click.argument("amount", callback=read_amount)
@click.option("--expires", metavar="WHEN", callback=read_expiry, help="12h, 30d, 8w or a date.")
@of_account
@takes_order
def grant(amount: int, expires: int | None, account: str, order: Order) -> None:
    """Give AMOUNT as a present, which may expire. What expires soonest is spent first."""

    async def give(driver: Driver, movement: Movement) -> None:
        await give_grant(driver, movement, expires_at_s=expires)

    _run(order, account, amount, GRANT, give)


# Or an amount below zero would be taken for an option.
@credit.command("adjust", context_settings={"ignore_unknown_options": True})
@click.argument("amount", callback=read_signed_amount)
@of_account
@takes_order
def adjust_balance(amount: int, account: str, order: Order) -> None:
    """Correct a balance by AMOUNT.

    One below zero, as in -2.50, takes away, and no more than is available.
    """
    _run(order, account, amount, ADJUSTMENT, adjust)


@credit.command("refund")
@click.argument("charged", metavar="ID")
@click.option("--amount", metavar="USD", callback=read_amount, help="How much, if not all of it.")
@takes_order
def refund_charge(charged: str, amount: int | None, order: Order) -> None:
    """Give back what was charged, or a part of it.

    ID is a request's x-request-id, its id in the account's usage, or the id of a charge among the
    account's transactions.
    """

    async def give_back() -> dict[str, object]:
        async with open_store(order.place) as driver:
            found = await _find_charged(driver, charged)
            whole = amount or found.left_nano
            if not whole:
                raise click.ClickException(f"nothing is left to refund of {charged!r}")
            if whole > found.amount_nano:
                most = format_dollars(found.amount_nano)
                raise click.ClickException(f"{charged!r} was ${most}, and no more can be refunded")
            movement = _movement(order, found.account_id, whole)
            await refund(driver, movement, found.request)
            return await _tell(driver, movement, REFUND)

    _print(order, REFUND, _perform(give_back()))


@credit.command("list")
@of_account
@click.option("--charges", is_flag=True, help="What calls were charged, too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@as_json
@takes_place
def list_credits(account: str, charges: bool, limit: int, is_json: bool, place: Place) -> None:
    """List what came and went, newest first."""

    async def load() -> list[TransferRow]:
        async with open_store(place) as driver:
            payer = await find_payer(driver, account)
            types = frozenset() if charges else frozenset(TransferType) - CHARGES
            return (await load_transfers(driver, payer.id, START, limit, types)).rows

    rows = asyncio.run(load())
    if is_json:
        print_json({"transactions": [view_transfer(row) for row in rows]})
    elif rows:
        print_table(COLUMNS, [_row(row) for row in rows])
    else:
        click.echo("Nothing came or went.", err=True)


def _row(row: TransferRow) -> tuple[str, ...]:
    when = f"{format_time_ms(row.at_ms)[:16]}Z"
    expires = "-" if row.expires_at_s is None else f"{format_time(row.expires_at_s)[:16]}Z"
    amount = _in_dollars(format_dollars(row.amount_nano), is_signed=True)
    return when, row.code, amount, expires, row.note or "-", row.id


def _in_dollars(amount: str, *, is_signed: bool = False) -> str:
    """With the sign before the dollar: `-$2.50`, and `+$2.50` where both signs occur."""
    if amount.startswith("-"):
        return f"-${amount[1:]}"
    return f"+${amount}" if is_signed else f"${amount}"


def _run(
    order: Order, account: str, amount_nano: int, kind: Kind, move: Callable[..., Any]
) -> None:
    async def make() -> dict[str, object]:
        async with open_store(order.place) as driver:
            payer = await find_payer(driver, account)
            movement = _movement(order, payer.id, amount_nano)
            await move(driver, movement)
            return await _tell(driver, movement, kind)

    _print(order, kind, _perform(make()))


def _perform(work: Any) -> dict[str, object]:
    try:
        return asyncio.run(work)
    except LedgerError as error:
        raise click.ClickException(str(error)) from error


def _movement(order: Order, account_id: int, amount_nano: int) -> Movement:
    return Movement(
        id=order.movement_id,
        account_id=account_id,
        amount_nano=amount_nano,
        at_ms=time.time_ns() // 1_000_000,
        note=order.note,
    )


async def _tell(driver: Driver, movement: Movement, kind: Kind) -> dict[str, object]:
    """What was done, and whether it was this command that did it."""
    balance = await find_balance(driver, movement.account_id)
    moved_at_ms = await find_moved_at_ms(driver, kind.code, movement.id)
    return {
        "id": movement.id,
        "account_id": movement.account_id,
        "account": await _find_name(driver, movement.account_id),
        "amount": format_dollars(movement.amount_nano),
        "balance": format_dollars(balance.balance_nano),
        "is_repetition": moved_at_ms != movement.at_ms,
        "created_at": format_time_ms(moved_at_ms),
    }


async def _find_name(driver: Driver, account_id: int) -> str:
    return {each.id: each.name for each in await load_accounts(driver)}[account_id]


def _print(order: Order, kind: Kind, told: dict[str, object]) -> None:
    if order.is_json:
        print_json(told)
        return
    amount = _in_dollars(str(told["amount"]), is_signed=kind.is_signed)
    done = kind.done.format(amount=amount, account=repr(told["account"]))
    if told["is_repetition"]:
        # Who repeats a command after a timeout has to see that it did not move money twice.
        done = f"Nothing to do: {done[0].lower()}{done[1:]} at {told['created_at']}"
    click.echo(f"{done} (id {told['id']}); the balance is ${told['balance']}.")


async def _find_charged(driver: Driver, text: str) -> Refundable:
    """What can be given back of the request or the charge of that name."""
    charge = await find_charge(driver, text)
    if charge is not None:
        return charge
    found = await find_requests(driver, text)
    if not found:
        raise click.ClickException(f"there is no request {text!r}, and no charge of that id")
    if len(found) > 1:
        ids = ", ".join(request for request, _ in found)
        raise click.ClickException(f"several requests are called {text!r}: give an id ({ids})")
    return await find_refundable(driver, *found[0])
