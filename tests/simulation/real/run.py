"""One run: everything is started, goes wrong for a while, and is held against itself at the end.

What runs beside the clients: someone who tops the account up now and then, someone who kills, and
an auditor who verifies the whole ledger again and again while all that goes on.
"""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import msgspec

from nagara.domain.catalog import Secret
from nagara.storage.credits import Movement, top_up
from nagara.storage.database import Database, open_driver
from nagara.storage.driver import Driver
from nagara.storage.ledger import find_balance
from nagara.storage.verify import verify
from tests.simulation.real.clients import Clients
from tests.simulation.real.cluster import LEASE_S, Cluster
from tests.simulation.real.plan import Usage
from tests.simulation.real.provider import Provider
from tests.simulation.real.reconciliation import Row, Sums, count, find_faults, find_wrong_sums
from tests.system.commands import run as run_command

ACCOUNT = 1
CLIENTS = 200
TOP_UP_NANO_MAX = 600_000_000
TOP_UP_EVERY_S = 1.5
KILL_EVERY_S = 2.0
AUDIT_EVERY_S = 1.0
END_S = LEASE_S * 4 + 20.0
"""How long the last holds may take to be settled or given back."""
SHOWN_MAX = 10
SHOWN_CHARS = 2000

_ROWS = (
    "SELECT request_id, status, outcome, charge_nano, held_nano, is_usage_estimated, "
    "input_tokens, output_tokens FROM requests ORDER BY seq"
)
_UNCOLLECTED = "SELECT COALESCE(SUM(amount_nano), 0) FROM transfers WHERE code = 'uncollected'"
_LATE = "SELECT COUNT(*) FROM transfers WHERE code = 'late'"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `url` of None is an SQLite file that all gateways share."""

    seed: int
    seconds: float
    gateways: int
    url: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came up, and every broken promise: none is good."""

    faults: list[str]
    counts: Counter[str]


class Run:
    """Everything that runs at the same time."""

    def __init__(self, terms: Terms, provider: Provider, cluster: Cluster, driver: Driver) -> None:
        self.topped_up_nano = 0
        self.audits = 0
        self.faults: list[str] = []
        self.clients = Clients(cluster.doors, terms.seed, lambda: self.is_over)
        self._terms = terms
        self._provider = provider
        self._cluster = cluster
        self._driver = driver
        self._until_s = time.monotonic() + terms.seconds

    @property
    def is_over(self) -> bool:
        """Whether nobody begins anything any more."""
        return time.monotonic() > self._until_s

    async def live(self) -> None:
        """Until it is over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._top_up())
            group.create_task(self._kill())
            group.create_task(self._audit())
            group.create_task(self.clients.run(CLIENTS))

    async def _top_up(self) -> None:
        source = random.Random(f"{self._terms.seed}/money")
        number = 0
        while not self.is_over:
            number += 1
            amount_nano = source.randint(1, TOP_UP_NANO_MAX)
            for _ in range(2):
                # An operator who is not sure sends it again.
                await top_up(self._driver, _movement(f"top-up-{number}", amount_nano))
            self.topped_up_nano += amount_nano
            await asyncio.sleep(TOP_UP_EVERY_S)

    async def _kill(self) -> None:
        source = random.Random(f"{self._terms.seed}/death")
        while True:
            await asyncio.sleep(source.uniform(0, 2 * KILL_EVERY_S))
            if self.is_over:
                return
            await self._cluster.kill_one(source)

    async def _audit(self) -> None:
        """Each check of the ledger is one moment's truth, so it holds while gateways write."""
        while not self.is_over:
            self.faults += (str(each) for each in (await verify(self._driver)).discrepancies)
            self.audits += 1
            await asyncio.sleep(AUDIT_EVERY_S)

    async def wait_for_last_holds(self) -> None:
        """Until what runs is settled, and what the dead held is given back."""
        until_s = time.monotonic() + END_S
        while holds := (await self._driver.query("SELECT COUNT(*) FROM holds"))[0][0]:
            if time.monotonic() > until_s:
                self.faults.append(f"{holds} holds are still open")
                return
            await asyncio.sleep(0.1)

    async def report(self) -> Report:
        """Hold everything against each other."""
        rows = [
            Row(row[0], row[1], row[2], row[3], row[4], bool(row[5]), Usage(*row[6:]))
            for row in await self._driver.query(_ROWS)
        ]
        self.faults += (str(each) for each in (await verify(self._driver)).discrepancies)
        self.faults += find_faults(self.clients.received, rows, self._provider.calls)
        self.faults += find_wrong_sums(await self._sum_up(), rows)
        counts = count(self.clients.received, rows)
        counts["charged late"] = (await self._driver.query(_LATE))[0][0]
        counts["audits"] = self.audits
        counts["deaths: gateway"] = self._cluster.deaths
        return Report(faults=self.faults, counts=counts)

    async def _sum_up(self) -> Sums:
        balance = await find_balance(self._driver, ACCOUNT)
        return Sums(
            topped_up_nano=self.topped_up_nano,
            credits_nano=balance.credits_nano,
            debits_nano=balance.debits_nano,
            pending_nano=balance.pending_nano,
            uncollected_nano=int((await self._driver.query(_UNCOLLECTED))[0][0]),
        )


async def play(terms: Terms, folder: Path) -> Report:
    """A whole run in an empty folder."""
    async with Provider() as provider:
        cluster = Cluster(folder, provider.url, terms.gateways, terms.url)
        try:
            await asyncio.to_thread(cluster.start)
            driver = await open_driver(_database(cluster, terms))
            try:
                run = Run(terms, provider, cluster, driver)
                await run.live()
                await run.wait_for_last_holds()
                run.faults += await asyncio.to_thread(end, cluster)
                return await run.report()
            finally:
                await driver.close()
        finally:
            await asyncio.to_thread(cluster.stop)


def end(cluster: Cluster) -> list[str]:
    """Stop the gateways as their operator would, and ask the command line for its judgement."""
    faults = [f"a gateway ended with exit code {code}" for code in cluster.stop() if code]
    before, found, after = cluster.output.partition("Traceback")
    if found:
        faults.append(f"a gateway failed: {before[-SHOWN_CHARS:]}{found}{after[:SHOWN_CHARS]}")
    words = ("ledger", "verify", "--data", str(cluster.folder_of(0)))
    done = run_command(*words, environment=cluster.environment)
    if done.returncode:
        faults.append(f"nagara ledger verify: {done.stdout}{done.stderr}")
    faults += (f"{path} was left behind" for path in cluster.find_spools())
    return faults


def describe(report: Report) -> str:
    """A report for people."""
    lines = [f"{number:8} {what}" for what, number in sorted(report.counts.items())]
    lines += report.faults[:SHOWN_MAX]
    if len(report.faults) > SHOWN_MAX:
        lines.append(f"and {len(report.faults) - SHOWN_MAX} more")
    return "\n".join(lines)


def _database(cluster: Cluster, terms: Terms) -> Database:
    return Database(
        folder=cluster.folder_of(0), url=None if terms.url is None else Secret(terms.url)
    )


def _movement(movement_id: str, amount_nano: int) -> Movement:
    at_ms = int(time.time() * 1000)
    return Movement(id=movement_id, account_id=ACCOUNT, amount_nano=amount_nano, at_ms=at_ms)
