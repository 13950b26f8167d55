"""Many callers' commits as one transaction, each with an outcome of its own.

A caller whose first statement fails has changed nothing, and the others do not notice. One that
fails later makes the whole group run again, each caller in a savepoint of their own that can be
rolled back alone: failing is rare, and savepoints cost a fifth of everything. If the transaction
itself fails, everyone in it is told so and nothing was changed.

Invariant: after `commit_group` each batch has its results or its error, or the lock was another's
and nothing was tried.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import apsw

from nagara.storage.driver import ExpectationError, Result, Statement, StorageError
from nagara.storage.sqlite_connection import (
    FileIdentity,
    check_identity,
    is_locked,
    number_placeholders,
    tell,
)

_BEGIN = "BEGIN IMMEDIATE"
_ONE_ROW = Result([], 1)
"""What nearly every statement comes to. Nobody changes the rows of a result."""


class Batch:
    """One caller's statements, and what became of them. `future` is its writer's to answer."""

    __slots__ = ("error", "future", "has_changed", "is_flushed", "results", "statements")

    def __init__(
        self,
        statements: Sequence[Statement],
        future: "asyncio.Future[list[Result]]",
        is_flushed: bool,
    ) -> None:
        self.statements = statements
        self.is_flushed = is_flushed
        self.future = future
        self.results: list[Result] = []
        self.error: Exception | None = None
        self.has_changed = False

    def forget(self) -> None:
        """Forget a run that was rolled back."""
        self.results = []
        self.error = None
        self.has_changed = False

    def fail(self, error: Exception) -> None:
        """Note what ended the run. SQLite undoes the statement that fails, not those before it."""
        self.error = error
        self.has_changed = bool(self.results)


def commit_group(
    connection: apsw.Connection, path: Path, identity: FileIdentity, group: Sequence[Batch]
) -> bool:
    """Run every batch and commit once; what became of each is in it.

    False when another program has the lock for writing, for as long as the connection waits for
    it: then nothing became of any, and they can be run again.
    """
    try:
        check_identity(identity)
        # One cursor for all, which need not be made for each statement.
        cursor = connection.cursor()
        # Taking the write lock at once: a lock that was upgraded later could fail half-way.
        cursor.execute(_BEGIN)
        for batch in group:
            _run_batch(cursor, path, batch)
            if batch.error is not None and batch.has_changed:
                cursor.execute("ROLLBACK")
                cursor.execute(_BEGIN)
                _run_carefully(cursor, path, group)
                break
        cursor.execute("COMMIT")
    except (apsw.Error, StorageError) as error:
        if is_locked(error) and not connection.in_transaction:
            return False
        # There may be nothing left to roll back: SQLite does it itself when the disk is full.
        with contextlib.suppress(apsw.Error):
            connection.execute("ROLLBACK")
        for batch in group:
            batch.error = batch.error or _tell(error, path)
    return True


def _run_carefully(cursor: apsw.Cursor, path: Path, group: Sequence[Batch]) -> None:
    """Run each in a savepoint of its own."""
    for batch in group:
        cursor.execute("SAVEPOINT batch")
        _run_batch(cursor, path, batch)
        if batch.error is not None:
            cursor.execute("ROLLBACK TO batch")
        cursor.execute("RELEASE batch")


def _run_batch(cursor: apsw.Cursor, path: Path, batch: Batch) -> None:
    """Run the statements of one caller up to the first that fails."""
    if batch.results or batch.error is not None:
        batch.forget()
    results, execute, count_changes = batch.results, cursor.execute, cursor.connection.changes
    try:
        for statement in batch.statements:
            rows = execute(number_placeholders(statement.sql), statement.params).fetchall()
            if rows:
                touched = len(rows)
                results.append(Result(rows, touched))
            else:
                touched = count_changes()
                results.append(_ONE_ROW if touched == 1 else Result([], touched))
            expected = statement.rows_expected
            if expected is not None and touched != expected:
                results.pop()
                # A statement that touched nothing left nothing to take back.
                batch.has_changed = bool(results) or touched != 0
                batch.error = ExpectationError(len(results), expected, touched)
                return
    except apsw.Error as error:
        batch.fail(tell(error, path, len(results)))
        # A full disk may have ended the whole transaction, and everyone's part of it.
        if not cursor.connection.in_transaction:
            raise
    except (OverflowError, ValueError, TypeError) as error:
        # Also what Python cannot bind: the caller's mistake must not be everyone's.
        batch.fail(error)


def _tell(error: apsw.Error | StorageError, path: Path) -> StorageError:
    return error if isinstance(error, StorageError) else tell(error, path)
