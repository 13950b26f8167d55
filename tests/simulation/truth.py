"""What is true, kept apart from the ledger: who was charged what, given what, and told what.

`check_end` compares the ledger with it, once everything that began has ended.
"""

from nagara.domain.catalog import LimitPeriod
from nagara.storage.credits import Movement
from nagara.storage.ledger import Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.limit_periods import find_period_begins
from tests.simulation.customers import CUSTOMERS, SimulatedKey
from tests.simulation.memory_driver import MemoryDriver


class Truth:
    """In memory, where no crash reaches it."""

    def __init__(self, driver: MemoryDriver) -> None:
        self._driver = driver
        self.owed: dict[str, Settlement] = {}
        """How each request ended that was let through, from the moment that it had."""
        self.spool: dict[str, Settlement] = {}
        """Of those, what outlives a crash: written down before the ledger was asked."""
        self.finished: dict[str, Settlement] = {}
        """What a caller was told is done."""
        self.refused: set[str] = set()
        self.credited = dict.fromkeys(range(1, CUSTOMERS + 1), 0)
        self.key_charges: dict[int, dict[int, int]] = {}
        """What was charged by key and day, of what is known to be settled."""
        self.key_refunds: dict[int, int] = {}
        self.counts: dict[str, int] = {}

    def count(self, what: str) -> None:
        """Note that something came up, for the report."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def finish(self, settlement: Settlement) -> None:
        """Its caller is told, perhaps by two processes, that a request is done."""
        record = settlement.record
        self.spool.pop(record.id, None)
        if record.id in self.finished:
            return
        self.finished[record.id] = settlement
        day = record.at_ms // 86_400_000
        days = self.key_charges.setdefault(record.key_id, {})
        days[day] = days.get(day, 0) + record.charge_nano

    def refuse(self, hold: Hold, shortage: Shortage) -> None:
        """Its caller is told that there is too little."""
        self.refused.add(hold.id)
        key_available_nano = shortage.key_available_nano
        if hold.amount_nano > shortage.available_nano:
            self.count("refused by the balance")
        elif key_available_nano is not None and hold.amount_nano > key_available_nano:
            self.count("refused by the key's limit")
        else:
            # Each time that it asked why, another's hold had ended; and then one had begun.
            self.count("refused in the throng")

    def check_limit(self, key: SimulatedKey, hold: Hold) -> None:
        """A hold that was given fits into its key's limit, by the rows and not by the sums."""
        if key.limit_nano is None:
            return
        begins = find_period_begins(hold.made_at_ms)
        began_s = {
            LimitPeriod.DAY: begins.day_s,
            LimitPeriod.WEEK: begins.week_s,
            LimitPeriod.MONTH: begins.month_s,
        }.get(key.period, 0)
        days = self.key_charges.get(key.id, {}).items()
        spent_nano = sum(nano for day, nano in days if day * 86_400 >= began_s)
        if key.period is LimitPeriod.TOTAL:
            spent_nano -= self.key_refunds.get(key.id, 0)
        held = self._driver.select("SELECT SUM(amount_nano) FROM holds WHERE key_id = ?1", key.id)
        assert spent_nano + held[0][0] <= key.limit_nano, f"{key} was overrun by {hold}"

    def check_end(self) -> None:
        """Compare the ledger with this. Raises `AssertionError`."""
        select = self._driver.select
        assert select("SELECT COUNT(*) FROM holds") == [(0,)], "a hold outlived its time"
        for account_id, nano in self.credited.items():
            sums = "SELECT credits_nano FROM ledger_accounts WHERE kind = 'customer' AND owner = ?1"
            assert select(sums, account_id) == [(nano,)], f"credits of customer {account_id}"
        self._check_requests()

    def _check_requests(self) -> None:
        rows = self._driver.select("SELECT id, charge_nano, held_nano FROM requests")
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
        rows = self._driver.select(
            "SELECT requests.id FROM transfers JOIN requests ON requests.id = transfers.request "
            "WHERE code IN ('uncollected', 'late', 'overrun') AND charge_nano <= held_nano"
        )
        for (request,) in rows:
            assert request in self._driver.expired, f"{request} was not charged to its hold"

    def credit(self, kind: str, movement: Movement, request: str | None) -> None:
        """Credit came, or went, as it was ordered."""
        self.count(kind)
        if movement.amount_nano > 0:
            self.credited[movement.account_id] += movement.amount_nano
        if request is not None:
            key_id = self.finished[request].record.key_id
            refunds = self.key_refunds
            refunds[key_id] = refunds.get(key_id, 0) + movement.amount_nano
