"""Credit in the simulation: somebody pays, is given something, is refunded or put right.

An order is asked for again until it is confirmed or refused, by any process.
"""

import random
from typing import Any

from nagara.storage.credits import Movement, adjust, refund, top_up
from nagara.storage.driver import StorageError
from nagara.storage.grants import give_grant
from nagara.storage.ledger import LedgerError
from tests.simulation.customers import CUSTOMERS
from tests.simulation.memory_driver import MemoryDriver
from tests.simulation.truth import Truth

Order = tuple[str, Movement, Any]
"""Its kind, what moves, and when that expires or which request it is about."""


class Orders:
    """Credit that was ordered; `waiting` is not confirmed yet."""

    def __init__(self, truth: Truth, driver: MemoryDriver, chance: random.Random) -> None:
        self._truth = truth
        self._driver = driver
        self._chance = chance
        self._count = 0
        self.waiting: dict[str, Order] = {}

    def make(self, now_ms: int) -> Order | None:
        """Somebody pays, is given something, or is refunded. No two orders have the same id."""
        self._count += 1
        account_id = self._chance.randrange(1, CUSTOMERS + 1)
        kind = self._chance.choices(("top_up", "grant", "refund", "adjust"), (40, 40, 15, 5))[0]
        amount_nano = self._chance.randrange(1, 400_000)
        detail: Any = None
        if kind == "grant":
            detail = now_ms // 1000 + self._chance.randrange(0, 40 * 86_400)
        if kind == "refund":
            if not self._truth.finished:
                return None
            detail = self._chance.choice(list(self._truth.finished))
            account_id = self._truth.finished[detail].record.account_id
            amount_nano = max(1, amount_nano // 40)
        if kind == "adjust" and self._chance.random() < 0.5:
            amount_nano = -amount_nano
        movement = Movement(
            id=f"c{self._count}", account_id=account_id, amount_nano=amount_nano, at_ms=now_ms
        )
        order = (kind, movement, detail)
        self.waiting[movement.id] = order
        return order

    async def carry_out(self, kind: str, movement: Movement, detail: Any) -> None:
        """Come again until it is done or refused."""
        while True:
            try:
                await self._move(kind, movement, detail)
            except StorageError:
                self._truth.count("orders sent again")
                continue
            except LedgerError:
                # No more than there is, or than was collected: the other outcome.
                self.waiting.pop(movement.id, None)
                return
            break
        if self.waiting.pop(movement.id, None) is not None:
            # Else two processes asked for it, and the other was told.
            self._truth.credit(kind, movement, detail if kind == "refund" else None)

    async def _move(self, kind: str, movement: Movement, detail: Any) -> None:
        if kind == "grant":
            await give_grant(self._driver, movement, expires_at_s=detail)
        elif kind == "refund":
            await refund(self._driver, movement, detail)
        else:
            await {"top_up": top_up, "adjust": adjust}[kind](self._driver, movement)
