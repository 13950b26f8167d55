"""Runners over each driver: the dead are reaped once their beat stood still, the living never."""

from collections.abc import Sequence

from tests.books import WrappedDriver, open_books
from tests.fakes import FakeClock

from nagara.storage.driver import Driver, Result, Statement, StorageError
from nagara.storage.ledger import Ledger
from nagara.storage.runners import Expired, Reaper

LEASE_S = 30.0
TURN_S = 5.0


async def turn(reaper: Reaper, clock: FakeClock, seconds: float) -> Expired:
    """Turns of one reaper while so much time passes; what they gave back together."""
    expired = [await reaper.turn()]
    for _ in range(int(seconds / TURN_S)):
        clock.advance(TURN_S)
        expired.append(await reaper.turn())
    return Expired(sum(each.count for each in expired), sum(each.amount_nano for each in expired))


def make_reaper(driver: Driver, runner: str, clock: FakeClock) -> Reaper:
    return Reaper(driver, Ledger(driver, runner), clock, LEASE_S)


async def test_holds_of_the_dead_are_given_back_after_the_lease(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    await Reaper(driver, books.ledger, clock, LEASE_S).turn()
    for amount_nano in (100, 50):
        await books.ledger.hold(books.make_hold(amount_nano))
    other = make_reaper(driver, "runner-2", clock)
    assert await turn(other, clock, LEASE_S - TURN_S) == Expired()
    assert await books.available_nano() == 850
    assert await turn(other, clock, TURN_S) == Expired(2, 150)
    assert await turn(other, clock, LEASE_S) == Expired()
    assert await books.available_nano() == 1000
    assert await driver.query("SELECT id FROM runners") == [("runner-2",)]
    await books.check()


async def test_process_that_died_before_its_first_beat_is_reaped_too(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    await books.ledger.hold(books.make_hold(100))
    assert await turn(make_reaper(driver, "runner-2", clock), clock, LEASE_S) == Expired(1, 100)


async def test_holds_of_the_living_stay(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    own = Reaper(driver, books.ledger, clock, LEASE_S)
    await books.ledger.hold(books.make_hold(100))
    other = make_reaper(driver, "runner-2", clock)
    for _ in range(20):
        assert await own.turn() == Expired()
        assert await other.turn() == Expired()
        clock.advance(TURN_S)
    assert await books.available_nano() == 900


async def test_watcher_that_slept_itself_takes_nobody_for_dead(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    own = Reaper(driver, books.ledger, clock, LEASE_S)
    await own.turn()
    await books.ledger.hold(books.make_hold(100))
    other = make_reaper(driver, "runner-2", clock)
    await other.turn()
    clock.advance(10 * LEASE_S)
    assert await other.turn() == Expired()
    await own.turn()
    assert await other.turn() == Expired()
    assert await books.available_nano() == 900


async def test_the_dead_that_lives_again_settles_late_and_beats_anew(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    hold = books.make_hold(100)
    await books.ledger.hold(hold)
    await turn(make_reaper(driver, "runner-2", clock), clock, LEASE_S)
    await Reaper(driver, books.ledger, clock, LEASE_S).turn()
    await books.ledger.settle(books.settlement(hold, 70))
    assert await books.codes() == [("late", 70)]
    assert await driver.query("SELECT id FROM runners ORDER BY id") == [
        ("runner-1",),
        ("runner-2",),
    ]
    await books.check()


async def test_two_reapers_give_a_hold_back_once(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    await books.ledger.hold(books.make_hold(100))
    reapers = [make_reaper(driver, f"watcher-{number}", clock) for number in range(2)]
    total = 0
    for _ in range(8):
        for reaper in reapers:
            total += (await reaper.turn()).count
        clock.advance(TURN_S)
    assert total == 1
    assert await books.available_nano() == 1000


class ForgetfulDriver(WrappedDriver):
    """Commits and then says that it could not, while it is failing."""

    is_failing = False

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        results = await super().commit(statements, group=group, is_flushed=is_flushed)
        if self.is_failing:
            raise StorageError("the answer was lost")
        return results


async def test_hold_that_nobody_knows_of_is_given_back_by_its_own_process(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    forgetful = ForgetfulDriver(driver)
    ledger = Ledger(forgetful, "runner-1")
    reaper = Reaper(driver, ledger, clock, LEASE_S)
    known = books.make_hold(300)
    await ledger.hold(known)
    forgetful.is_failing = True
    try:
        await ledger.hold(books.make_hold(100))
    except StorageError:
        forgetful.is_failing = False
    assert await books.available_nano() == 600
    assert await turn(reaper, clock, LEASE_S) == Expired(1, 100)
    assert await books.available_nano() == 700
    await ledger.settle(books.settlement(known, 300))
    await books.check()
