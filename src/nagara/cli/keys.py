"""`nagara keys`: make, look at, switch off and delete keys.

Works on the database directly, beside a running gateway (which notices within a second) or before
the first start. A secret is printed once, alone on stdout, and can never be had again.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import click
import msgspec

from nagara.access import RANDOM_BYTES, issue_key
from nagara.cli.key_views import COLUMNS, key_facts, key_row, try_it, view_key
from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_facts, print_json, print_table
from nagara.cli.rate_options import RateChanges, takes_rates
from nagara.cli.store import open_store
from nagara.cli.terms import read_dollars, read_expiry, read_models, read_name
from nagara.domain.catalog import Account, Key, KeyKind
from nagara.domain.limits import RateLimits
from nagara.settings import SECRET_VARIABLE, Settings
from nagara.storage.driver import Driver
from nagara.storage.first_start import DEFAULT_ACCOUNT
from nagara.storage.keys import (
    KeyChanges,
    change_key,
    create_account,
    create_key,
    delete_key,
    find_account,
    load_accounts,
    load_keys,
)
from nagara.storage.opening import KeyTerms
from nagara.storage.secret import open_pepper

some_keys = click.argument("keys", nargs=-1, required=True, metavar="ID...")


@click.group(no_args_is_help=True)
def keys() -> None:
    """Make, list, limit, switch off and delete keys.

    A key is named by its id, or by its name if no other key has the same.
    """


@keys.command()
@click.argument("name", callback=read_name)
@click.option("--provisioning", "kind", flag_value="provisioning", help="For /v1/account/* only.")
@click.option("--test", "kind", flag_value="test", help="Served by the sandbox, free of charge.")
@click.option("--expires", metavar="WHEN", callback=read_expiry, help="12h, 30d, 8w or a date.")
@click.option("--models", metavar="A,B", callback=read_models, help="The only models it may use.")
@click.option("--credit-limit", metavar="USD", callback=read_dollars, help="The most it may spend.")
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Who pays.")
@takes_rates
@as_json
@takes_place
def create(
    name: str,
    kind: str | None,
    expires: int | None,
    models: frozenset[str] | None,
    credit_limit: int | None,
    rates: RateChanges,
    account: str,
    is_json: bool,
    place: Place,
) -> None:
    """Make a key called NAME and print its secret, once.

    Only the secret goes to stdout, so KEY=$(nagara keys create ci) works. Before the first start
    this makes the database and the account 'default'.
    """
    if kind == KeyKind.PROVISIONING and (models or credit_limit is not None or rates):
        raise click.UsageError("a provisioning key calls no models: give it no limits of calls")
    terms = KeyTerms(
        name=name,
        expires_at_s=expires,
        credit_limit_nano=credit_limit,
        allowed_models=models,
        limits=RateLimits(**rates),
    )
    key, secret = asyncio.run(_create(place, account, KeyKind(kind or "standard"), terms))
    if is_json:
        print_json({**view_key(key, account), "key": secret})
        return
    click.echo(f"The {key.kind} key {key.id}, {key.name!r}, shown this once:", err=True)
    click.echo(secret)
    click.echo(try_it(key.kind, secret), err=True)


async def _create(
    place: Place, account_name: str, kind: KeyKind, terms: KeyTerms
) -> tuple[Key, str]:
    now_s = int(time.time())
    async with open_store(place, can_make=True) as driver:
        pepper = await open_pepper(driver, place.data, os.environ.get(SECRET_VARIABLE))
        account = await _payer(driver, account_name, now_s)
        issued = issue_key(kind, os.urandom(RANDOM_BYTES), pepper)
        key = await create_key(driver, account, issued, terms, now_s)
    return key, issued.secret.reveal()


async def _payer(driver: Driver, name: str, now_s: int) -> Account:
    """The account of that name; `default` is made if it is not there."""
    account = await find_account(driver, name)
    if account is None and name == DEFAULT_ACCOUNT:
        await create_account(
            driver, name, created_at_s=now_s, opening_grant_nano=Settings().opening_grant_nano
        )
        account = await find_account(driver, name)
    if account is None:
        names = ", ".join(repr(known.name) for known in await load_accounts(driver))
        raise click.ClickException(f"there is no account {name!r}: there is {names or 'none yet'}")
    return account


@keys.command("list")
@click.option("--account", help="Only the keys of this account.")
@as_json
@takes_place
def list_keys(account: str | None, is_json: bool, place: Place) -> None:
    """List all keys, without their secrets."""
    names, found = asyncio.run(_load(place))
    shown = [key for key in found if account in (None, names[key.account_id])]
    if account is not None and account not in names.values():
        raise click.ClickException(f"there is no account {account!r}")
    if is_json:
        print_json({"keys": [view_key(key, names[key.account_id]) for key in shown]})
    elif shown:
        print_table(COLUMNS, [key_row(key, names[key.account_id]) for key in shown])
    else:
        click.echo("There are no keys: 'nagara keys create NAME' makes one.", err=True)


@keys.command()
@click.argument("key", metavar="ID")
@as_json
@takes_place
def show(key: str, is_json: bool, place: Place) -> None:
    """Show one key, without its secret."""
    names, found = asyncio.run(_load(place))
    (chosen,) = _choose(found, [key])
    account = names[chosen.account_id]
    if is_json:
        print_json(view_key(chosen, account))
    else:
        print_facts(key_facts(chosen, account))


@keys.command()
@some_keys
@as_json
@takes_place
def disable(keys: tuple[str, ...], is_json: bool, place: Place) -> None:
    """Switch keys off until they are enabled again."""
    _switch(place, keys, is_json, is_enabled=False)


@keys.command()
@some_keys
@as_json
@takes_place
def enable(keys: tuple[str, ...], is_json: bool, place: Place) -> None:
    """Switch keys on again."""
    _switch(place, keys, is_json, is_enabled=True)


@keys.command()
@some_keys
@takes_rates
@as_json
@takes_place
def limit(keys: tuple[str, ...], rates: RateChanges, is_json: bool, place: Place) -> None:
    """Change how fast keys may call. What is not named stays as it is."""
    if not rates:
        raise click.UsageError("nothing to change: give --requests-per-minute, say")

    def change(key: Key) -> KeyChanges:
        return KeyChanges(limits=msgspec.structs.replace(key.limits, **rates))

    _change(place, keys, is_json, change, "Changed")


def _switch(place: Place, given: Sequence[str], is_json: bool, *, is_enabled: bool) -> None:
    done = "Enabled" if is_enabled else "Disabled"
    _change(place, given, is_json, lambda _: KeyChanges(is_enabled=is_enabled), done)


def _change(
    place: Place,
    given: Sequence[str],
    is_json: bool,
    choose: Callable[[Key], KeyChanges],
    done: str,
) -> None:
    async def change(driver: Driver, key: Key) -> Key | None:
        return await change_key(driver, key.id, choose(key))

    names, found = asyncio.run(_load(place))
    changed = asyncio.run(_each(place, _choose(found, given), change))
    if is_json:
        print_json({"keys": [view_key(key, names[key.account_id]) for key in changed if key]})
        return
    for key in filter(None, changed):
        click.echo(f"{done} key {key.id}, {key.name!r}.")


@keys.command()
@some_keys
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@as_json
@takes_place
def delete(keys: tuple[str, ...], is_sure: bool, is_json: bool, place: Place) -> None:
    """Delete keys for ever. Whoever uses one is refused from then on."""

    async def remove(driver: Driver, key: Key) -> Key | None:
        return key if await delete_key(driver, key.id, now_s=int(time.time())) else None

    _, found = asyncio.run(_load(place))
    chosen = _choose(found, keys)
    if not is_sure:
        _ask(chosen)
    deleted = [key for key in asyncio.run(_each(place, chosen, remove)) if key]
    if is_json:
        print_json({"deleted": [key.id for key in deleted]})
        return
    for key in deleted:
        click.echo(f"Deleted key {key.id}, {key.name!r}.")


def _ask(chosen: Sequence[Key]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: give --yes to delete without asking")
    names = ", ".join(f"{key.id} ({key.name})" for key in chosen)
    click.confirm(f"Delete {names} for ever?", abort=True, err=True)


async def _load(place: Place) -> tuple[dict[int, str], list[Key]]:
    """The names of the accounts by id, and all keys."""
    async with open_store(place) as driver:
        accounts = await load_accounts(driver)
        return {account.id: account.name for account in accounts}, await load_keys(driver)


async def _each(
    place: Place,
    chosen: Sequence[Key],
    change: Callable[[Driver, Key], Awaitable[Key | None]],
) -> list[Key | None]:
    async with open_store(place) as driver:
        return [await change(driver, key) for key in chosen]


def _choose(found: Sequence[Key], given: Sequence[str]) -> list[Key]:
    """The keys that are meant by ids or names, each once; none is changed if one is unknown."""
    chosen = [_choose_one(found, text) for text in given]
    return list({key.id: key for key in chosen}.values())


def _choose_one(found: Sequence[Key], text: str) -> Key:
    by_id = [key for key in found if str(key.id) == text]
    named = by_id or [key for key in found if key.name == text]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(str(key.id) for key in named)
        raise click.ClickException(f"{len(named)} keys are called {text!r}: give an id ({ids})")
    raise click.ClickException(f"there is no key {text!r}: 'nagara keys list' shows them all")
