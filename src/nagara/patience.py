"""A limit of time that many tasks have in common, with one timer for all of them.

`asyncio.timeout` makes a timer and some objects for each use, which a request pays for although it
hardly ever runs out. Here a use is an entry in a table: since the limit is the same for all, who
began first runs out first.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Patience:
    """Waits for so long and no longer. It belongs to one event loop; a task uses it once at a time.

    The limit is kept to the length of one turn of the loop.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends_s: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait_for(self, work: Awaitable[T]) -> T:
        """What `work` gives. Raises `TimeoutError` when that takes too long; it is cancelled."""
        # Kept, because to ask which loop runs is a system call each time.
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "outside of a task"
        cancelled = task.cancelling()
        self._ends_s[task] = loop.time() + self.limit_s
        if self._timer is None:
            self._timer = loop.call_later(self.limit_s, self._end_overdue, loop)
        try:
            return await work
        except asyncio.CancelledError as error:
            # Somebody else may have cancelled it too, and then that is what counts.
            if task in self._overdue and task.uncancel() <= cancelled:
                raise TimeoutError from error
            raise
        finally:
            # Who is overdue has no end in the table any more.
            if self._ends_s.pop(task, None) is None:
                self._overdue.discard(task)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now_s = loop.time()
        while self._ends_s:
            task, end_s = next(iter(self._ends_s.items()))
            if end_s > now_s:
                self._timer = loop.call_at(end_s, self._end_overdue, loop)
                return
            del self._ends_s[task]
            self._overdue.add(task)
            task.cancel()
