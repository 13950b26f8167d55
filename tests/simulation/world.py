"""A gateway's money, simulated: processes that hold, settle, crash and come back, for months.

What is true is kept apart from the ledger, in `truth.py`; `check_end` compares. Faults are of every
kind that the contract of a driver allows; crashes come between any two steps.
"""

import random
from typing import Any

from nagara.storage.driver import StorageError
from nagara.storage.grants import expire_grants
from nagara.storage.verify import verify
from tests.fakes import FakeClock
from tests.simulation.calls import Calls
from tests.simulation.customers import open_customers
from tests.simulation.memory_driver import Faults, MemoryDriver
from tests.simulation.node import LEASE_S, Node
from tests.simulation.orders import Orders
from tests.simulation.schedule import pause
from tests.simulation.truth import Truth

PROCESSES = 3
RUNNING_MAX = 40
STEP_S = 0.15


class World:
    """Everything of one run."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults = Faults(self.chance)
        self.driver = MemoryDriver(self.faults, pause)
        self.clock = FakeClock()
        self.nodes: list[Node] = []
        self.node_count = 0
        self.truth = Truth(self.driver)
        keys = open_customers(self.driver, self.chance)
        self.calls = Calls(self.truth, keys, int(self.clock.now_s()), self.chance)
        self.orders = Orders(self.truth, self.driver, self.chance)
        for _ in range(PROCESSES):
            self.start_node()

    def start_node(self) -> None:
        """A new process, which takes over what the last wrote down."""
        self.node_count += 1
        skew_ms = self.chance.randrange(-120_000, 120_000)
        node = Node(f"node-{self.node_count}", self.driver, self.clock, skew_ms)
        self.nodes.append(node)
        for settlement in self.truth.spool.values():
            if not any(other.ledger.is_open(settlement.record.id) for other in self.nodes):
                node.start(self.calls.settle(node, settlement))
        for order in self.orders.waiting.values():
            node.start(self.orders.carry_out(*order))

    async def turn(self, node: Node) -> None:
        """What a process does every few seconds."""
        try:
            expired = await node.reaper.turn()
            if expired.count:
                self.truth.count("turns that reaped")
            if await expire_grants(self.driver, node.now_ms // 1000):
                self.truth.count("turns that ended grants")
        except StorageError:
            self.truth.count("turns that failed")

    def run(self, requests: int) -> None:
        """Let so many requests come, then let all that began end."""
        number = 0
        while number < requests:
            self.clock.advance(STEP_S)
            number = self._tick(number)
        self._wind_down()

    def _tick(self, number: int) -> int:
        node = self.chance.choice(self.nodes)
        if node.stalled_turns > 0:
            node.stalled_turns -= 1
            return number
        if len(node.running) < RUNNING_MAX and self.chance.random() < 0.3:
            calls = self.calls
            work = calls.ask_for_free if self.chance.random() < 0.05 else calls.pay
            node.start(work(node, number))
            number += 1
        self._disturb(node)
        self._step(node)
        return number

    def _disturb(self, node: Node) -> None:
        """Time passes, credit comes, processes stall and die."""
        share = self.chance.random()
        if share < 0.01:
            node.start(self.turn(node))
        elif share < 0.015:
            self._order()
        elif share < 0.0152:
            self.clock.advance(self.chance.randrange(86_400))
        elif share < 0.0153:
            self.truth.count("clocks that jumped")
            node.skew_ms = self.chance.choice((-1, 1)) * self.chance.randrange(3 * 86_400_000)
        elif share < 0.0156:
            self.truth.count("stalls")
            node.stalled_turns = self.chance.randrange(400)
        elif share < 0.0158:
            self._crash(node)

    def _step(self, node: Node) -> None:
        if node.running and not node.step(self.chance):
            self._crash(node)

    def _crash(self, node: Node) -> None:
        self.truth.count("crashes")
        node.end()
        if node in self.nodes:
            self.nodes.remove(node)
            self.start_node()

    def _wind_down(self) -> None:
        """Faults end, everyone finishes, and the dead are reaped."""
        self.faults.is_on = False
        while any(node.running for node in self.nodes):
            for node in self.nodes:
                if node.running:
                    node.step(self.chance)
        for _ in range(10):
            self.clock.advance(LEASE_S / 2)
            for node in self.nodes:
                self._finish(node, self.turn(node))

    def _finish(self, node: Node, work: Any) -> None:
        node.start(work)
        while node.running:
            node.step(self.chance)

    def _order(self) -> None:
        order = self.orders.make(int(self.clock.now_s() * 1000))
        if order is not None:
            self.chance.choice(self.nodes).start(self.orders.carry_out(*order))

    def check_end(self) -> None:
        """Compare the ledger with what is true, and with itself. Raises `AssertionError`."""
        self.truth.check_end()
        found: list[Any] = []

        async def look() -> None:
            found.extend((await verify(self.driver)).discrepancies)

        self._finish(self.nodes[0], look())
        assert found == []
