"""`nagara accounts`: make, look at and change accounts, each of which pays for its own keys.

Works on the database directly, beside a running gateway, which notices within a second.
"""

import asyncio
import time

import click
import msgspec

from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_facts, print_json, print_table
from nagara.cli.rate_options import RateChanges, describe_rates, takes_rates
from nagara.cli.store import open_store
from nagara.cli.terms import format_percent, read_dollars, read_markup, read_name
from nagara.domain.catalog import Account
from nagara.domain.money import format_dollars
from nagara.storage.accounts import load_balances, rename_account, set_limits, set_markup
from nagara.storage.driver import Driver
from nagara.storage.first_start import DEFAULT_ACCOUNT
from nagara.storage.keys import create_account, find_account, load_accounts
from nagara.storage.ledger import Balance, find_balance
from nagara.web.times import format_time

COLUMNS = ("id", "name", "balance", "held", "available", "markup", "rates", "created")


@click.group(no_args_is_help=True)
def accounts() -> None:
    """Make, list and change accounts."""


@accounts.command()
@click.argument("name", callback=read_name)
@click.option("--grant", default="0", metavar="USD", callback=read_dollars, help="To begin with.")
@click.option("--markup", metavar="PERCENT", callback=read_markup, help="On top of every price.")
@as_json
@takes_place
def create(name: str, grant: int, markup: int | None, is_json: bool, place: Place) -> None:
    """Make an account called NAME."""

    async def make() -> tuple[Account, Balance]:
        async with open_store(place, can_make=True) as driver:
            now_s = int(time.time())
            made = await create_account(driver, name, created_at_s=now_s, opening_grant_nano=grant)
            if made is None:
                raise click.ClickException(f"there is an account {name!r} already")
            if markup is not None:
                await set_markup(driver, made.id, markup)
            return await _load_one(driver, name)

    account, balance = asyncio.run(make())
    if is_json:
        print_json(view_account(account, balance))
    else:
        click.echo(f"Made account {account.id}, {name!r}, with ${format_dollars(grant)}.")


@accounts.command("list")
@as_json
@takes_place
def list_accounts(is_json: bool, place: Place) -> None:
    """List all accounts with what they have."""

    async def load() -> list[tuple[Account, Balance]]:
        async with open_store(place) as driver:
            balances = await load_balances(driver)
            return [(each, balances[each.id]) for each in await load_accounts(driver)]

    found = asyncio.run(load())
    if is_json:
        print_json({"accounts": [view_account(*each) for each in found]})
    elif found:
        rows = [tuple(value for _, value in account_facts(*each)) for each in found]
        print_table(COLUMNS, rows)
    else:
        click.echo("There are no accounts: 'nagara accounts create NAME' makes one.", err=True)


@accounts.command()
@click.argument("name")
@as_json
@takes_place
def show(name: str, is_json: bool, place: Place) -> None:
    """Show one account."""

    async def load() -> tuple[Account, Balance]:
        async with open_store(place) as driver:
            return await _load_one(driver, name)

    account, balance = asyncio.run(load())
    if is_json:
        print_json(view_account(account, balance))
    else:
        print_facts(account_facts(account, balance))


@accounts.command()
@click.argument("name")
@click.argument("new_name", callback=read_name)
@as_json
@takes_place
def rename(name: str, new_name: str, is_json: bool, place: Place) -> None:
    """Call an account something else."""
    if name == DEFAULT_ACCOUNT:
        # The next start would miss it, and make another with an opening grant of its own.
        raise click.ClickException(f"the account {DEFAULT_ACCOUNT!r} keeps its name")

    async def change() -> tuple[Account, Balance]:
        async with open_store(place) as driver:
            account, _ = await _load_one(driver, name)
            if not await rename_account(driver, account.id, new_name):
                raise click.ClickException(f"there is an account {new_name!r} already")
            return await _load_one(driver, new_name)

    account, balance = asyncio.run(change())
    if is_json:
        print_json(view_account(account, balance))
    else:
        click.echo(f"Account {account.id} is called {account.name!r} now.")


# Or a discount would be taken for an option.
@accounts.command("set-markup", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("percent", callback=read_markup)
@as_json
@takes_place
def change_markup(name: str, percent: int | None, is_json: bool, place: Place) -> None:
    """Put PERCENT on top of every price of an account.

    It stands in place of its models' own markups. One below zero, as in -20, is a discount; 'none'
    leaves it to the models.
    """

    async def change() -> tuple[Account, Balance]:
        async with open_store(place) as driver:
            account, _ = await _load_one(driver, name)
            await set_markup(driver, account.id, percent)
            return await _load_one(driver, name)

    account, balance = asyncio.run(change())
    if is_json:
        print_json(view_account(account, balance))
    else:
        click.echo(f"The markup of {account.name!r} is {_percent(account)}.")


@accounts.command()
@click.argument("name")
@takes_rates
@as_json
@takes_place
def limit(name: str, rates: RateChanges, is_json: bool, place: Place) -> None:
    """Change how fast all keys of an account together may call. What is not named stays."""
    if not rates:
        raise click.UsageError("nothing to change: give --requests-per-minute, say")

    async def change() -> tuple[Account, Balance]:
        async with open_store(place) as driver:
            account, _ = await _load_one(driver, name)
            limits = msgspec.structs.replace(account.limits, **rates)
            await set_limits(driver, account.id, limits)
            return await _load_one(driver, name)

    account, balance = asyncio.run(change())
    if is_json:
        print_json(view_account(account, balance))
    else:
        click.echo(f"The rates of {account.name!r} are {describe_rates(account.limits)}.")


async def find_payer(driver: Driver, name: str) -> Account:
    """The account of that name. Raises `click.ClickException` that names those there are."""
    account = await find_account(driver, name)
    if account is None:
        names = ", ".join(repr(known.name) for known in await load_accounts(driver))
        raise click.ClickException(f"there is no account {name!r}: there is {names or 'none yet'}")
    return account


async def _load_one(driver: Driver, name: str) -> tuple[Account, Balance]:
    account = await find_payer(driver, name)
    return account, await find_balance(driver, account.id)


def view_account(account: Account, balance: Balance) -> dict[str, object]:
    """An account for JSON. The markup is a number of percent."""
    markup_ppm = account.markup_ppm
    return {
        "id": account.id,
        "name": account.name,
        "created_at": format_time(account.created_at_s),
        "balance": format_dollars(balance.balance_nano),
        "held": format_dollars(balance.pending_nano),
        "available": format_dollars(balance.available_nano),
        "markup_percent": None
        if markup_ppm is None
        else msgspec.Raw(format_percent(markup_ppm).encode()),
        "limits": msgspec.structs.asdict(account.limits),
    }


def account_facts(account: Account, balance: Balance) -> list[tuple[str, str]]:
    """Each of `COLUMNS` with its value in words."""
    values = (
        str(account.id),
        account.name,
        f"${format_dollars(balance.balance_nano)}",
        f"${format_dollars(balance.pending_nano)}",
        f"${format_dollars(balance.available_nano)}",
        _percent(account),
        describe_rates(account.limits),
        f"{format_time(account.created_at_s)[:16]}Z",
    )
    return list(zip(COLUMNS, values, strict=True))


def _percent(account: Account) -> str:
    markup_ppm = account.markup_ppm
    return "the models' own" if markup_ppm is None else f"{format_percent(markup_ppm)}%"
