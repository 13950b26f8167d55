"""A gateway process of the simulation, with what it holds in memory alone."""

from nagara.storage.ledger import Ledger
from nagara.storage.runners import Reaper
from tests.fakes import FakeClock
from tests.simulation.memory_driver import MemoryDriver
from tests.simulation.schedule import Process

LEASE_S = 30.0


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
