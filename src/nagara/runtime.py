"""Time, ids and named tasks: what the pure layers must be handed, and never reach for.

Tasks that the gateway owns are spawned here, so that one place knows what is still running, says
what failed, and can wait for it at shutdown.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

logger = logging.getLogger("nagara.runtime")

RESTART_S = 1.0
"""The pause before a task is started again that must not end."""


class Clock(Protocol):
    """Where time comes from."""

    def now_s(self) -> float:
        """Unix time in seconds."""

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""


class SystemClock:
    """The machine's own clock."""

    now_s = staticmethod(time.time)
    monotonic_s = staticmethod(time.monotonic)


_random = random.Random(os.urandom(32))  # noqa: S311 - ids must differ, not be secret
# Workers are forked, and would all make the same ids: two requests of one hold, in one millisecond.
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))
_draw_bits = _random.getrandbits


def make_id(prefix: str) -> str:
    """A time-ordered id: 48 bits of milliseconds, then 80 random bits, as 32 hex digits."""
    number = time.time_ns() // 1_000_000 << 80 | _draw_bits(80)
    return prefix + number.to_bytes(16, "big").hex()


class Tasks:
    """The tasks that outlive the function that started them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `work` as a task that is kept alive and whose failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._finish)
        return task

    def keep_running(self, name: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Start `work()` as a task that is started again after a failure, until it returns."""
        self.spawn(name, self._repeat(name, work))

    async def _repeat(self, name: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        failed: type[Exception] | None = None
        while True:
            try:
                await work()
                return
            except Exception as error:
                # The same failure every second needs its traceback once.
                trace = error if failed is not type(error) else None
                failed = type(error)
                logger.error(
                    "task %s failed (%s), and is started again in %g s",
                    name,
                    failed.__name__,
                    RESTART_S,
                    exc_info=trace,
                )
            await asyncio.sleep(RESTART_S)

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=error)

    async def close(self, grace_s: float) -> int:
        """Wait up to `grace_s` for what runs, cancel the rest; the number that was cancelled."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        left = [task for task in self._running if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1.0)
        return len(left)
