"""Waits for the disk beside the writer of an SQLite file, which goes on meanwhile.

Why. With `synchronous=FULL` a commit flushes the write-ahead log and holds the one write
lock until then: whoever comes meanwhile waits too, even with a hold that waits for no disk. Here
commits are made without a flush, and a thread flushes the log behind them: one flush is for all
that were committed before it began.

Why that is safe. A commit is on the disk when its frames of the log are. They are flushed here;
or a checkpoint came first, and then SQLite flushed them itself, log and file, before it wrote over
them (https://www.sqlite.org/pragma.html#pragma_synchronous, NORMAL in WAL mode).

Invariant: what was handed over is answered once, in order, and not before it is on the disk.
"""

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_flush = getattr(os, "fdatasync", os.fsync)


class Flusher(Generic[T]):
    """Calls `answer` with what was handed over and an error, or None once it is on the disk."""

    belongs_to_loop = False

    def __init__(self, path: Path, answer: Callable[[list[T], OSError | None], None]) -> None:
        """`path` is the database's; `answer` is called on the flusher's thread."""
        self._log = path.with_name(f"{path.name}-wal")
        self._answer = answer
        self._queue: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()
        # A daemon, because a program that dies without closing must not hang; the file stands it.
        self._thread = threading.Thread(target=self._run, name="nagara-flusher", daemon=True)
        self._thread.start()

    def hand_over(self, committed: list[T]) -> None:
        """Answer these when they are on the disk."""
        self._queue.put(committed)

    def close(self) -> None:
        """Flush and answer all that was handed over."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (committed := self._queue.get()) is not None:
            committed = [*committed, *self._take_more()]
            self._answer(committed, self._try_flush())

    def _take_more(self) -> list[T]:
        """What was handed over in the meantime."""
        more: list[T] = []
        while not self._queue.empty():
            some = self._queue.get()
            if some is None:
                # The sign to end is for when these are done.
                self._queue.put(None)
                break
            more += some
        return more

    def _try_flush(self) -> OSError | None:
        try:
            # Opened anew each time: it costs little beside the flush. A descriptor of the log may
            # be closed at any time, since SQLite's locks are not on it.
            handle = os.open(self._log, os.O_RDONLY)
            try:
                _flush(handle)
            finally:
                os.close(handle)
        except OSError as error:
            return error
        return None
