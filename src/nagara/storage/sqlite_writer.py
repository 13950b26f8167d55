"""Writes to an SQLite file from the event loop's own thread, and never waits there.

Why. What a call's money needs is some 50 µs of SQL by keys whose pages are in memory. A thread
beside a busy loop waits for the interpreter's lock at each statement, for milliseconds; a process
beside it costs two messages and two changes of process a commit, more than the statements do.

How. The first commit that is asked for in a turn of the loop is made at once; those that follow it
are one transaction, in the next turn. What may take long is done elsewhere:

    the disk                   a commit does not wait for it; a `KernelFlusher`, or elsewhere than
                               on Linux a `Flusher`, flushes the log behind it, and whoever is to
                               wait for the disk is answered then
    the lock, when another     it is tried again in a moment, with what has come meanwhile, until
    program has it             BUSY_TIMEOUT_S is over
    the log's way into file    a `Checkpointer` makes it, beside the writer
    statements that say so     (`is_long`) run in a thread, over a connection of their own

Invariant: every commit that was accepted is answered exactly once, and not before it is where it
was asked to be.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from pathlib import Path

import apsw

from nagara.storage import sqlite_connection
from nagara.storage.driver import Result, Statement, StorageError
from nagara.storage.sqlite_checkpointer import Checkpointer
from nagara.storage.sqlite_connection import identify, leave_flushing, open_connection, tell_locked
from nagara.storage.sqlite_flusher import Flusher
from nagara.storage.sqlite_groups import Batch, commit_group
from nagara.storage.sqlite_kernel_flusher import KernelFlusher

GROUP_MAX = 64
"""So many commits are made before others have their turn of the loop."""
QUEUE_MAX = 10_000
LOCK_RETRY_S = 0.001
CLOSE_TIMEOUT_S = 10.0

_is_long = attrgetter("is_long")


class SqliteWriter:
    """Takes commits on the loop's thread and makes them there. It closes the connection."""

    def __init__(
        self, connection: apsw.Connection, path: Path, *, queue_max: int = QUEUE_MAX
    ) -> None:
        self._path = path
        self._identity = identify(path)
        self._connection = leave_flushing(connection, busy_timeout_s=0)
        self._loop = asyncio.get_running_loop()
        self._queue: list[Batch] = []
        self._queue_max = queue_max
        self._turn: asyncio.Handle | None = None
        self._locked_since_s: float | None = None
        self._unanswered = 0
        self._is_closing = False
        self._all_answered = asyncio.Event()
        self._flusher = self._open_flusher()
        self._checkpointer = Checkpointer(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nagara-writer")
        self._own: apsw.Connection | None = None
        """The thread's connection."""

    def commit(
        self, statements: Sequence[Statement], is_flushed: bool = True
    ) -> "asyncio.Future[list[Result]]":
        """As `Driver.commit`. It is made whether or not the future is waited for.

        Raises `StorageError` at once when too many wait already.
        """
        if self._is_closing:
            raise StorageError(f"the database {self._path} was closed")
        if self._unanswered >= self._queue_max:
            raise StorageError(
                f"{self._unanswered} commits wait for the database {self._path}: "
                "the disk is too slow"
            )
        future: asyncio.Future[list[Result]] = self._loop.create_future()
        batch = Batch(statements, future, is_flushed)
        self._unanswered += 1
        if any(map(_is_long, statements)):
            work = self._loop.run_in_executor(self._thread, self._commit_long, batch)
            work.add_done_callback(partial(self._end_long, batch))
        else:
            self._queue.append(batch)
            if self._turn is None:
                # Whoever awaits it goes on at once, without a turn of the loop between.
                self._turn = self._loop.call_soon(self._commit_some)
                self._commit_group()
        return future

    async def close(self) -> None:
        """Make what waits, then close. May be repeated."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._unanswered:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._all_answered.wait()
            except TimeoutError:
                self._fail_queue(StorageError(f"the database {self._path} was closed"))
        if self._flusher.belongs_to_loop:
            self._flusher.close()
        await asyncio.to_thread(self._close)

    def _open_flusher(self) -> Flusher[Batch] | KernelFlusher[Batch]:
        try:
            return KernelFlusher(self._path, self._answer_flushed)
        except (ImportError, OSError):
            return Flusher(self._path, self._call_answered)

    def _close(self) -> None:
        self._thread.shutdown()
        if not self._flusher.belongs_to_loop:
            self._flusher.close()
        self._checkpointer.close()
        if self._own is not None:
            self._own.close()
        self._connection.close()

    def _commit_some(self) -> None:
        """In a turn of its own."""
        self._turn = None
        if not self._queue:
            return
        is_done = self._commit_group()
        if self._queue and is_done:
            self._turn = self._loop.call_soon(self._commit_some)
        elif self._queue:
            self._turn = self._loop.call_later(LOCK_RETRY_S, self._commit_some)

    def _commit_group(self) -> bool:
        """Commit what waits, up to a limit; False, and nothing is done, if the file is locked."""
        group = self._queue[:GROUP_MAX]
        if not commit_group(self._connection, self._path, self._identity, group):
            self._note_lock()
            return False
        self._locked_since_s = None
        del self._queue[: len(group)]
        self._checkpointer.count_commit()
        self._answer(group)
        return True

    def _note_lock(self) -> None:
        """It is tried again, but not for ever."""
        now_s = self._loop.time()
        if self._locked_since_s is None:
            self._locked_since_s = now_s
        elif now_s - self._locked_since_s >= sqlite_connection.BUSY_TIMEOUT_S:
            self._locked_since_s = None
            self._fail_queue(tell_locked(self._path))

    def _fail_queue(self, error: StorageError) -> None:
        group, self._queue = self._queue, []
        for batch in group:
            batch.error = error
        self._answer(group)

    def _commit_long(self, batch: Batch) -> None:
        """In the thread."""
        if self._own is None:
            self._own = leave_flushing(open_connection(self._path))
        if not commit_group(self._own, self._path, self._identity, [batch]):
            batch.error = tell_locked(self._path)

    def _end_long(self, batch: Batch, work: "asyncio.Future[None]") -> None:
        error = work.exception()
        if isinstance(error, Exception):
            batch.error = error
        self._checkpointer.count_commit()
        self._answer([batch])

    def _answer(self, group: Sequence[Batch]) -> None:
        """Answer those that wait for nothing more, and the others when they are on the disk."""
        waiting = [batch for batch in group if batch.is_flushed and batch.error is None]
        if waiting:
            self._flusher.hand_over(waiting)
            if len(waiting) == len(group):
                return
            group = [batch for batch in group if not batch.is_flushed or batch.error is not None]
        self._deliver(group)

    def _call_answered(self, group: list[Batch], error: OSError | None) -> None:
        """In a flusher's thread."""
        try:
            self._loop.call_soon_threadsafe(self._answer_flushed, group, error)
        except RuntimeError:
            # The loop was closed under us: nobody is left to be answered.
            return

    def _answer_flushed(self, group: Sequence[Batch], error: OSError | None) -> None:
        if error is not None:
            reason = StorageError(
                f"the database {self._path} could not be written to the disk "
                f"({error.strerror}): it is not known what became of this"
            )
            for batch in group:
                batch.error = reason
        self._deliver(group)

    def _deliver(self, group: Sequence[Batch]) -> None:
        """Answer these, unless who asked has left."""
        self._unanswered -= len(group)
        for batch in group:
            if batch.future.done():
                continue
            if batch.error is None:
                batch.future.set_result(batch.results)
            else:
                batch.future.set_exception(batch.error)
        if self._is_closing and not self._unanswered:
            self._all_answered.set()
