"""Holds and posts a second, alone and with 64 in flight: the money side of a call, by itself.

A pair is what a paid call does: one hold, then one post with its transfers, its journal row and its
part of the day's sums, both durable when they return. Rates depend on the disk, whose flushes are
told beside them; CPU is that of this process and of those that the driver has started, and not that
of PostgreSQL's server, which runs on the same cores here and waits for its disk. The store alone is
what SQLite's writer does with a core to itself, when it is given what was built before.
"""

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop
from tests.postgres import started

from nagara.access import issue_key
from nagara.billing import price
from nagara.domain.catalog import KeyKind, Secret
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter, Usage
from nagara.runtime import make_id
from nagara.storage.driver import Driver, Statement
from nagara.storage.journal import RequestRecord
from nagara.storage.keys import create_account, create_key
from nagara.storage.ledger import Ledger
from nagara.storage.ledger_statements import (
    Hold,
    Settlement,
    hold_statements,
    settle_statements,
)
from nagara.storage.opening import KeyTerms
from nagara.storage.postgres import PostgresDriver
from nagara.storage.rate_cards import UsedCard
from nagara.storage.sqlite import SqliteDriver
from nagara.storage.sqlite_connection import identify, open_connection
from nagara.storage.sqlite_groups import Batch, commit_group

PAIRS_TARGET_PER_S = 20_000
WIDTHS = (1, 64)
FLUSHES = 200
STORE_PAIRS = 20_000 // 64 * 64

OpenDriver = Callable[[], Awaitable[Driver]]
ReadCpu = Callable[[], float]


class Pairs(NamedTuple):
    """One measurement: so many at once, so many a second, CPU µs for each."""

    database: str
    width: int
    pairs_per_s: float
    pair_cpu_us: float


class Caller:
    """An account with one key, whose calls are all alike."""

    def __init__(self, driver: Driver, account_id: int, key_id: int) -> None:
        self._ledger = Ledger(driver, make_id("bench-"))
        self._account_id = account_id
        self._key_id = key_id
        card = RateCard(rates_pico={Meter.INPUT: 2_500_000, Meter.OUTPUT: 10**7})
        self._usage = Usage({Meter.INPUT: 1000, Meter.OUTPUT: 200})
        self._charge = price(self._usage, card)
        self._cards = (UsedCard("gpt-4o", card),)

    async def call(self) -> None:
        """One pair."""
        hold, settlement = self.make_pair()
        if await self._ledger.hold(hold) is not None:
            raise RuntimeError("the hold was refused")
        await self._ledger.settle(settlement)

    def make_pair(self) -> tuple[Hold, Settlement]:
        """A hold, and how its request ends."""
        now_ms = time.time_ns() // 1_000_000
        hold = Hold(
            id=make_id(""),
            account_id=self._account_id,
            key_id=self._key_id,
            amount_nano=2 * self._charge.amount_nano,
            made_at_ms=now_ms,
        )
        record = RequestRecord(
            id=hold.id,
            request_id=f"req_{hold.id}",
            account_id=self._account_id,
            key_id=self._key_id,
            at_ms=now_ms,
            operation="chat.completions",
            model="gpt-4o",
            provider="openai",
            deployment="openai",
            status=200,
            outcome="ok",
            duration_ms=812,
            attempts=1,
            usage=self._usage,
            charge=self._charge,
        )
        costs = (("openai", self._charge.amount_nano),)
        return hold, Settlement(hold=hold, record=record, costs=costs, cards=self._cards)


async def open_caller(driver: Driver) -> Caller:
    """A caller with more credit than can be spent here."""
    name = make_id("bench-")
    account = await create_account(driver, name, created_at_s=0, opening_grant_nano=2**60)
    if account is None:
        raise RuntimeError(f"there is an account {name!r} already")
    issued = issue_key(KeyKind.STANDARD, os.urandom(32), bytes(32))
    terms = KeyTerms(name="bench", credit_limit_nano=2**59)
    key = await create_key(driver, account, issued, terms, 0)
    return Caller(driver, account.id, key.id)


async def measure(
    database: str, open_driver: OpenDriver, seconds: float, read_cpu_s: ReadCpu
) -> list[Pairs]:
    """Each width for so long, over one driver, after a second that only warms up."""
    driver = await open_driver()
    try:
        caller = await open_caller(driver)
        await _run(caller, max(WIDTHS), 1.0)
        found = []
        for width in WIDTHS:
            cpu_s = read_cpu_s()
            done, took_s = await _run(caller, width, seconds)
            used_us = (read_cpu_s() - cpu_s) * 1e6
            found.append(Pairs(database, width, done / took_s, used_us / done))
        return found
    finally:
        await driver.close()


async def _run(caller: Caller, width: int, seconds: float) -> tuple[int, float]:
    """How many pairs, and how long they took."""
    done = 0
    began_s = time.perf_counter()
    deadline_s = began_s + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < deadline_s:
            await caller.call()
            done += 1

    await asyncio.gather(*(work() for _ in range(width)))
    return done, time.perf_counter() - began_s


def _cpu_s() -> float:
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def measure_store(path: Path) -> Pairs:
    """The writer alone, over a file that was in use: groups of 64 holds, then of their posts."""
    driver = await SqliteDriver.open(path)
    caller = await open_caller(driver)
    # Opens the accounts of what the provider costs, which the ledger does before a settlement.
    await caller.call()
    await driver.close()
    made = [caller.make_pair() for _ in range(STORE_PAIRS)]
    groups: list[list[Batch]] = []
    for first in range(0, STORE_PAIRS, max(WIDTHS)):
        some = made[first : first + max(WIDTHS)]
        groups.append([_batch(hold_statements(hold, "bench")) for hold, _ in some])
        groups.append([_batch(settle_statements(end, hold)) for hold, end in some])
    connection, identity = open_connection(path), identify(path)
    # All groups at once are more than a writer ever has: its collector would not walk them.
    gc.collect()
    gc.freeze()
    began_s, cpu_s = time.perf_counter(), _cpu_s()
    for group in groups:
        # By itself the connection waits for the disk at each.
        commit_group(connection, path, identity, group)
    took_s, took_cpu_s = time.perf_counter() - began_s, _cpu_s() - cpu_s
    connection.close()
    gc.unfreeze()
    if any(batch.error is not None for group in groups for batch in group):
        raise RuntimeError("a commit was refused")
    return Pairs("store alone", max(WIDTHS), STORE_PAIRS / took_s, took_cpu_s / STORE_PAIRS * 1e6)


def _batch(statements: Sequence[Statement]) -> Batch:
    return Batch(statements, asyncio.get_running_loop().create_future(), is_flushed=True)


def measure_flush_us(folder: Path) -> float:
    """What the disk takes for one flush of 4 KB: a pair alone waits for two of them."""
    block = os.urandom(4096)
    handle = os.open(folder / "flush", os.O_CREAT | os.O_WRONLY)
    try:
        began_s = time.perf_counter()
        for _ in range(FLUSHES):
            os.write(handle, block)
            os.fdatasync(handle)
        return (time.perf_counter() - began_s) / FLUSHES * 1e6
    finally:
        os.close(handle)


def measure_sqlite(seconds: float) -> tuple[list[Pairs], float]:
    """SQLite in a folder that goes again: the pairs, and the disk's µs for a flush."""
    with tempfile.TemporaryDirectory(prefix="nagara-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        flush_us = measure_flush_us(folder)

        path = folder / "bench.db"

        async def run() -> list[Pairs]:
            opened = partial(SqliteDriver.open, path)
            pairs = await measure("sqlite", opened, seconds, _cpu_s)
            return [*pairs, await measure_store(path)]

        return uvloop.run(run()), flush_us


def measure_postgres(seconds: float) -> list[Pairs]:
    """PostgreSQL, a server of its own that waits for its disk and goes again."""
    with started(is_durable=True) as server:
        opened = partial(PostgresDriver.open, Secret(server.make_schema()))
        return uvloop.run(measure("postgres", opened, seconds, time.process_time))


def render(pairs: Sequence[Pairs], flush_us: float) -> str:
    """A table for people."""
    rows = [
        f"{each.database:<12}{each.width:>4} in flight {each.pairs_per_s:>10,.0f} pairs a second"
        f"{each.pair_cpu_us:>8.0f} µs CPU a pair"
        for each in pairs
    ]
    target = f"target {PAIRS_TARGET_PER_S:,} pairs a second with 64 in flight, on SQLite"
    return "\n".join([*rows, f"a flush of the disk takes {flush_us:.0f} µs; {target}"])
