"""Which database it is, and opening it: the one place that knows which drivers there are.

An address means PostgreSQL; without one it is the SQLite file in the data folder. PostgreSQL's
driver is only imported when it is used: it takes 0.2 s, and may not be installed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.data_folder import database_path, prepare_data_folder
from nagara.storage.driver import Driver, StorageError
from nagara.storage.sqlite import SqliteDriver

if TYPE_CHECKING:
    from nagara.storage.postgres import PostgresDriver


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is kept. `poll_s`: how often SQLite is asked for others' changes."""

    folder: Path
    url: Secret | None = None
    poll_s: float = 0.2
    bounds: PostgresBounds = PostgresBounds()

    @property
    def is_begun(self) -> bool:
        """Whether it may be opened without making it: a server's is there, or it says so."""
        return self.url is not None or database_path(self.folder).exists()


async def open_driver(database: Database, *, can_make: bool = True) -> Driver:
    """Open the database, made if `can_make` and it is not there; its schema is brought up to date.

    Raises `StorageError`. Whoever opens it closes it.
    """
    if database.url is None:
        if can_make:
            prepare_data_folder(database.folder)
        return await SqliteDriver.open(database_path(database.folder), database.poll_s)
    return await _import_postgres().open(database.url, database.bounds, can_make=can_make)


async def examine_schema(database: Database) -> int:
    """The version of the schema of a database that is there and can be written; changes nothing.

    Raises `StorageError`: also for one that is newer than this program, or another's.
    """
    if database.url is None:
        return await SqliteDriver.examine(database_path(database.folder))
    return await _import_postgres().examine(database.url, database.bounds)


def _import_postgres() -> "type[PostgresDriver]":
    try:
        from nagara.storage.postgres import PostgresDriver
    except ImportError as error:
        raise StorageError(
            f"the driver for PostgreSQL cannot be used ({error}): "
            "pip install 'nagara[postgres]', or leave database_url empty for SQLite"
        ) from error
    return PostgresDriver
