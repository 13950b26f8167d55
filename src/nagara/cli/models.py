"""`nagara models`: look at the catalogue, and build it anew from the price data.

Shows the stored catalogue, or the shipped one where that is newer or nothing is stored yet, with
what the configuration file says of models: the prices are what callers pay. Only `sync` writes,
only `sync` loads genai-prices, and only `sync --update` reaches the network.
"""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from nagara.catalogue.build import OPERATIONS
from nagara.catalogue.changes import compare
from nagara.catalogue.shipped import pick_newer
from nagara.cli.model_views import (
    COLUMNS,
    OFFER_COLUMNS,
    changes_in_words,
    model_facts,
    model_row,
    offer_rows,
    view_changes,
    view_model,
)
from nagara.cli.options import Place, as_json, takes_place
from nagara.cli.printing import print_facts, print_json, print_table
from nagara.cli.store import open_store
from nagara.config.load import load_config
from nagara.domain.catalog import Catalogue, Model
from nagara.domain.configuration import ConfigError
from nagara.routing.lookup import nearest_ids
from nagara.routing.table import merge_models
from nagara.storage.catalogue import load_catalogue, save_catalogue

CHOICES = list(
    dict.fromkeys(operation.value for known in OPERATIONS.values() for operation in known)
)


@click.group(no_args_is_help=True)
def models() -> None:
    """List, show and update the catalogue of models."""


@models.command("list")
@click.option("--startup", help="Only models made by this startup, such as anthropic.")
@click.option("--search", metavar="TEXT", help="Only models with this in an id, alias or name.")
@click.option(
    "--operation",
    metavar="NAME",
    type=click.Choice(CHOICES),
    help=f"Only models for this: {', '.join(CHOICES)}.",
)
@as_json
@takes_place
def list_models(
    startup: str | None, search: str | None, operation: str | None, is_json: bool, place: Place
) -> None:
    """List the known models with what callers pay for them."""
    catalogue = _configure(asyncio.run(_load(place)), place)
    if startup is not None and startup not in {known.id for known in catalogue.startups}:
        near = nearest_ids(startup, [known.id for known in catalogue.startups])
        raise click.ClickException(f"there is no startup {startup!r}{_advise(near)}")
    found = list(_select(catalogue, startup, search, operation))
    now_s = _now_s()
    if is_json:
        views = [view_model(model, now_s) for model in found]
        print_json({"source": catalogue.source, "models": views})
    elif found:
        print_table(COLUMNS, [model_row(model, now_s) for model in found])
    else:
        click.echo("No model is like that.", err=True)


@models.command()
@click.argument("model_id", metavar="ID")
@as_json
@takes_place
def show(model_id: str, is_json: bool, place: Place) -> None:
    """Show one model: its facts, prices and who offers it.

    ID may be an alias.
    """
    model = _find(_configure(asyncio.run(_load(place)), place), model_id)
    if is_json:
        print_json(view_model(model, _now_s()))
        return
    print_facts(model_facts(model, _now_s()))
    if model.offers:
        click.echo()
        print_table(OFFER_COLUMNS, offer_rows(model, _now_s()))


@models.command()
@click.option("--update", "has_newest", is_flag=True, help="Fetch the newest prices first.")
@as_json
@takes_place
def sync(has_newest: bool, is_json: bool, place: Place) -> None:
    """Build the catalogue anew from genai-prices and say what changed.

    Needs the extra: pip install 'nagara[catalogue]'.
    """
    from nagara.catalogue.sync import PricesUnavailableError, make_catalogue

    try:
        catalogue = make_catalogue(datetime.now(UTC).date(), has_newest=has_newest)
    except PricesUnavailableError as error:
        raise click.ClickException(str(error)) from error
    before = asyncio.run(_load(place))
    if before.built_at_s > catalogue.built_at_s:
        raise click.ClickException("a newer catalogue is there already: this machine's day is old")
    asyncio.run(_save(place, catalogue))
    changes = compare(before, catalogue)
    if is_json:
        print_json(view_changes(catalogue, changes))
        return
    for line in changes_in_words(changes):
        click.echo(line)
    click.echo(
        f"{len(catalogue.models)} models from {catalogue.source}: {len(changes.added)} added, "
        f"{len(changes.removed)} removed, {len(changes.repriced)} re-priced."
    )


async def _load(place: Place) -> Catalogue:
    if not place.database.is_begun:
        return pick_newer(None)
    async with open_store(place) as driver:
        return pick_newer(await load_catalogue(driver))


def _configure(catalogue: Catalogue, place: Place) -> Catalogue:
    """The catalogue with the models, prices and markups of the configuration file."""
    problems: list[str] = []
    try:
        declared = load_config(place.config, os.environ).declared
        models = merge_models(declared, catalogue, problems)
    except ConfigError as error:
        problems = list(error.problems)
    if problems:
        raise click.ClickException(f"{problems[0]} ('nagara config check' has all that is wrong)")
    own = sorted(models.values(), key=lambda model: model.id)
    return msgspec.structs.replace(catalogue, models=tuple(own))


async def _save(place: Place, catalogue: Catalogue) -> None:
    async with open_store(place, can_make=True) as driver:
        if not await save_catalogue(driver, catalogue):
            raise click.ClickException("a newer catalogue was stored meanwhile")


def _select(
    catalogue: Catalogue, startup: str | None, search: str | None, operation: str | None
) -> Iterator[Model]:
    wanted = (search or "").casefold()
    for model in catalogue.models:
        names = (model.id, model.display_name, *model.aliases)
        if (
            startup in (None, model.startup)
            and (operation is None or operation in model.operations)
            and any(wanted in name.casefold() for name in names)
        ):
            yield model


def _find(catalogue: Catalogue, model_id: str) -> Model:
    for model in catalogue.models:
        if model_id == model.id or model_id in model.aliases:
            return model
    near = nearest_ids(model_id, [model.id for model in catalogue.models])
    raise click.ClickException(f"there is no model {model_id!r}{_advise(near)}")


def _advise(near: list[str]) -> str:
    return f": did you mean {' or '.join(near)}?" if near else ""


def _now_s() -> float:
    """The moment whose prices are shown."""
    return datetime.now(UTC).timestamp()
