"""The drivers under test. Another database is one more entry in `DATABASES`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from nagara.storage.driver import Driver, Statement
from nagara.storage.sqlite import SqliteDriver

Opener = Callable[[], Awaitable[Driver]]


def sqlite_database(folder: Path) -> Iterator[Opener]:
    """An empty database that lasts for one test: each call opens one more driver on it."""
    yield lambda: SqliteDriver.open(folder / "nagara.db")


DATABASES: dict[str, Callable[[Path], Iterator[Opener]]] = {"sqlite": sqlite_database}


@pytest.fixture(params=list(DATABASES))
def open_driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    yield from DATABASES[request.param](tmp_path)


@pytest.fixture
async def driver(open_driver: Opener) -> AsyncIterator[Driver]:
    driver = await open_driver()
    yield driver
    await driver.close()


@pytest.fixture
async def notes(driver: Driver) -> Driver:
    """A driver whose database has a table to play with, unique by number."""
    await driver.commit([Statement("CREATE TABLE notes (number BIGINT PRIMARY KEY, text TEXT)")])
    return driver
