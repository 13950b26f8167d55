"""What is done for the ledger while nobody calls: signs of life, dead processes' holds, grants.

Each turn shows the other processes that this one lives, gives back what those held that do not, and
takes back grants whose time is over, and deletes answers to idempotency keys whose time is. While
the database is down nothing is done and nothing ages.
"""

import asyncio
import logging

from nagara.domain.money import format_dollars
from nagara.observe.observations import Notice, Observe
from nagara.runtime import Clock
from nagara.storage.claims import sweep_calls
from nagara.storage.driver import Driver, StorageError
from nagara.storage.grants import expire_grants
from nagara.storage.runners import Reaper

TURNS_A_LEASE = 6


class Reaping:
    """Takes turns until it is cancelled."""

    def __init__(
        self, reaper: Reaper, driver: Driver, clock: Clock, observe: Observe, lease_s: float
    ) -> None:
        self._reaper = reaper
        self._driver = driver
        self._clock = clock
        self._observe = observe
        self._pause_s = lease_s / TURNS_A_LEASE

    async def run_forever(self) -> None:
        """One turn after the other. What the store refuses is tried again at the next."""
        is_failing = False
        while True:
            try:
                await self.turn()
                is_failing = False
            except StorageError as error:
                if not is_failing:
                    self._say(f"holds of dead processes cannot be looked for: {error}")
                is_failing = True
            await asyncio.sleep(self._pause_s)

    async def turn(self) -> None:
        """One turn. Raises `StorageError`."""
        expired = await self._reaper.turn()
        if expired.count:
            amount = format_dollars(expired.amount_nano)
            self._say(f"{expired.count} holds of ${amount} were given back: nobody settled them")
        now_s = int(self._clock.now_s())
        await expire_grants(self._driver, now_s)
        await sweep_calls(self._driver, now_s)

    def _say(self, message: str) -> None:
        self._observe(Notice(message=message, level=logging.WARNING))
