"""The store as commands use it: opened for one piece of work, beside a gateway that may be running.

Invariant: only a command that is meant to makes a database; the others say how to begin.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from nagara.cli.options import Place
from nagara.storage.database import open_driver
from nagara.storage.driver import Driver


@asynccontextmanager
async def open_store(place: Place, *, can_make: bool = False) -> AsyncIterator[Driver]:
    """The store of the configuration, closed afterwards; `can_make` also makes folder and tables.

    Raises `StorageError`, or `click.ClickException` when there is none and it may not be made.
    """
    if not can_make and not place.database.is_begun:
        raise click.ClickException(
            f"there is no database in {place.data} yet: 'nagara serve' or 'nagara keys create "
            "NAME' makes it, or name another folder with --data"
        )
    driver = await open_driver(place.database, can_make=can_make)
    try:
        yield driver
    finally:
        await driver.close()
