"""The store as commands use it: opened for one piece of work, beside a gateway that may be running.

Invariant: only a command that is meant to makes a database; the others say how to begin.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from nagara.cli.options import Place
from nagara.storage.data_folder import database_path, prepare_data_folder
from nagara.storage.driver import Driver
from nagara.storage.sqlite import SqliteDriver


@asynccontextmanager
async def open_store(place: Place, *, can_make: bool = False) -> AsyncIterator[Driver]:
    """The store in the data folder, closed afterwards; `can_make` also makes folder and file.

    Raises `StorageError`, or `click.ClickException` when there is none and it may not be made.
    """
    if can_make:
        prepare_data_folder(place.data)
    elif not database_path(place.data).exists():
        raise click.ClickException(
            f"there is no database in {place.data} yet: 'nagara serve' or 'nagara keys create "
            "NAME' makes it, or name another folder with --data"
        )
    driver = await SqliteDriver.open(database_path(place.data))
    try:
        yield driver
    finally:
        await driver.close()
