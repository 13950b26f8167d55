"""A timer that is hardly ever set: for a moment that moves further away most of the time.

It fires no later than it was asked to, and may fire sooner. Whoever is called then looks at what is
due, and asks again for the rest. So a thousand requests on a connection set it once or twice.
"""

import asyncio
import math
from collections.abc import Callable


class LazyTimer:
    """Calls `on_due` at `due_s` of the loop's time; `math.inf` while it is not set."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self.due_s = math.inf
        self._loop = loop
        self._on_due = on_due
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due_s: float) -> None:
        """Fire no later than at `due_s`."""
        if due_s < self.due_s:
            self.stop()
            self.due_s = due_s
            self._handle = self._loop.call_at(due_s, self._fire)

    def stop(self) -> None:
        """Do not fire any more, until it is set again."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self.due_s = None, math.inf

    def _fire(self) -> None:
        self._handle, self.due_s = None, math.inf
        self._on_due()
