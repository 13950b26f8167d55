"""What tests of more than one folder share: the PostgreSQL of this session."""

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started by the first test that wants one."""
    with postgres.started() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of an empty database, or what is as good, of the test's own."""
    return postgres_server.make_schema()
