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
from nagara.cli.accounts import find_payer
from nagara.cli.first_call import find_call, find_unknown
from nagara.cli.key_views import COLUMNS, ShownKey, key_facts, key_row, view_key
from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_facts, print_json, print_table
from nagara.cli.rate_options import RateChanges, takes_rates
from nagara.cli.store import open_store
from nagara.cli.terms import (
    or_none,
    read_dollars,
    read_expiry,
    read_models,
    read_name,
    read_overlap,
)
from nagara.config.load import read_settings
from nagara.domain.catalog import Account, Key, KeyKind, LimitPeriod
from nagara.domain.limits import RateLimits
from nagara.settings import SECRET_VARIABLE
from nagara.storage.driver import Driver
from nagara.storage.first_start import DEFAULT_ACCOUNT
from nagara.storage.keys import (
    KeyChanges,
    change_key,
    create_account,
    create_key,
    delete_key,
    find_account,
    find_key,
    load_accounts,
    load_keys,
)
from nagara.storage.opening import KeyTerms
from nagara.storage.rotation import RETIRED_MAX, rotate_key
from nagara.storage.secret import open_pepper
from nagara.storage.spending import load_spending
from nagara.web.account.key_views import NOTHING_SPENT

some_keys = click.argument("keys", nargs=-1, required=True, metavar="ID...")


@click.group(no_args_is_help=True)
def keys() -> None:
    """Make, list, limit, switch off and delete keys.

    A key is named by its id, or by its name if no other key has the same.
    """


@keys.command()
@click.argument("name", callback=read_name)
@click.option("--provisioning", "is_provisioning", is_flag=True, help="For /v1/account/* only.")
@click.option("--test", "is_test", is_flag=True, help="Served by the sandbox, free of charge.")
@click.option("--expires", metavar="WHEN", callback=read_expiry, help="12h, 30d, 8w or a date.")
@click.option("--models", metavar="A,B", callback=read_models, help="The only models it may use.")
@click.option("--credit-limit", metavar="USD", callback=read_dollars, help="The most it may spend.")
@click.option(
    "--limit-period",
    type=click.Choice([period.value for period in LimitPeriod]),
    default=LimitPeriod.TOTAL.value,
    show_default=True,
    help="When that begins anew, in UTC.",
)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Who pays.")
@takes_rates
@as_json
@takes_place
def create(
    name: str,
    is_provisioning: bool,
    is_test: bool,
    expires: int | None,
    models: frozenset[str] | None,
    credit_limit: int | None,
    limit_period: str,
    rates: RateChanges,
    account: str,
    is_json: bool,
    place: Place,
) -> None:
    """Make a key called NAME and print its secret, once.

    Only the secret goes to stdout, so KEY=$(nagara keys create ci) works. Before the first start
    this makes the database and the account 'default'.
    """
    if is_provisioning and is_test:
        raise click.UsageError("a key is for /v1/account/* or for tests: give one of the two")
    if is_provisioning and (models or credit_limit is not None or rates):
        raise click.UsageError("a provisioning key calls no models: give it no limits of calls")
    terms = KeyTerms(
        name=name,
        expires_at_s=expires,
        credit_limit_nano=credit_limit,
        limit_period=LimitPeriod(limit_period),
        allowed_models=models,
        limits=RateLimits(**rates),
    )
    kind = KeyKind.TEST if is_test else KeyKind.STANDARD
    if is_provisioning:
        kind = KeyKind.PROVISIONING
    key, secret = asyncio.run(_create(place, account, kind, terms))
    if is_json:
        print_json({**view_key(ShownKey(key, account)), "key": secret})
        return
    click.echo(f"The {key.kind} key {key.id}, {key.name!r}, shown this once:", err=True)
    click.echo(secret)
    click.echo(find_call(key.kind, secret, models, place.config), err=True)
    for warning in find_unknown(models or (), place.config):
        click.secho(f"warning: {warning}", fg="yellow", err=True)


async def _create(
    place: Place, account_name: str, kind: KeyKind, terms: KeyTerms
) -> tuple[Key, str]:
    now_s = int(time.time())
    async with open_store(place, can_make=True) as driver:
        pepper = await open_pepper(driver, place.data, os.environ.get(SECRET_VARIABLE))
        account = await _payer(driver, account_name, now_s, place)
        issued = issue_key(kind, os.urandom(RANDOM_BYTES), pepper)
        key = await create_key(driver, account, issued, terms, now_s)
    return key, issued.secret.reveal()


async def _payer(driver: Driver, name: str, now_s: int, place: Place) -> Account:
    """The account of that name; `default` is made if it is not there, as a first start would."""
    account = await find_account(driver, name)
    if account is None and name == DEFAULT_ACCOUNT:
        grant_nano = read_settings(place.config, os.environ).opening_grant_nano
        await create_account(driver, name, created_at_s=now_s, opening_grant_nano=grant_nano)
        account = await find_account(driver, name)
    return account or await find_payer(driver, name)


@keys.command("list")
@click.option("--account", help="Only the keys of this account.")
@as_json
@takes_place
def list_keys(account: str | None, is_json: bool, place: Place) -> None:
    """List all keys, without their secrets."""
    shown = asyncio.run(_load(place, account))
    if is_json:
        print_json({"keys": [view_key(each) for each in shown]})
    elif shown:
        print_table(COLUMNS, [key_row(each) for each in shown])
    else:
        click.echo("There are no keys: 'nagara keys create NAME' makes one.", err=True)


@keys.command()
@click.argument("key", metavar="ID")
@as_json
@takes_place
def show(key: str, is_json: bool, place: Place) -> None:
    """Show one key, without its secret."""
    (chosen,) = _choose(asyncio.run(_load(place)), [key])
    if is_json:
        print_json(view_key(chosen))
    else:
        print_facts(key_facts(chosen))


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
@click.option(
    "--credit-limit",
    metavar="USD",
    callback=or_none(read_dollars, "none"),
    help="The most they may spend; 'none' for no limit of their own.",
)
@click.option(
    "--limit-period",
    type=click.Choice([period.value for period in LimitPeriod]),
    help="When that begins anew, in UTC.",
)
@click.option(
    "--models",
    metavar="A,B",
    callback=or_none(read_models, "any"),
    help="The only models they may use; 'any' for all.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    callback=or_none(read_expiry, "never"),
    help="12h, 30d, 8w or a date; 'never' for no end.",
)
@takes_rates
@as_json
@takes_place
def limit(
    keys: tuple[str, ...],
    credit_limit: int | None,
    limit_period: str | None,
    models: frozenset[str] | None,
    expires: int | None,
    rates: RateChanges,
    is_json: bool,
    place: Place,
) -> None:
    """Change what keys may spend and use, how fast, and for how long.

    What is not named stays as it is. A credit limit may be set below what was spent already: the
    key is then exhausted, and what runs is not cut off.
    """
    terms = KeyChanges(
        credit_limit_nano=credit_limit,
        limit_period=LimitPeriod(limit_period) if limit_period else msgspec.UNSET,
        allowed_models=models,
        expires_at_s=expires,
    )
    if not rates and terms == KeyChanges():
        raise click.UsageError("nothing to change: give --credit-limit, say")

    def change(key: Key) -> KeyChanges:
        if key.kind is KeyKind.PROVISIONING and (rates or _limits_calls(terms)):
            raise click.ClickException(
                f"the key {key.id}, {key.name!r}, is a provisioning key and calls no models: "
                "it has no limits of calls"
            )
        if not rates:
            return terms
        return msgspec.structs.replace(terms, limits=msgspec.structs.replace(key.limits, **rates))

    _change(place, keys, is_json, change, "Changed")


def _limits_calls(terms: KeyChanges) -> bool:
    return msgspec.structs.replace(terms, expires_at_s=msgspec.UNSET) != KeyChanges()


@keys.command()
@click.argument("key", metavar="ID")
@click.option(
    "--overlap",
    metavar="SPAN",
    default="24h",
    show_default=True,
    callback=read_overlap,
    help="How long the present secret works on: 30m, 24h, 7d, or 0.",
)
@as_json
@takes_place
def rotate(key: str, overlap: int, is_json: bool, place: Place) -> None:
    """Give a key another secret and print it, once.

    It stays the same key, with what it spent and its limits. Only the secret goes to stdout.
    """
    (chosen,) = _choose(asyncio.run(_load(place)), [key])
    rotated, secret = asyncio.run(_rotate(place, chosen.key, overlap))
    if is_json:
        print_json({**view_key(msgspec.structs.replace(chosen, key=rotated)), "key": secret})
        return
    until = f"works for {overlap} s more" if overlap else "works no more"
    click.echo(
        f"The new secret of key {rotated.id}, {rotated.name!r}, shown this once; "
        f"the former one {until}:",
        err=True,
    )
    click.echo(secret)


async def _rotate(place: Place, key: Key, overlap_s: int) -> tuple[Key, str]:
    async with open_store(place) as driver:
        pepper = await open_pepper(driver, place.data, os.environ.get(SECRET_VARIABLE))
        issued = issue_key(key.kind, os.urandom(RANDOM_BYTES), pepper)
        now_s = int(time.time())
        if not await rotate_key(driver, key, issued, now_s=now_s, overlap_s=overlap_s):
            raise click.ClickException(
                f"the key {key.id} was rotated or deleted at the same time, or has {RETIRED_MAX} "
                "former secrets that still work: with --overlap 0 the present one is not kept"
            )
        rotated = await find_key(driver, key.id)
    return rotated or key, issued.secret.reveal()


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
    chosen = _choose(asyncio.run(_load(place)), given)
    # Before any is changed, since one of them may be refused.
    changes = {shown.key.id: choose(shown.key) for shown in chosen}

    async def change(driver: Driver, shown: ShownKey) -> ShownKey | None:
        key = await change_key(driver, shown.key.id, changes[shown.key.id])
        return None if key is None else msgspec.structs.replace(shown, key=key)

    changed = asyncio.run(_each(place, chosen, change))
    if is_json:
        print_json({"keys": [view_key(each) for each in changed]})
        return
    for each in changed:
        click.echo(f"{done} key {each.key.id}, {each.key.name!r}.")


@keys.command()
@some_keys
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@as_json
@takes_place
def delete(keys: tuple[str, ...], is_sure: bool, is_json: bool, place: Place) -> None:
    """Delete keys for ever. Whoever uses one is refused from then on."""

    async def remove(driver: Driver, shown: ShownKey) -> ShownKey | None:
        is_gone = await delete_key(driver, shown.key.id, now_s=int(time.time()))
        return shown if is_gone else None

    chosen = _choose(asyncio.run(_load(place)), keys)
    if not is_sure:
        _ask(chosen)
    deleted = [shown.key for shown in asyncio.run(_each(place, chosen, remove))]
    if is_json:
        print_json({"deleted": [key.id for key in deleted]})
        return
    for key in deleted:
        click.echo(f"Deleted key {key.id}, {key.name!r}.")


def _ask(chosen: Sequence[ShownKey]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: give --yes to delete without asking")
    names = ", ".join(f"{each.key.id} ({each.key.name})" for each in chosen)
    click.confirm(f"Delete {names} for ever?", abort=True, err=True)


async def _load(place: Place, account: str | None = None) -> list[ShownKey]:
    """All keys, or one account's."""
    now_ms = time.time_ns() // 1_000_000
    async with open_store(place) as driver:
        accounts = await load_accounts(driver)
        if account is not None:
            accounts = [await find_payer(driver, account)]
        shown = []
        for each in accounts:
            spent = await load_spending(driver, each.id, now_ms=now_ms)
            shown += [
                ShownKey(key, each.name, spent.get(key.id, NOTHING_SPENT))
                for key in await load_keys(driver, account_id=each.id)
            ]
    return sorted(shown, key=lambda each: each.key.id)


async def _each(
    place: Place,
    chosen: Sequence[ShownKey],
    change: Callable[[Driver, ShownKey], Awaitable[ShownKey | None]],
) -> list[ShownKey]:
    """What the change gave for each key that was still there."""
    async with open_store(place) as driver:
        changed = [await change(driver, shown) for shown in chosen]
    return [shown for shown in changed if shown is not None]


def _choose(found: Sequence[ShownKey], given: Sequence[str]) -> list[ShownKey]:
    """The keys that are meant by ids or names, each once; none is changed if one is unknown."""
    chosen = [_choose_one(found, text) for text in given]
    return list({shown.key.id: shown for shown in chosen}.values())


def _choose_one(found: Sequence[ShownKey], text: str) -> ShownKey:
    by_id = [shown for shown in found if str(shown.key.id) == text]
    named = by_id or [shown for shown in found if shown.key.name == text]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(str(shown.key.id) for shown in named)
        raise click.ClickException(f"{len(named)} keys are called {text!r}: give an id ({ids})")
    raise click.ClickException(f"there is no key {text!r}: 'nagara keys list' shows them all")
