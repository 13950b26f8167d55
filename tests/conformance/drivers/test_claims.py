"""Claims to idempotency keys over each driver: one key, one charge, and its answer with it."""

import asyncio
from pathlib import Path

import pytest
from tests.books import Books, open_books
from tests.conformance.drivers.conftest import Opener
from tests.fakes import FakeClock

from nagara.observe.observations import Notice, Observation
from nagara.settings import Settings
from nagara.settlement import Settlements
from nagara.storage.claims import (
    Answer,
    Claim,
    ClaimTakenError,
    Loss,
    Scope,
    load_call,
    load_open,
    sweep_calls,
)
from nagara.storage.driver import Driver, ExpectationError
from nagara.storage.ledger import Ledger, Shortage
from nagara.storage.ledger_statements import Settlement
from nagara.storage.runners import Expired, Reaper
from nagara.storage.spool import Spool

NOW_S = 1_000
LEASE_S = 30.0
ANSWER = Answer(200, ((b"content-type", b"application/json"),), b'{"ok":\x00true}')


def make_claim(
    books: Books, request: str, runner: str = "runner-1", now_s: int = NOW_S, key: str = "k"
) -> Claim:
    return Claim(
        scope=Scope(books.account.id, False, key),
        fingerprint=b"f" * 32,
        request=request,
        request_id=f"req_{request}",
        runner=runner,
        now_s=now_s,
        expires_at_s=now_s + 100,
    )


async def free_the_dead(driver: Driver) -> Expired:
    """Let another process see that `runner-1` is dead."""
    clock = FakeClock()
    reaper = Reaper(driver, Ledger(driver, "watcher"), clock, LEASE_S)
    expired = [await reaper.turn()]
    for _ in range(4):
        clock.advance(LEASE_S)
        expired.append(await reaper.turn())
    return Expired(sum(e.count for e in expired), sum(e.amount_nano for e in expired))


async def test_answer_is_there_when_the_charge_is(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(100)
    claim = make_claim(books, hold.id)
    assert await books.ledger.hold(hold, [claim.opening()]) is None
    found = await load_call(driver, claim.scope, NOW_S)
    assert found is not None
    assert (found.is_running, found.fingerprint) == (True, claim.fingerprint)
    assert await load_open(driver, "runner-1") == [hold.id]
    settlement = books.settlement(hold, 70, extra=(claim.answered(ANSWER),))
    for _ in range(2):
        await books.ledger.settle(settlement)
    found = await load_call(driver, claim.scope, NOW_S)
    assert found is not None
    assert (found.answer, found.loss, found.request_id) == (ANSWER, None, f"req_{hold.id}")
    assert await books.codes() == [("post", 70)]
    assert await load_open(driver, "runner-1") == []
    await books.check()


async def test_largest_answer_that_is_kept_by_default_is_given_back_whole(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    claim = make_claim(books, "r")
    answer = Answer(200, (), bytes(range(256)) * 2**16)
    assert len(answer.body) == Settings().idempotency_answer_bytes_max
    record = books.record("r")
    await books.ledger.settle(Settlement(hold=None, record=record, extra=(claim.answered(answer),)))
    found = await load_call(driver, claim.scope, NOW_S)
    assert found is not None
    assert found.answer == answer


async def test_key_of_another_request_holds_nothing(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    first, second = books.make_hold(100), books.make_hold(100)
    await books.ledger.hold(first, [make_claim(books, first.id).opening()])
    with pytest.raises(ExpectationError):
        await books.ledger.hold(second, [make_claim(books, second.id).opening()])
    assert await books.available_nano() == 900
    # Repeated by the same request, it is still that one's.
    await books.ledger.claim(make_claim(books, first.id))


async def test_of_many_claims_at_once_one_is_made(open_driver: Opener) -> None:
    drivers = [await open_driver() for _ in range(2)]
    books = await open_books(drivers[0], 100_000)
    ledgers = [Ledger(driver, f"runner-{at}") for at, driver in enumerate(drivers)]
    holds = [books.make_hold(10) for _ in range(40)]
    outcomes = await asyncio.gather(
        *(
            ledgers[at % 2].hold(hold, [make_claim(books, hold.id).opening()])
            for at, hold in enumerate(holds)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, ExpectationError) for outcome in outcomes) == 39
    assert await books.available_nano() == 100_000 - 10
    for driver in drivers:
        await driver.close()


async def test_hold_that_is_refused_claims_nothing(driver: Driver) -> None:
    books = await open_books(driver, 50)
    hold = books.make_hold(100)
    claim = make_claim(books, hold.id)
    assert await books.ledger.hold(hold, [claim.opening()]) == Shortage(50, None)
    assert await load_call(driver, claim.scope, NOW_S) is None


async def test_key_is_free_again_after_a_void(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold, again = books.make_hold(100), books.make_hold(100)
    claim = make_claim(books, hold.id)
    await books.ledger.hold(hold, [claim.opening()])
    await books.ledger.settle(books.settlement(hold, extra=(claim.released(),)))
    assert await load_call(driver, claim.scope, NOW_S) is None
    await books.ledger.hold(again, [make_claim(books, again.id).opening()])
    assert await books.available_nano() == 900


async def test_what_was_charged_and_not_kept_says_why(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    for loss in Loss:
        hold = books.make_hold(100)
        claim = make_claim(books, hold.id, key=loss.value)
        await books.ledger.hold(hold, [claim.opening()])
        await books.ledger.settle(books.settlement(hold, 20, extra=(claim.lost(loss),)))
        found = await load_call(driver, claim.scope, NOW_S)
        assert found is not None
        assert (found.answer, found.loss) == (None, loss)


async def test_accounts_and_test_keys_have_keys_of_their_own(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    other = await open_books(driver, 1000, name="other", runner="runner-2")
    for number, who in enumerate((books, other)):
        await who.ledger.claim(make_claim(who, f"live-{number}"))
    claim = make_claim(books, "test")
    claim.scope = Scope(books.account.id, True, "k")
    await books.ledger.claim(claim)
    assert await load_open(driver, "runner-1") == ["live-0", "live-1", "test"]


async def test_expired_key_is_anybodys_and_is_swept(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    old = make_claim(books, "old")
    await books.ledger.claim(old)
    record = books.record("old")
    await books.ledger.settle(Settlement(hold=None, record=record, extra=(old.answered(ANSWER),)))
    assert await load_call(driver, old.scope, NOW_S + 99) is not None
    assert await load_call(driver, old.scope, NOW_S + 100) is None
    with pytest.raises(ExpectationError):
        await books.ledger.claim(make_claim(books, "soon", now_s=NOW_S + 99))
    await books.ledger.claim(make_claim(books, "new", now_s=NOW_S + 100))
    found = await load_call(driver, old.scope, NOW_S + 100)
    assert found is not None
    assert found.is_running
    await sweep_calls(driver, NOW_S + 199)
    assert await load_open(driver, "runner-1") == ["new"]
    await sweep_calls(driver, NOW_S + 200)
    assert await driver.query("SELECT COUNT(*) FROM idempotent_calls") == [(0,)]


async def test_all_that_has_expired_is_swept(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    for number in range(250):
        await books.ledger.claim(make_claim(books, f"r{number}", key=f"k{number}"))
    await sweep_calls(driver, NOW_S + 100)
    assert await driver.query("SELECT COUNT(*) FROM idempotent_calls") == [(0,)]


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "free"])
async def test_key_of_the_dead_is_freed_with_its_money(driver: Driver, is_held: bool) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(100)
    claim = make_claim(books, hold.id)
    if is_held:
        await books.ledger.hold(hold, [claim.opening()])
    else:
        await books.ledger.claim(claim)
    assert await free_the_dead(driver) == (Expired(1, 100) if is_held else Expired())
    assert await load_call(driver, claim.scope, NOW_S) is None
    assert await driver.query("SELECT id FROM runners") == [("watcher",)]


async def test_key_of_the_living_stays(driver: Driver) -> None:
    books, clock = await open_books(driver, 1000), FakeClock()
    reapers = [
        Reaper(driver, ledger, clock, LEASE_S) for ledger in (books.ledger, Ledger(driver, "other"))
    ]
    await books.ledger.claim(make_claim(books, "r"))
    for _ in range(20):
        for reaper in reapers:
            await reaper.turn()
        clock.advance(5.0)
    assert await load_open(driver, "runner-1") == ["r"]


async def test_key_that_nobody_knows_of_is_freed_by_its_own_process(driver: Driver) -> None:
    """Whose claim timed out does not know that it was made."""
    books, clock = await open_books(driver, 1000), FakeClock()
    await Ledger(driver, "runner-1").claim(make_claim(books, "forgotten"))
    await books.ledger.claim(make_claim(books, "known", key="other"))
    reaper = Reaper(driver, books.ledger, clock, LEASE_S)
    for _ in range(8):
        await reaper.turn()
        clock.advance(5.0)
    assert await load_open(driver, "runner-1") == ["known"]


class Returning:
    """A process that was taken for dead while it served a call, and lives after all."""

    def __init__(self, books: Books, folder: Path) -> None:
        self.said: list[Observation] = []
        self.settlements = Settlements(
            books.ledger, Spool(folder, "runner-1"), self.said.append, patience_s=5.0
        )

    @property
    def errors(self) -> list[str]:
        return [each.message for each in self.said if isinstance(each, Notice)]


async def test_the_dead_that_lives_again_charges_when_nobody_took_its_key(
    driver: Driver, tmp_path: Path
) -> None:
    books = await open_books(driver, 1000)
    returning, hold = Returning(books, tmp_path), books.make_hold(100)
    claim = make_claim(books, hold.id)
    assert await returning.settlements.hold(hold, claim) is None
    await free_the_dead(driver)
    await returning.settlements.settle(books.settlement(hold, 70, extra=(claim.answered(ANSWER),)))
    found = await load_call(driver, claim.scope, NOW_S)
    assert found is not None
    assert found.answer == ANSWER
    assert await books.codes() == [("late", 70)]
    assert returning.errors == []
    await books.check()


@pytest.mark.parametrize("has_ended", [True, False], ids=["answered", "running"])
async def test_the_dead_that_lives_again_charges_nothing_when_its_key_is_anothers(
    driver: Driver, tmp_path: Path, has_ended: bool
) -> None:
    books = await open_books(driver, 1000)
    returning = Returning(books, tmp_path)
    first, second = books.make_hold(100), books.make_hold(100)
    claim, other = make_claim(books, first.id), make_claim(books, second.id, "runner-2")
    await returning.settlements.hold(first, claim)
    await free_the_dead(driver)
    ledger = Ledger(driver, "runner-2")
    await ledger.hold(second, [other.opening()])
    late = books.settlement(first, 70, extra=(claim.answered(Answer(200, (), b"late")),))
    ending = books.settlement(second, 60, extra=(other.answered(ANSWER),))
    if has_ended:
        await ledger.settle(ending)
    await returning.settlements.settle(late)
    if not has_ended:
        await ledger.settle(ending)
    assert await books.codes() == [("post", 60)]
    assert await books.available_nano() == 940
    found = await load_call(driver, claim.scope, NOW_S)
    assert found is not None
    assert found.answer == ANSWER
    assert len(returning.errors) == 1
    assert "is not charged" in returning.errors[0]
    await books.check()


async def test_hold_that_stands_is_given_back_when_its_key_is_anothers(
    driver: Driver, tmp_path: Path
) -> None:
    books = await open_books(driver, 1000)
    returning = Returning(books, tmp_path)
    first, second = books.make_hold(100), books.make_hold(100)
    claim, other = make_claim(books, first.id), make_claim(books, second.id, "runner-2")
    await returning.settlements.hold(first, claim)
    # As when the process came back between the expiry of its holds and this.
    await driver.commit([claim.released()])
    await Ledger(driver, "runner-2").hold(second, [other.opening()])
    late = books.settlement(first, 70, extra=(claim.answered(ANSWER),))
    await returning.settlements.settle(late)
    assert await books.codes() == []
    assert await books.available_nano() == 900
    await books.check()


async def test_settlements_say_that_a_key_is_taken(driver: Driver, tmp_path: Path) -> None:
    books = await open_books(driver, 1000)
    settlements, hold = Returning(books, tmp_path).settlements, books.make_hold(100)
    await settlements.claim(make_claim(books, "first"))
    with pytest.raises(ClaimTakenError):
        await settlements.hold(hold, make_claim(books, hold.id))
    with pytest.raises(ClaimTakenError):
        await settlements.claim(make_claim(books, "third"))
    assert await books.available_nano() == 1000


async def test_claim_that_was_made_for_nothing_is_freed_by_its_own_process(
    driver: Driver, tmp_path: Path
) -> None:
    """When the store failed before its call had begun, and again when it was to be released."""
    books, clock = await open_books(driver, 1000), FakeClock()
    settlements, claim = Returning(books, tmp_path).settlements, make_claim(books, "r")
    await settlements.claim(claim)
    settlements.forget(claim)
    reaper = Reaper(driver, books.ledger, clock, LEASE_S)
    for _ in range(8):
        await reaper.turn()
        clock.advance(5.0)
    assert await load_open(driver, "runner-1") == []
