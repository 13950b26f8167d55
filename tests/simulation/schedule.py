"""Coroutines that are resumed one step at a time, by chance: every interleaving can come up.

No event loop and no real time: the same seed gives the same run.
"""

import random
from collections.abc import Coroutine, Generator
from typing import Any

from tests.simulation.memory_driver import Crash


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


async def pause() -> None:
    """Let anything else come in between."""
    await _Pause()


class Process:
    """A process that runs coroutines until it ends, or is ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.running: list[Coroutine[Any, Any, Any]] = []
        self.stalled_turns = 0

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have it do something from its next step on."""
        self.running.append(work)

    def step(self, chance: random.Random) -> bool:
        """Resume one of its coroutines up to its next pause; False when the process crashed."""
        at = chance.randrange(len(self.running))
        work = self.running[at]
        try:
            work.send(None)
        except StopIteration:
            del self.running[at]
        except Crash:
            self.end()
            return False
        return True

    def end(self) -> None:
        """Nothing that it was about to do happens any more."""
        for work in self.running:
            work.close()
        self.running.clear()
