"""Settling while the database is slow or down: nobody waits for long, and nothing is forgotten."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Notice, Observation
from nagara.settlement import Settlements
from nagara.storage.driver import StorageError
from nagara.storage.ledger import Ledger, LedgerError, Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.spool import FOLDER, Spool
from tests.books import make_settlement

PATIENCE_S = 0.02
SOON_S = 10.0


class FakeLedger(Ledger):
    """A ledger that is there, is away, or does not answer, as `state` says."""

    def __init__(self) -> None:
        self.state = "there"
        self.settled: list[str] = []
        self.commits_of_many = 0
        self.refused: dict[str, Exception] = {}
        self.forgotten: list[str] = []
        self.changed = asyncio.Condition()

    async def _answer(self) -> None:
        if self.state == "away":
            raise StorageError("the database is away")
        if self.state == "silent":
            await asyncio.Event().wait()

    async def hold(self, hold: Hold, extra: object = ()) -> Shortage | None:
        await self._answer()
        return None

    async def settle(self, settlement: Settlement) -> None:
        await self._answer()
        if settlement.record.id in self.refused:
            raise self.refused[settlement.record.id]
        async with self.changed:
            self.settled.append(settlement.record.id)
            self.changed.notify_all()

    async def settle_free(self, settlements: Sequence[Settlement]) -> None:
        await self._answer()
        for each in settlements:
            if each.record.id in self.refused:
                raise self.refused[each.record.id]
        for each in settlements:
            await self.settle(each)
        self.commits_of_many += 1

    def forget(self, hold_id: str) -> None:
        self.forgotten.append(hold_id)

    async def wait_for(self, *ids: str) -> None:
        """Until these are settled, each once."""
        async with asyncio.timeout(SOON_S), self.changed:
            await self.changed.wait_for(lambda: set(self.settled) >= set(ids))
        assert sorted(self.settled) == sorted(ids)


class Desk:
    """Settlements over a fake ledger and a real spool."""

    def __init__(self, folder: Path, runner: str = "run_own") -> None:
        self.ledger = FakeLedger()
        self.told: list[str] = []
        self.has_told = asyncio.Event()
        self.folder = folder / FOLDER
        spool = Spool(folder, runner)
        self.settlements = Settlements(self.ledger, spool, self._observe, PATIENCE_S)

    def _observe(self, observation: Observation) -> None:
        assert isinstance(observation, Notice)
        self.told.append(observation.message)
        self.has_told.set()

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """With someone who does what is left over."""
        task = asyncio.create_task(self.settlements.work_forever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def settle(self, *ids: str) -> None:
        """As callers do at the end of their answers, all at once."""
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(*(self.settlements.settle(make_settlement(id_)) for id_ in ids))

    @property
    def spooled(self) -> int:
        """How many files wait on the disk."""
        return len(list(self.folder.glob("*.spool")))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.settlements.close()


@pytest.mark.parametrize("state", ["away", "silent"])
async def test_hold_that_nobody_knows_of_is_503_and_to_be_tried_again(
    desk: Desk, state: str
) -> None:
    desk.ledger.state = state
    hold = make_settlement("r1").hold
    assert hold is not None
    with pytest.raises(GatewayError) as caught:
        await desk.settlements.hold(hold)
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert caught.value.retry_after_s


@pytest.mark.parametrize("state", ["away", "silent"])
async def test_what_the_database_does_not_take_is_made_up_for(desk: Desk, state: str) -> None:
    desk.ledger.state = state
    async with desk.working():
        await desk.settle("r1", "r2")
        # While the first ones are being tried again.
        await desk.settle("r3")
        assert desk.spooled == 1
        desk.has_told.clear()
        desk.ledger.state = "there"
        await desk.ledger.wait_for("r1", "r2", "r3")
        await desk.has_told.wait()
    assert desk.spooled == 0
    assert len(desk.told) == 2, "once that it fails, and once that it works again"


async def test_what_waits_in_memory_goes_to_the_disk_with_a_database_that_is_away(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.ledger.state = "away"
    desk.settlements.settle_later(make_settlement("r1"))
    await desk.settlements.close()
    assert desk.spooled == 1


async def test_cancelled_while_it_was_kept_it_is_settled_all_the_same(desk: Desk) -> None:
    desk.ledger.state = "silent"
    ending = asyncio.create_task(desk.settlements.settle(make_settlement("r1")))
    await desk.has_told.wait()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    desk.ledger.state = "there"
    async with desk.working(), asyncio.timeout(SOON_S), desk.ledger.changed:
        await desk.ledger.changed.wait_for(lambda: "r1" in desk.ledger.settled)


async def test_the_next_process_settles_what_a_dead_one_could_not(tmp_path: Path) -> None:
    dead = Desk(tmp_path, "run_dead")
    dead.ledger.state = "away"
    await dead.settle("r1", "r2")
    await dead.settlements.close()
    (dead.folder / "run_a.spool").mkdir()
    living = Desk(tmp_path)
    living.ledger.state = "away"
    async with living.working():
        await living.has_told.wait()
        living.ledger.state = "there"
        await living.ledger.wait_for("r1", "r2")
    await living.settlements.close()
    assert any("run_a.spool cannot be read" in told for told in living.told)
    assert any("settled 2 requests" in told for told in living.told)


async def test_where_the_disk_takes_nothing_either_memory_has_to_do_and_it_is_said(
    desk: Desk,
) -> None:
    desk.folder.write_text("in the way")
    desk.ledger.state = "away"
    async with desk.working():
        await desk.settle("r1")
        await desk.settle("r2")
        desk.ledger.state = "there"
        await desk.ledger.wait_for("r1", "r2")
    assert sum("lost if we are killed" in told for told in desk.told) == 1


@pytest.mark.parametrize("error", [LedgerError("no"), OverflowError("no"), TypeError("no")])
async def test_what_can_never_be_settled_holds_up_nobody_and_no_money(
    desk: Desk, error: Exception
) -> None:
    desk.ledger.refused["bad"] = error
    async with desk.working():
        for id_ in ("r1", "bad", "r2"):
            desk.settlements.settle_later(make_settlement(id_))
        await desk.ledger.wait_for("r1", "r2")
    assert desk.told == ["the request bad cannot be settled: no"]
    assert desk.ledger.forgotten == ["bad"]


def free(request: str) -> Settlement:
    return msgspec.structs.replace(make_settlement(request), hold=None)


@pytest.mark.parametrize("state", ["there", "away", "silent"])
async def test_what_nobody_pays_for_is_recorded_together(desk: Desk, state: str) -> None:
    desk.ledger.state = state
    async with desk.working():
        for request in ("r1", "r2", "r3"):
            desk.settlements.settle_free(partial(free, request))
        if state != "there":
            await desk.has_told.wait()
            desk.ledger.state = "there"
        await desk.ledger.wait_for("r1", "r2", "r3")
    # Those that had to wait on the disk are read back one by one.
    assert desk.ledger.commits_of_many == (1 if state == "there" else 0)


async def test_one_that_cannot_be_recorded_does_not_take_the_others_along(desk: Desk) -> None:
    desk.ledger.refused["bad"] = LedgerError("no")
    async with desk.working():
        for request in ("r1", "bad", "r2"):
            desk.settlements.settle_free(partial(free, request))
        await desk.ledger.wait_for("r1", "r2")
    assert desk.told == ["the request bad cannot be settled: no"]
