"""The driver for PostgreSQL: one writer connection with group commit, a few readers, a listener.

Any number of processes on any number of machines may share a database. Their changes of keys and of
the catalogue are announced by the server (LISTEN and NOTIFY) and arrive in milliseconds; a look at
the revisions every second finds out that the server is still there, and what an announcement that
got lost was about.

When the server is down, every verb raises `StorageError` at once, and the next one that is called
when it is back works: nothing needs reopening. A commit whose connection is lost before its answer
came may have been done, and its error says so.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.driver import Result, Row, Statement, StorageError, Value
from nagara.storage.postgres_connection import PostgresConnection, encode_query
from nagara.storage.postgres_dialler import PostgresDialler
from nagara.storage.postgres_errors import ServerError, tell
from nagara.storage.postgres_schema import CHANNEL, examine_schema, prepare_schema
from nagara.storage.postgres_writer import PostgresWriter

HEARTBEAT_S = 1.0

_BOUNDS = PostgresBounds()
_REVISIONS = "SELECT SUM(number) FROM revisions"


class PostgresDriver:
    """A `Driver` over one PostgreSQL database. Made by `open`; must be closed."""

    def __init__(self, dialler: PostgresDialler) -> None:
        self._dialler = dialler
        self._writer = PostgresWriter(dialler)
        self._idle: list[PostgresConnection] = []
        self._reading = asyncio.Semaphore(dialler.bounds.readers_max)
        self._reads = 0
        self._closed = asyncio.Event()

    @classmethod
    async def open(
        cls, url: Secret, bounds: PostgresBounds = _BOUNDS, *, can_make: bool = True
    ) -> "PostgresDriver":
        """Bring the database's schema up to date, and open it. Raises `StorageError`.

        An empty database is an error unless `can_make`.
        """
        dialler = PostgresDialler(url, bounds)
        connection = await dialler.dial()
        try:
            await prepare_schema(connection, dialler.where, can_make=can_make)
        finally:
            # What was not committed is undone with it.
            connection.close()
        return cls(dialler)

    @staticmethod
    async def examine(url: Secret, bounds: PostgresBounds = _BOUNDS) -> int:
        """The version of the database's schema, changing nothing. Raises `StorageError`."""
        dialler = PostgresDialler(url, bounds)
        connection = await dialler.dial()
        try:
            return await examine_schema(connection, dialler.where)
        finally:
            connection.close()

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """As `Driver.query`; `StorageError` at once when too many wait already."""
        where = self._dialler.where
        if self._closed.is_set():
            raise StorageError(f"the database {where} was closed")
        if self._reads >= self._dialler.bounds.reads_waiting_max:
            raise StorageError(f"{self._reads} reads wait for the database {where}")
        query = encode_query(sql, params)
        self._reads += 1
        try:
            async with self._reader() as connection:
                outcome = (await connection.run([query]))[0]
        finally:
            self._reads -= 1
        if isinstance(outcome, ServerError):
            raise tell(outcome, where)
        assert outcome is not None
        return outcome.rows

    async def commit(
        self,
        statements: Sequence[Statement],
        *,
        group: int = 0,
        is_flushed: bool = True,  # noqa: ARG002
    ) -> list[Result]:
        """As `Driver.commit`. The server may die alone, so that everything waits for its disk."""
        return await self._writer.commit(statements, group)

    async def watch(self) -> AsyncIterator[None]:
        """As `Driver.watch`."""
        connection = await self._dialler.dial(can_write=False)
        try:
            await connection.run([encode_query(f"LISTEN {CHANNEL}")])
            seen: object = None
            while not self._closed.is_set():
                revisions = await self._read_revisions(connection)
                if revisions != seen:
                    seen = revisions
                    yield
                await self._wait_for_change(connection)
        finally:
            connection.close()

    async def close(self) -> None:
        """As `Driver.close`."""
        self._closed.set()
        await self._writer.close()
        # Whoever reads now gives its connection back closed.
        for connection in self._idle:
            connection.close()

    @contextlib.asynccontextmanager
    async def _reader(self) -> AsyncIterator[PostgresConnection]:
        """A connection that only reads, given back afterwards."""
        async with self._reading:
            connection = self._idle.pop() if self._idle else None
            if connection is None or not connection.is_open:
                connection = await self._dialler.dial(can_write=False)
            try:
                yield connection
            finally:
                if self._closed.is_set():
                    connection.close()
                elif connection.is_open:
                    self._idle.append(connection)

    async def _read_revisions(self, connection: PostgresConnection) -> object:
        outcome = (await connection.run([encode_query(_REVISIONS)]))[0]
        if isinstance(outcome, ServerError):
            raise tell(outcome, self._dialler.where)
        assert outcome is not None
        return outcome.rows[0][0]

    async def _wait_for_change(self, connection: PostgresConnection) -> None:
        """Return when something was announced, when it is time to look, or at the end."""
        notice = asyncio.ensure_future(connection.wait_for_notice(HEARTBEAT_S))
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({notice, closed}, return_when=asyncio.FIRST_COMPLETED)
            if notice.done():
                notice.result()
        finally:
            for task in (notice, closed):
                task.cancel()
            await asyncio.gather(notice, closed, return_exceptions=True)
