"""Calls of the simulation, each from its hold to its end: the ledger as the pipeline uses it."""

import random
from collections.abc import Sequence

from nagara.storage.driver import StorageError
from nagara.storage.journal import RequestRecord
from nagara.storage.ledger_statements import Hold, Settlement
from tests.simulation.cards import Priced, make_prices, price_about
from tests.simulation.customers import SimulatedKey
from tests.simulation.node import Node
from tests.simulation.schedule import pause
from tests.simulation.truth import Truth

MODELS = ("a", "bb")


class Calls:
    """What callers do, with any of these keys."""

    def __init__(
        self, truth: Truth, keys: Sequence[SimulatedKey], now_s: int, chance: random.Random
    ) -> None:
        """Prices begin to change at `now_s`."""
        self._truth = truth
        self._keys = keys
        self._chance = chance
        self._prices = {model: make_prices(model, now_s) for model in MODELS}

    async def pay(self, node: Node, number: int) -> None:
        """One call, from its hold to its end."""
        request = f"r{number}"
        key = self._chance.choice(self._keys)
        hold = Hold(
            id=request,
            account_id=key.account_id,
            key_id=key.id,
            amount_nano=self._chance.randrange(1, 20_000),
            made_at_ms=node.now_ms,
        )
        try:
            shortage = await node.ledger.hold(hold)
        except StorageError:
            self._truth.count("holds of unknown end")
            return
        if shortage is not None:
            self._truth.refuse(hold, shortage)
            return
        self._truth.check_limit(key, hold)
        for _ in range(self._chance.randrange(8)):
            await pause()
        settlement = self._end(node, hold)
        self._truth.owed[request] = settlement
        if self._chance.random() < 0.7:
            self._truth.spool[request] = settlement
        await self.settle(node, settlement)

    async def ask_for_free(self, node: Node, number: int) -> None:
        """A call that nothing is held for."""
        key = self._chance.choice(self._keys)
        request = f"r{number}"
        record = self._record(node.now_ms, request, key.account_id, key.id, MODELS[0], None)
        settlement = Settlement(hold=None, record=record)
        self._truth.owed[record.id] = settlement
        await self.settle(node, settlement)

    async def settle(self, node: Node, settlement: Settlement) -> None:
        """Come again until it is done; only then is the caller told."""
        while True:
            try:
                await node.ledger.settle(settlement)
                break
            except StorageError:
                self._truth.count("settlements sent again")
        self._truth.finish(settlement)

    def _end(self, node: Node, hold: Hold) -> Settlement:
        """How a call ends: well, failed, left by its client, or dearer than it was held for."""
        kind = self._chance.choices(("ok", "failed", "left", "overrun"), (70, 12, 12, 6))[0]
        self._truth.count(kind)
        held_nano = hold.amount_nano
        amount_nano = {
            "ok": self._chance.randrange(1, held_nano + 1),
            "failed": 0,
            "left": self._chance.randrange(0, held_nano + 1),
            "overrun": held_nano + self._chance.randrange(1, 2 * held_nano + 1),
        }[kind]
        model = self._chance.choice(MODELS)
        at_ms = node.now_ms
        priced = None
        if amount_nano:
            prices = self._prices[model]
            priced = price_about(amount_nano, model, prices, at_ms // 1000, self._chance)
        record = self._record(at_ms, hold.id, hold.account_id, hold.key_id, model, priced)
        costs = tuple(
            (provider, self._chance.randrange(0, 5000))
            for provider in self._chance.choices(
                ("openai", "anthropic"), k=self._chance.choice((1, 1, 2))
            )
        )
        cards = () if priced is None else (priced.card,)
        return Settlement(hold=hold, record=record, costs=costs, cards=cards)

    def _record(
        self,
        at_ms: int,
        request: str,
        account_id: int,
        key_id: int,
        model: str,
        priced: Priced | None,
    ) -> RequestRecord:
        return RequestRecord(
            id=request,
            request_id="same",
            account_id=account_id,
            key_id=key_id,
            at_ms=at_ms,
            operation="chat.completions",
            model=model,
            status=200,
            outcome="ok",
            duration_ms=1,
            usage=None if priced is None else priced.usage,
            charge=None if priced is None else priced.charge,
        )
