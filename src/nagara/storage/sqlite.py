"""The driver for SQLite: one file, one writer, a few readers, any number of processes.

WAL mode: readers never wait for the writer, nor it for them. Other processes may use the same file
(the command line does while the gateway runs); their commits are noticed by polling SQLite's own
change counter.

When the file cannot be used (read-only, full disk, damaged, removed, written by a newer version),
`open` and every verb raise `StorageError` with what to do. Once a full disk was freed or a removed
file put back, the same driver works on: nothing needs reopening.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from nagara.storage.driver import Result, Row, Statement, StorageError, Value
from nagara.storage.migrations import (
    READ_VERSION,
    RECORD_VERSION,
    VERSION_TABLE,
    Migration,
    load_migrations,
)
from nagara.storage.sqlite_connection import (
    check_identity,
    connect,
    execute,
    identify,
    open_connection,
    tell,
)
from nagara.storage.sqlite_writer import SqliteWriter

READERS_MAX = 2
READS_WAITING_MAX = 1000
# Inside the 250 ms that `watch` promises; a poll takes some 50 µs of the machine.
POLL_S = 0.2

_OWN_WORDS = {
    "GENERATED_ID": "INTEGER PRIMARY KEY AUTOINCREMENT",
    # What remembers the numbers of deleted rows is one more page that each commit writes.
    "GROWING_ID": "INTEGER PRIMARY KEY",
    "IN_KEY_ORDER": "WITHOUT ROWID",
}


class SqliteDriver:
    """A `Driver` over one SQLite file. Made by `open`; must be closed."""

    def __init__(self, connection: apsw.Connection, path: Path, poll_s: float = POLL_S) -> None:
        self._poll_s = poll_s
        self._writer = SqliteWriter(connection, path)
        self._path = path
        self._identity = identify(path)
        self._readers = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="nagara-reader")
        self._own = threading.local()
        self._connections: list[apsw.Connection] = []
        self._reads_waiting = 0
        self._closed = asyncio.Event()

    @classmethod
    async def open(cls, path: Path, poll_s: float = POLL_S) -> "SqliteDriver":
        """Open or make the file and bring its schema up to date. Raises `StorageError`."""
        return cls(await asyncio.to_thread(_open_migrated, path), path, poll_s)

    @staticmethod
    async def examine(path: Path) -> int:
        """The version of the file's schema, which can be written. Nothing is changed.

        Raises `StorageError`.
        """
        return await asyncio.to_thread(_examine, path)

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """As `Driver.query`; `StorageError` at once when too many wait already."""
        if self._closed.is_set():
            raise StorageError(f"the database {self._path} was closed")
        if self._reads_waiting >= READS_WAITING_MAX:
            raise StorageError(f"{self._reads_waiting} reads wait for the database {self._path}")
        self._reads_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, self._read, sql, params)
        finally:
            self._reads_waiting -= 1

    def commit(
        self,
        statements: Sequence[Statement],
        *,
        group: int = 0,  # noqa: ARG002
        is_flushed: bool = True,
    ) -> Awaitable[list[Result]]:
        """As `Driver.commit`; with a single writer, the order of groups does not matter."""
        return self._writer.commit(statements, is_flushed)

    async def watch(self) -> AsyncIterator[None]:
        """As `Driver.watch`."""
        loop = asyncio.get_running_loop()
        # One thread opens, reads and closes: a watch may be cancelled while it reads, and closing
        # a connection under a thread that uses it crashes the process.
        thread = ThreadPoolExecutor(1, thread_name_prefix="nagara-watch")
        opened: list[apsw.Connection] = []
        try:
            seen: int | None = None
            while not self._closed.is_set():
                # Counts what other connections committed, and this one never commits.
                version = await loop.run_in_executor(thread, self._read_version, opened)
                if version != seen:
                    seen = version
                    yield
                await self._pause()
        finally:
            thread.submit(_close_all, opened)
            thread.shutdown(wait=False)

    async def close(self) -> None:
        """As `Driver.close`."""
        self._closed.set()
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        _close_all(self._connections)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._closed.wait()
        except TimeoutError:
            return

    def _read(self, sql: str, params: Sequence[Value]) -> list[Row]:
        try:
            return execute(self._reader(), sql, params).fetchall()
        except apsw.Error as error:
            raise tell(error, self._path) from error

    def _reader(self) -> apsw.Connection:
        """This thread's own connection, which cannot write."""
        connection: apsw.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = open_connection(self._path)
            # A write that slipped into a query would escape the writer's queue; let it fail.
            connection.execute("PRAGMA query_only=ON")
            self._own.connection = connection
            self._connections.append(connection)
        return connection

    def _read_version(self, opened: list[apsw.Connection]) -> int:
        check_identity(self._identity)
        if not opened:
            opened.append(open_connection(self._path))
        try:
            return int(opened[0].execute("PRAGMA data_version").get)
        except apsw.Error as error:
            raise tell(error, self._path) from error


def _close_all(connections: list[apsw.Connection]) -> None:
    while connections:
        connections.pop().close()


def _open_migrated(path: Path) -> apsw.Connection:
    connection = open_connection(path, can_make=True)
    with contextlib.ExitStack() as undo:
        # Closing it also rolls back a migration that failed half-way.
        undo.callback(connection.close)
        try:
            migrate(connection, path)
        except apsw.Error as error:
            raise tell(error, path) from error
        undo.pop_all()
    return connection


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Apply what is missing, in one transaction: a second process waits and finds it done."""
    # The lock is for writing from the start, or two starts could both find the file empty.
    connection.execute("BEGIN IMMEDIATE")
    version = _read_schema_version(connection, path)
    for migration in load_migrations()[version:]:
        _apply(connection, migration)
    connection.execute("COMMIT")


def _examine(path: Path) -> int:
    with contextlib.closing(connect(path)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            version = _read_schema_version(connection, path)
            connection.execute("ROLLBACK")
        except apsw.Error as error:
            raise tell(error, path) from error
    return version


def _read_schema_version(connection: apsw.Connection, path: Path) -> int:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if tables and "schema_versions" not in tables:
        raise StorageError(
            f"the database {path} belongs to another program: choose another folder with --data"
        )
    connection.execute(VERSION_TABLE)
    version = connection.execute(READ_VERSION).get or 0
    known = len(load_migrations())
    if version > known:
        raise StorageError(
            f"the database {path} was written by a newer nagara (its schema is version {version}, "
            f"this one knows {known}): upgrade nagara, or choose another folder with --data"
        )
    return int(version)


def _apply(connection: apsw.Connection, migration: Migration) -> None:
    for statement in migration.statements:
        for word, own in _OWN_WORDS.items():
            statement = statement.replace(word, own)
        connection.execute(statement)
    execute(connection, RECORD_VERSION, (migration.version, migration.name, int(time.time())))
