"""A gateway's money, simulated: processes that hold, settle, crash and come back, for months.

What is true is kept apart from the ledger, in memory: which request was charged what, what credit
was given, and what was promised to a caller. `check_end` compares. Faults are of every kind that
the contract of a driver allows; crashes come between any two steps.
"""

import random
from typing import Any

import msgspec

from nagara.domain.catalog import LimitPeriod
from nagara.domain.money import PPM, Charge, ChargeLine, sum_up
from nagara.domain.usage import Meter, Usage
from nagara.storage.credits import Movement, adjust, refund, top_up
from nagara.storage.driver import StorageError
from nagara.storage.grants import expire_grants, give_grant
from nagara.storage.journal import RequestRecord
from nagara.storage.ledger import Ledger, LedgerError, Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.limit_periods import find_period_begins
from nagara.storage.runners import Reaper
from nagara.storage.verify import verify
from tests.fakes import FakeClock
from tests.simulation.memory_driver import Faults, MemoryDriver
from tests.simulation.schedule import Process, pause

CUSTOMERS, KEYS_EACH, PROCESSES = 6, 3, 3
RUNNING_MAX = 40
LEASE_S = 30.0
STEP_S = 0.15
PERIODS = (None, *LimitPeriod)


class SimulatedKey(msgspec.Struct, frozen=True):
    """A key with its limit, and whose it is."""

    id: int
    account_id: int
    limit_nano: int | None
    period: LimitPeriod


class Node(Process):
    """A gateway process: its ledger, its reaper, and a clock that is somewhat wrong."""

    def __init__(self, name: str, driver: MemoryDriver, clock: FakeClock, skew_ms: int) -> None:
        super().__init__(name)
        self.ledger = Ledger(driver, name)
        self.reaper = Reaper(driver, self.ledger, clock, LEASE_S)
        self.clock = clock
        self.skew_ms = skew_ms

    @property
    def now_ms(self) -> int:
        """Unix time as this process sees it."""
        return int(self.clock.now_s() * 1000) + self.skew_ms


class World:
    """Everything of one run."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults = Faults(self.chance)
        self.driver = MemoryDriver(self.faults, pause)
        self.clock = FakeClock()
        self.nodes: list[Node] = []
        self.node_count = 0
        self.keys: list[SimulatedKey] = []
        self.owed: dict[str, Settlement] = {}
        """How each request ended that was let through, from the moment that it had."""
        self.spool: dict[str, Settlement] = {}
        """Of those, what outlives a crash: written down before the ledger was asked."""
        self.finished: dict[str, Settlement] = {}
        """What a caller was told is done."""
        self.refused: set[str] = set()
        self.credited: dict[int, int] = {}
        self.orders: dict[str, tuple[str, Movement, Any]] = {}
        """Credit that was ordered and is asked for again until it is confirmed."""
        self.key_charges: dict[int, dict[int, int]] = {}
        """What was charged by key and day, of what is known to be settled."""
        self.key_refunds: dict[int, int] = {}
        self.counts: dict[str, int] = {}
        self._open_customers()
        for _ in range(PROCESSES):
            self.start_node()

    def count(self, what: str) -> None:
        """Note that something came up, for the report."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def _open_customers(self) -> None:
        connection = self.driver._connection
        for account_id in range(1, CUSTOMERS + 1):
            connection.execute(
                "INSERT INTO accounts (id, name, created_at_s) VALUES (?, ?, 0)",
                (account_id, f"customer-{account_id}"),
            )
            connection.execute(
                "INSERT INTO ledger_accounts (kind, owner) VALUES ('customer', ?)", (account_id,)
            )
            self.credited[account_id] = 0
            for _ in range(KEYS_EACH):
                self._open_key(account_id)

    def _open_key(self, account_id: int) -> None:
        period = self.chance.choice(PERIODS)
        limit_nano = None if period is None else self.chance.randrange(20_000, 2_000_000)
        if limit_nano is not None and period is LimitPeriod.TOTAL:
            limit_nano *= 20
        key = SimulatedKey(len(self.keys) + 1, account_id, limit_nano, period or LimitPeriod.TOTAL)
        self.keys.append(key)
        self.key_charges[key.id] = {}
        connection = self.driver._connection
        connection.execute(
            "INSERT INTO keys (id, account_id, name, kind, hint, created_at_s) "
            "VALUES (?, ?, 'k', 'standard', 'abcd…wxyz', 0)",
            (key.id, account_id),
        )
        connection.execute(
            "INSERT INTO ledger_accounts (kind, owner, limit_nano, limit_period) "
            "VALUES ('key', ?, ?, ?)",
            (key.id, key.limit_nano, key.period.value),
        )

    def start_node(self) -> None:
        """A new process, which takes over what the last wrote down."""
        self.node_count += 1
        skew_ms = self.chance.randrange(-120_000, 120_000)
        node = Node(f"node-{self.node_count}", self.driver, self.clock, skew_ms)
        self.nodes.append(node)
        for settlement in self.spool.values():
            if not any(other.ledger.is_open(settlement.record.id) for other in self.nodes):
                node.start(self.settle(node, settlement))
        for order in self.orders.values():
            node.start(self.order(*order))

    async def request(self, node: Node, number: int) -> None:
        """One call, from its hold to its end."""
        request = f"r{number}"
        key = self.chance.choice(self.keys)
        hold = Hold(
            id=request,
            account_id=key.account_id,
            key_id=key.id,
            amount_nano=self.chance.randrange(1, 20_000),
            made_at_ms=node.now_ms,
        )
        try:
            shortage = await node.ledger.hold(hold)
        except StorageError:
            self.count("holds of unknown end")
            return
        if shortage is not None:
            self._refuse(request, hold, shortage)
            return
        self._check_limit(key, hold)
        for _ in range(self.chance.randrange(8)):
            await pause()
        settlement = self._end(node, hold)
        self.owed[request] = settlement
        if self.chance.random() < 0.7:
            self.spool[request] = settlement
        await self.settle(node, settlement)

    async def free_request(self, node: Node, number: int) -> None:
        """A call that nothing is held for."""
        key = self.chance.choice(self.keys)
        record = self._record(node, f"r{number}", key.account_id, key.id, None)
        settlement = Settlement(hold=None, record=record)
        self.owed[record.id] = settlement
        await self.settle(node, settlement)

    async def settle(self, node: Node, settlement: Settlement) -> None:
        """Come again until it is done; only then is the caller told."""
        while True:
            try:
                await node.ledger.settle(settlement)
                break
            except StorageError:
                self.count("settlements sent again")
        record = settlement.record
        if record.id not in self.finished:
            self._know(record)
        self.spool.pop(record.id, None)
        self.finished[record.id] = settlement

    def _know(self, record: RequestRecord) -> None:
        day = record.at_ms // 86_400_000
        days = self.key_charges[record.key_id]
        days[day] = days.get(day, 0) + record.charge_nano

    def _refuse(self, request: str, hold: Hold, shortage: Shortage) -> None:
        self.refused.add(request)
        key_available_nano = shortage.key_available_nano
        if hold.amount_nano > shortage.available_nano:
            self.count("refused by the balance")
        elif key_available_nano is not None and hold.amount_nano > key_available_nano:
            self.count("refused by the key's limit")
        else:
            # Each time that it asked why, another's hold had ended; and then one had begun.
            self.count("refused in the throng")

    def _check_limit(self, key: SimulatedKey, hold: Hold) -> None:
        """A hold that was given fits into its key's limit, by the rows and not by the sums."""
        if key.limit_nano is None:
            return
        begins = find_period_begins(hold.made_at_ms)
        began_s = {
            LimitPeriod.DAY: begins.day_s,
            LimitPeriod.WEEK: begins.week_s,
            LimitPeriod.MONTH: begins.month_s,
        }.get(key.period, 0)
        days = self.key_charges[key.id].items()
        spent_nano = sum(nano for day, nano in days if day * 86_400 >= began_s)
        if key.period is LimitPeriod.TOTAL:
            spent_nano -= self.key_refunds.get(key.id, 0)
        held = self.driver.select("SELECT SUM(amount_nano) FROM holds WHERE key_id = ?1", key.id)
        assert spent_nano + held[0][0] <= key.limit_nano, f"{key} was overrun by {hold}"

    def _end(self, node: Node, hold: Hold) -> Settlement:
        """How a call ends: well, failed, left by its client, or dearer than it was held for."""
        kind = self.chance.choices(("ok", "failed", "left", "overrun"), (70, 12, 12, 6))[0]
        self.count(kind)
        held_nano = hold.amount_nano
        amount_nano = {
            "ok": self.chance.randrange(1, held_nano + 1),
            "failed": 0,
            "left": self.chance.randrange(0, held_nano + 1),
            "overrun": held_nano + self.chance.randrange(1, 2 * held_nano + 1),
        }[kind]
        charge = self._charge(amount_nano, is_estimated=kind == "left")
        record = self._record(node, hold.id, hold.account_id, hold.key_id, charge)
        costs = tuple(
            (provider, self.chance.randrange(0, 5000))
            for provider in self.chance.choices(
                ("openai", "anthropic"), k=self.chance.choice((1, 1, 2))
            )
        )
        return Settlement(hold=hold, record=record, costs=costs)

    def _charge(self, amount_nano: int, *, is_estimated: bool) -> Charge | None:
        """A charge of about this amount at the most, marked up or not; never zero."""
        if amount_nano == 0:
            return None
        markup_ppm = self.chance.choice((0, 0, 50_000))
        total_pico = max(1, amount_nano * 1000 * PPM // (PPM + markup_ppm))
        first_pico = self.chance.randrange(0, total_pico)
        lines = (
            ChargeLine(Meter.INPUT, 1, first_pico),
            ChargeLine(Meter.OUTPUT, 1, total_pico - first_pico),
        )
        return Charge(
            amount_nano=sum_up(lines, markup_ppm),
            lines=lines,
            rate_card="v",
            markup_ppm=markup_ppm,
            is_estimated=is_estimated,
        )

    def _record(
        self, node: Node, request: str, account_id: int, key_id: int, charge: Charge | None
    ) -> RequestRecord:
        return RequestRecord(
            id=request,
            request_id="same",
            account_id=account_id,
            key_id=key_id,
            at_ms=node.now_ms,
            operation="chat.completions",
            model=self.chance.choice(("a", "b")),
            status=200,
            outcome="ok",
            duration_ms=1,
            usage=Usage({Meter.INPUT: 1, Meter.OUTPUT: 1}),
            charge=charge,
        )

    def order_credit(self, number: int) -> None:
        """Somebody pays, is given something, or is refunded."""
        account_id = self.chance.randrange(1, CUSTOMERS + 1)
        kind = self.chance.choices(("top_up", "grant", "refund", "adjust"), (40, 40, 15, 5))[0]
        amount_nano = self.chance.randrange(1, 400_000)
        detail: Any = None
        now_ms = int(self.clock.now_s() * 1000)
        if kind == "grant":
            detail = now_ms // 1000 + self.chance.randrange(0, 40 * 86_400)
        if kind == "refund":
            if not self.finished:
                return
            detail = self.chance.choice(list(self.finished))
            account_id = self.finished[detail].record.account_id
            amount_nano = max(1, amount_nano // 40)
        if kind == "adjust" and self.chance.random() < 0.5:
            amount_nano = -amount_nano
        movement = Movement(
            id=f"c{number}", account_id=account_id, amount_nano=amount_nano, at_ms=now_ms
        )
        self.orders[movement.id] = (kind, movement, detail)
        self.chance.choice(self.nodes).start(self.order(kind, movement, detail))

    async def order(self, kind: str, movement: Movement, detail: Any) -> None:
        """Come again until it is done or refused."""
        while True:
            try:
                await self._move(kind, movement, detail)
            except StorageError:
                self.count("orders sent again")
                continue
            except LedgerError:
                # No more than there is, or than was collected: the other outcome.
                self.orders.pop(movement.id, None)
                return
            break
        if self.orders.pop(movement.id, None) is None:
            # Two processes asked for it.
            return
        self.count(kind)
        if movement.amount_nano > 0:
            self.credited[movement.account_id] += movement.amount_nano
        if kind == "refund":
            key_id = self.finished[detail].record.key_id
            refunds = self.key_refunds
            refunds[key_id] = refunds.get(key_id, 0) + movement.amount_nano

    async def _move(self, kind: str, movement: Movement, detail: Any) -> None:
        if kind == "grant":
            await give_grant(self.driver, movement, expires_at_s=detail)
        elif kind == "refund":
            await refund(self.driver, movement, detail)
        else:
            await {"top_up": top_up, "adjust": adjust}[kind](self.driver, movement)

    async def turn(self, node: Node) -> None:
        """What a process does every few seconds."""
        try:
            expired = await node.reaper.turn()
            if expired.count:
                self.count("turns that reaped")
            if await expire_grants(self.driver, node.now_ms // 1000):
                self.count("turns that ended grants")
        except StorageError:
            self.count("turns that failed")

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
            work = self.free_request if self.chance.random() < 0.05 else self.request
            node.start(work(node, number))
            number += 1
        self._disturb(node, number)
        self._step(node)
        return number

    def _disturb(self, node: Node, number: int) -> None:
        """Time passes, credit comes, processes stall and die."""
        share = self.chance.random()
        if share < 0.01:
            node.start(self.turn(node))
        elif share < 0.015:
            self.order_credit(number * 1000 + self.chance.randrange(1000))
        elif share < 0.0152:
            self.clock.advance(self.chance.randrange(86_400))
        elif share < 0.0153:
            self.count("clocks that jumped")
            node.skew_ms = self.chance.choice((-1, 1)) * self.chance.randrange(3 * 86_400_000)
        elif share < 0.0156:
            self.count("stalls")
            node.stalled_turns = self.chance.randrange(400)
        elif share < 0.0158:
            self._crash(node)

    def _step(self, node: Node) -> None:
        if node.running and not node.step(self.chance):
            self._crash(node)

    def _crash(self, node: Node) -> None:
        self.count("crashes")
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

    def check_end(self) -> None:
        """Compare the ledger with what is true. Raises `AssertionError`."""
        select = self.driver.select
        assert select("SELECT COUNT(*) FROM holds") == [(0,)], "a hold outlived its time"
        self._check_requests()
        for account_id, nano in self.credited.items():
            sums = "SELECT credits_nano FROM ledger_accounts WHERE kind = 'customer' AND owner = ?1"
            assert select(sums, account_id) == [(nano,)], f"credits of customer {account_id}"
        node = self.nodes[0]
        found: list[Any] = []

        async def look() -> None:
            found.extend((await verify(self.driver)).discrepancies)

        self._finish(node, look())
        assert found == []

    def _check_requests(self) -> None:
        rows = self.driver.select("SELECT id, charge_nano, held_nano FROM requests")
        charged = {row[0]: row[1] for row in rows}
        assert len(charged) == len(rows)
        for request, settlement in self.finished.items():
            assert charged[request] == settlement.record.charge_nano, (
                f"{request} was told otherwise"
            )
        for request, charge_nano in charged.items():
            assert request not in self.refused
            assert charge_nano == self.owed[request].record.charge_nano, f"{request} was never so"
        assert not self.spool, "something that was written down was not settled"
        self._check_collection()

    def _check_collection(self) -> None:
        """Only what went beyond its hold, or came after its hold's end, may be uncollected."""
        rows = self.driver.select(
            "SELECT requests.id FROM transfers JOIN requests ON requests.id = transfers.request "
            "WHERE code IN ('uncollected', 'late', 'overrun') AND charge_nano <= held_nano"
        )
        for (request,) in rows:
            assert request in self.driver.expired, f"{request} was not charged to its hold"
