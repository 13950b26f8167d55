"""The one thread that writes to an SQLite file, many callers' commits at a time.

How it works. SQLite has one writer and a commit costs a wait for the disk, so callers queue. The
thread takes all that wait, up to a limit, opens one transaction, runs each caller's statements,
and commits once. A caller whose first statement fails has changed nothing, and the others do not
notice. One that fails later makes the whole group run again, each caller in a savepoint of their
own that can be rolled back alone: failing is rare, and savepoints cost a fifth of everything.
Results are handed back to the event loop only after the commit, so whoever has a result has it on
the disk, unless nobody in the group asked for that. If the transaction itself fails, everyone in it
is told so and nothing was changed.

Invariant: every commit that was accepted is answered exactly once, also when the thread ends.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from nagara.storage.driver import ExpectationError, Result, Statement, StorageError
from nagara.storage.sqlite_connection import (
    FileIdentity,
    check_identity,
    identify,
    number_placeholders,
    tell,
)

GROUP_MAX = 256
QUEUE_MAX = 10_000

# In WAL mode, NORMAL leaves out the flush at the commit and nothing else.
_FLUSHED, _UNFLUSHED = "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"

# What nearly every statement comes to, made once. Nobody changes the rows of a result.
_DONE = {touched: Result([], touched) for touched in (0, 1)}


class Batch:
    """One caller's statements, and what became of them."""

    __slots__ = ("error", "future", "has_changed", "is_flushed", "results", "statements")

    def __init__(
        self,
        statements: Sequence[Statement],
        future: "asyncio.Future[list[Result]] | None" = None,
        *,
        is_flushed: bool = True,
    ) -> None:
        self.statements = statements
        self.is_flushed = is_flushed
        self.future = future
        self.results: list[Result] = []
        self.error: Exception | None = None
        self.has_changed = False

    def begin(self) -> None:
        """Forget an earlier run, which was rolled back."""
        self.results = []
        self.error = None
        self.has_changed = False

    def fail(self, error: Exception) -> None:
        """Note what ended the run. SQLite undoes the statement that fails, not those before it."""
        self.error = error
        self.has_changed = bool(self.results)

    def deliver(self) -> None:
        """Answer the caller, unless it has left. On the loop's thread."""
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.results)


class SqliteWriter:
    """Takes batches on the loop's thread, commits them on its own. It closes the connection."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, *, queue_max: int = QUEUE_MAX
    ) -> None:
        self._connection = connection
        self._path = path
        self._identity = identify(path)
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        # Counted on the loop's thread alone, at both ends: no lock is needed.
        self._waiting = 0
        self._queue_max = queue_max
        self._is_closing = False
        self._ended = self._loop.create_future()
        # A daemon, because a program that dies without closing must not hang; the file stands it.
        self._thread = threading.Thread(target=self._run, name="nagara-writer", daemon=True)
        self._thread.start()

    def commit(
        self, statements: Sequence[Statement], *, is_flushed: bool = True
    ) -> "asyncio.Future[list[Result]]":
        """As `Driver.commit`; `StorageError` at once when too many wait already."""
        if self._is_closing:
            raise StorageError(f"the database {self._path} was closed")
        if self._waiting >= self._queue_max:
            raise StorageError(
                f"{self._waiting} commits wait for the database {self._path}: the disk is too slow"
            )
        future: asyncio.Future[list[Result]] = self._loop.create_future()
        batch = Batch(statements, future, is_flushed=is_flushed)
        self._waiting += 1
        self._queue.put(batch)
        return future

    async def close(self) -> None:
        """Commit what waits, then end the thread and close the connection."""
        if not self._is_closing:
            self._is_closing = True
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _run(self) -> None:
        try:
            while group := self._next_group():
                commit_group(self._connection, self._path, self._identity, group)
                self._call_loop(self._deliver, group)
        finally:
            self._connection.close()
            self._call_loop(self._end)

    def _next_group(self) -> list[Batch]:
        """Wait for a batch, and take those behind it along; empty when it is time to end."""
        group: list[Batch] = []
        batch = self._queue.get()
        while batch is not None:
            group.append(batch)
            if len(group) == GROUP_MAX or self._queue.empty():
                return group
            batch = self._queue.get()
        # The sign to end came behind some last batches: they go first, and it is put back.
        if group:
            self._queue.put(None)
        return group

    def _deliver(self, group: list[Batch]) -> None:
        self._waiting -= len(group)
        for batch in group:
            batch.deliver()

    def _end(self) -> None:
        self._is_closing = True
        while not self._queue.empty():
            if (batch := self._queue.get()) is not None:
                batch.error = StorageError(f"the database {self._path} was closed")
                batch.deliver()
        if not self._ended.done():
            self._ended.set_result(None)

    def _call_loop(self, call: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            # The loop was closed under us: nobody is left to be answered.
            return


def commit_group(
    connection: sqlite3.Connection,
    path: Path,
    identity: FileIdentity,
    group: Sequence[Batch],
    *,
    flushes: bool = True,
) -> None:
    """Run every batch and commit once; what became of each is in it.

    Without `flushes` it does not wait for the disk: that is then its caller's to do.
    """
    is_flushed = flushes and any(batch.is_flushed for batch in group)
    try:
        check_identity(path, identity)
        connection.execute(_FLUSHED if is_flushed else _UNFLUSHED)
        # Taking the write lock at once: a lock that was upgraded later could fail half-way.
        connection.execute("BEGIN IMMEDIATE")
        if not _run_lightly(connection, path, group):
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            _run_carefully(connection, path, group)
        connection.execute("COMMIT")
    except (sqlite3.Error, StorageError) as error:
        # There may be nothing left to roll back: SQLite does it itself when the disk is full.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        for batch in group:
            batch.error = batch.error or _tell(error, path)


def _run_lightly(connection: sqlite3.Connection, path: Path, group: Sequence[Batch]) -> bool:
    """Run all without a savepoint; False when one failed after it had changed something."""
    # One cursor for all, which need not be made for each statement.
    cursor = connection.cursor()
    for batch in group:
        _run_batch(cursor, path, batch)
        if batch.error is not None and batch.has_changed:
            return False
    return True


def _run_carefully(connection: sqlite3.Connection, path: Path, group: Sequence[Batch]) -> None:
    """Run each in a savepoint of its own."""
    cursor = connection.cursor()
    for batch in group:
        connection.execute("SAVEPOINT batch")
        _run_batch(cursor, path, batch)
        if batch.error is not None:
            connection.execute("ROLLBACK TO batch")
        connection.execute("RELEASE batch")


def _run_batch(cursor: sqlite3.Cursor, path: Path, batch: Batch) -> None:
    """Run the statements of one caller up to the first that fails."""
    batch.begin()
    results = batch.results
    try:
        for statement in batch.statements:
            cursor.execute(number_placeholders(statement.sql), statement.params)
            result = _read_result(cursor)
            expected, touched = statement.rows_expected, result.rows_touched
            if expected is not None and touched != expected:
                # A statement that touched nothing left nothing to take back.
                batch.has_changed = bool(results) or touched != 0
                batch.error = ExpectationError(len(results), expected, touched)
                return
            results.append(result)
    except sqlite3.Error as error:
        batch.fail(tell(error, path, len(results)))
        # A full disk may have ended the whole transaction, and everyone's part of it.
        if not cursor.connection.in_transaction:
            raise
    except (OverflowError, ValueError, TypeError) as error:
        # Also what Python cannot bind: the caller's mistake must not end everyone's thread.
        batch.fail(error)


def _read_result(cursor: sqlite3.Cursor) -> Result:
    """What the statement did that the cursor has just run."""
    if cursor.description is None:
        return _DONE.get(cursor.rowcount) or Result([], cursor.rowcount)
    rows = cursor.fetchall()
    return Result(rows, len(rows))


def _tell(error: sqlite3.Error | StorageError, path: Path) -> StorageError:
    return error if isinstance(error, StorageError) else tell(error, path)
