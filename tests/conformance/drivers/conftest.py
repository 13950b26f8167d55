"""The drivers under test. Another database is one more entry in `DATABASES`."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from nagara.domain.catalog import Secret
from nagara.storage.driver import Driver, Statement
from nagara.storage.postgres import PostgresDriver
from nagara.storage.sqlite import SqliteDriver

Opener = Callable[[], Awaitable[Driver]]


def sqlite_database(request: pytest.FixtureRequest) -> Opener:
    """An empty database that lasts for one test: each call opens one more driver on it."""
    path = request.getfixturevalue("tmp_path") / "nagara.db"
    return lambda: SqliteDriver.open(path)


def postgres_database(request: pytest.FixtureRequest) -> Opener:
    """As `sqlite_database`, on a real server."""
    url = Secret(request.getfixturevalue("postgres_url"))
    return lambda: PostgresDriver.open(url)


DATABASES: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {
    "sqlite": sqlite_database,
    "postgres": postgres_database,
}


@pytest.fixture(params=list(DATABASES))
def open_driver(request: pytest.FixtureRequest) -> Opener:
    return DATABASES[request.param](request)


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
