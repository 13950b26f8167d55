"""Waits for the disk beside the writer of an SQLite file, by Linux's own queue of asynchronous I/O.

As `Flusher`, for the same reasons and under the same invariant, but with no thread: a flush is put
into the kernel's queue (`io_submit` with `IOCB_CMD_FDSYNC`), and a descriptor that the event loop
watches says when it is done. A thread would change hands over the interpreter's lock four times for
each flush, which costs more than the flush, and wait for a loop that is busy.

One flush is under way at a time. What is handed over meanwhile shares the next.

Source: io_submit(2); a flush there is `fdatasync` on a thread of the kernel's (fs/aio.c).
"""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

REQUESTS_MAX = 4
_SIGN_BIT, _ALL_BITS = 1 << 63, 1 << 64


class KernelFlusher(Generic[T]):
    """Calls `answer` with what was handed over and an error, or None once it is on the disk.

    It belongs to the running event loop, where `answer` is called and it is closed.
    """

    belongs_to_loop = True

    def __init__(self, path: Path, answer: Callable[[list[T], OSError | None], None]) -> None:
        """`path` is the database's. Raises `ImportError` or `OSError` where there is no queue."""
        # Not on other systems.
        from caio import linux_aio

        try:
            self._context = linux_aio.Context(max_requests=REQUESTS_MAX)
        except SystemError as error:
            raise OSError(f"no asynchronous I/O: {error}") from error
        self._make_operation: Callable[[int], Any] = linux_aio.Operation.fdsync
        self._log = str(path.with_name(f"{path.name}-wal"))
        self._answer = answer
        self._waiting: list[T] = []
        self._flushing: list[T] = []
        self._handle: int | None = None
        """The log, while it is flushed."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._context.fileno, self._take_events)

    def hand_over(self, committed: list[T]) -> None:
        """Answer these when they are on the disk."""
        self._waiting += committed
        if self._handle is None:
            self._begin()

    def close(self) -> None:
        """Answer nothing more."""
        self._loop.remove_reader(self._context.fileno)

    def _begin(self) -> None:
        """Flush for all that wait."""
        self._flushing, self._waiting = self._waiting, []
        try:
            # Opened anew each time, as `Flusher` does: a log that is gone must not be flushed.
            self._handle = os.open(self._log, os.O_RDONLY)
            operation = self._make_operation(self._handle)
            operation.set_callback(self._end)
            self._context.submit(operation)
        except OSError as error:
            self._tell(error)
        except (SystemError, ValueError, OverflowError) as error:
            # What the library makes of the numbers of errors.
            self._tell(OSError(errno.EIO, f"it cannot be flushed: {error}"))

    def _take_events(self) -> None:
        """The descriptor says that something is done."""
        try:
            self._context.poll()
        except BlockingIOError:
            # It was done, and noticed, already.
            return
        self._context.process_events()

    def _end(self, result: int) -> None:
        """A flush has ended; below zero is the number of an error, which comes without its sign."""
        error: OSError | None = None
        if result & _SIGN_BIT:
            number = _ALL_BITS - result
            error = OSError(number, os.strerror(number))
        self._tell(error)
        if self._waiting:
            self._begin()

    def _tell(self, error: OSError | None) -> None:
        flushed, self._flushing = self._flushing, []
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._answer(flushed, error)
