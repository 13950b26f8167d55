"""Brings the write-ahead log of an SQLite file into the file, beside those who write to it.

Why. By itself SQLite does that at the end of a commit whose log has become long: that one commit
then writes a thousand pages and waits for the disk twice. Here no commit does.

How. A thread copies what is in the log while others write on. A log is begun anew only where all of
it was copied, which under steady writing never comes about; so where it has become too long, the
rest is copied with the lock for writing held. That takes as long as two flushes of the disk do.
Nobody who reads is waited for: it is tried again a little later.
"""

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import apsw

from nagara.storage.driver import StorageError
from nagara.storage.sqlite_connection import leave_flushing, open_connection

COMMITS = 200
"""After so many commits the log is looked at: some thousand pages."""
LOG_PAGES_MAX = 2_000
"""The index of a log finds a page by its number, and what every commit writes is in there once for
each: in a long log, to note one more of them takes longer than to write it."""
LOCK_WAIT_S = 0.005


class Checkpointer:
    """Belongs to the writer of a file, which counts its commits here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commits = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nagara-checkpointer")
        self._work: Future[None] | None = None
        self._connection: apsw.Connection | None = None

    def count_commit(self) -> None:
        """There is one more in the log."""
        self._commits += 1
        if self._commits >= COMMITS and (self._work is None or self._work.done()):
            self._commits = 0
            self._work = self._thread.submit(self._checkpoint)

    def close(self) -> None:
        """Let go of the file, once what is under way has ended."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

    def _checkpoint(self) -> None:
        # Whatever it is, those who write meet it too, and say so.
        with contextlib.suppress(StorageError, apsw.Error):
            if self._connection is None:
                opened = open_connection(self._path)
                self._connection = leave_flushing(opened, busy_timeout_s=LOCK_WAIT_S)
            logged, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if logged > LOG_PAGES_MAX:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
