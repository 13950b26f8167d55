"""Hold, post and void over each driver: never below zero, never twice, whatever comes between."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from tests.books import CARD, Books, WrappedDriver, open_books

from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.credits import top_up
from nagara.storage.driver import (
    ConflictError,
    Driver,
    ExpectationError,
    Result,
    Statement,
    StorageError,
)
from nagara.storage.ledger import Ledger, LedgerError, Shortage
from nagara.storage.ledger_statements import Settlement, expire_statements
from nagara.storage.row_inserts import PIECES
from nagara.storage.verify import verify

Opener = Callable[[], Awaitable[Driver]]


async def test_held_money_is_there_but_not_available(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    assert await books.ledger.hold(books.make_hold(600)) is None
    balance = await books.ledger.find_balance(books.account.id)
    assert (balance.credits_nano, balance.pending_nano, balance.available_nano) == (1000, 600, 400)
    await books.check()


async def test_post_takes_the_charge_and_gives_the_rest_of_the_hold_back(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 70, costs=(("openai", 30), ("openai", 5))))
    assert await books.available_nano() == 930
    assert sorted(await books.codes()) == [("cost", 35), ("post", 70)]
    assert not books.ledger.is_open(hold.id)
    await books.check()


async def test_void_gives_all_back_and_is_recorded(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold))
    assert await books.available_nano() == 1000
    assert await driver.query("SELECT held_nano, charge_nano FROM requests") == [(600, 0)]
    await books.check()


async def test_hold_beyond_the_balance_is_refused_with_what_there_is(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    await books.ledger.hold(books.make_hold(600))
    shortage = await books.ledger.hold(books.make_hold(401))
    assert shortage == Shortage(400, None)
    assert await books.ledger.hold(books.make_hold(400)) is None
    await books.check()


async def test_hold_beyond_the_keys_limit_is_refused_with_what_it_has_left(driver: Driver) -> None:
    books = await open_books(driver, 1000, limit_nano=500)
    await books.spend(100)
    await books.ledger.hold(books.make_hold(150))
    assert await books.ledger.hold(books.make_hold(251)) == Shortage(750, 250)
    assert await books.available_nano() == 750
    assert await books.ledger.hold(books.make_hold(250)) is None
    await books.check()


async def test_charge_beyond_the_hold_is_the_hold_and_an_overrun(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(100)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 350))
    assert sorted(await books.codes()) == [("overrun", 250), ("post", 100)]
    assert await books.available_nano() == 650
    await books.check()


async def test_overrun_takes_what_is_available_and_no_hold_of_another_request(
    driver: Driver,
) -> None:
    books = await open_books(driver, 1000)
    hold, other = books.make_hold(100), books.make_hold(850)
    await books.ledger.hold(hold)
    await books.ledger.hold(other)
    await books.ledger.settle(books.settlement(hold, 500))
    assert sorted(await books.codes()) == [("overrun", 50), ("post", 100), ("uncollected", 350)]
    assert await books.available_nano() == 0
    await books.ledger.settle(books.settlement(other, 850))
    assert await books.available_nano() == 0
    await books.check()


async def test_overrun_of_an_empty_balance_is_all_uncollected(driver: Driver) -> None:
    books = await open_books(driver, 100)
    hold = books.make_hold(100)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 101))
    assert sorted(await books.codes()) == [("post", 100), ("uncollected", 1)]
    await books.check()


async def test_second_settlement_changes_nothing(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    for _ in range(3):
        await books.ledger.settle(books.settlement(hold, 70, costs=(("openai", 30),)))
    assert await books.available_nano() == 930
    assert await driver.query("SELECT requests, charge_nano FROM activity") == [(1, 70)]
    await books.check()


async def test_a_void_after_a_post_changes_nothing(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 70))
    await books.ledger.settle(books.settlement(hold))
    assert await books.available_nano() == 930
    await books.check()


async def test_second_hold_of_an_id_holds_nothing_more(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    assert await books.ledger.hold(hold) is None
    # Once as a conflict of ids, once as credit that it took itself.
    assert await books.ledger.hold(hold) is None
    await books.ledger.hold(books.make_hold(400))
    assert await books.ledger.hold(hold) is None
    assert await books.available_nano() == 0
    await books.check()


async def test_id_of_another_hold_is_refused(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    await books.ledger.hold(books.make_hold(600, "same"))
    with pytest.raises(LedgerError, match="another hold"):
        await books.ledger.hold(books.make_hold(300, "same"))
    assert await books.available_nano() == 400


async def test_post_after_the_hold_expired_is_charged_late(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    await driver.commit(expire_statements(hold))
    assert await books.available_nano() == 1000
    await books.ledger.settle(books.settlement(hold, 70))
    await books.ledger.settle(books.settlement(hold, 70))
    assert await books.codes() == [("late", 70)]
    assert await books.available_nano() == 930
    await books.check()


async def test_late_charge_that_cannot_be_paid_is_uncollected(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.hold(hold)
    await driver.commit(expire_statements(hold))
    await books.spend(970)
    await books.ledger.settle(books.settlement(hold, 70))
    assert await books.codes() == [("post", 970), ("late", 30), ("uncollected", 40)]
    assert await books.available_nano() == 0
    await books.check()


async def test_late_void_is_recorded_and_moves_nothing(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(600)
    await books.ledger.settle(books.settlement(hold))
    assert await books.codes() == []
    assert await driver.query("SELECT COUNT(*) FROM requests") == [(1,)]
    await books.check()


async def test_free_requests_are_recorded_together_or_not_at_all(driver: Driver) -> None:
    books = await open_books(driver, 0)
    one, two, three = (
        Settlement(hold=None, record=books.record(name), costs=(("openai", 9),))
        for name in ("one", "two", "three")
    )
    await books.ledger.settle_free([one, two])
    with pytest.raises(ConflictError):
        await books.ledger.settle_free([three, one])
    rows = await driver.query("SELECT id, cost_nano FROM requests ORDER BY seq")
    assert rows == [("one", 9), ("two", 9)]
    assert await driver.query("SELECT requests, cost_nano FROM activity") == [(2, 18)]
    await books.check()


async def test_many_free_requests_are_recorded_in_their_order(driver: Driver) -> None:
    books = await open_books(driver, 0)
    # More than go into one statement, and some are left over.
    names = [f"r{number:02}" for number in range(PIECES[0] + 7)]
    free = [
        Settlement(hold=None, record=books.record(name), costs=(("openai", 9), ("other", at)))
        for at, name in enumerate(names)
    ]
    await books.ledger.settle_free(free)
    costs = [(name, 9 + at) for at, name in enumerate(names)]
    assert await driver.query("SELECT id, cost_nano FROM requests ORDER BY seq") == costs
    moved = await driver.query(
        "SELECT request, credit.kind, amount_nano, note FROM transfers "
        "JOIN ledger_accounts AS credit ON credit.id = credit_id ORDER BY seq"
    )
    # In the ledger it is one movement for each provider.
    together = f"{len(names)} requests"
    assert moved == [
        (names[0], "provider:openai", 9 * len(names), together),
        (names[0], "provider:other", sum(range(len(names))), together),
    ]
    new = [Settlement(hold=None, record=books.record(f"n{at}")) for at in range(PIECES[0])]
    with pytest.raises(ConflictError):
        await books.ledger.settle_free([*new, free[-1]])
    assert await driver.query("SELECT SUM(requests), SUM(cost_nano) FROM activity") == [
        (len(names), sum(cost for _, cost in costs))
    ]
    await books.check()


async def test_free_request_is_recorded_once_without_a_hold(driver: Driver) -> None:
    books = await open_books(driver, 0)
    settlement = Settlement(hold=None, record=books.record("free"), costs=(("openai", 9),))
    await books.ledger.settle(settlement)
    await books.ledger.settle(settlement)
    assert await driver.query("SELECT requests, charge_nano, cost_nano FROM activity") == [
        (1, 0, 9)
    ]
    await books.check()


async def test_extra_statements_are_part_of_the_commit(driver: Driver, notes: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(10)
    note = Statement("INSERT INTO notes (number, text) VALUES (1, 'x')")
    assert await books.ledger.hold(hold, [note]) is None
    second = Statement("INSERT INTO notes (number, text) VALUES (2, 'y')")
    await books.ledger.settle(books.settlement(hold, 5, extra=(second,)))
    assert await notes.query("SELECT number FROM notes ORDER BY number") == [(1,), (2,)]


async def test_extra_statement_that_fails_leaves_nothing_done(
    driver: Driver, notes: Driver
) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(10)
    fails = Statement("UPDATE notes SET text = 'z' WHERE number = 9", rows_expected=1)
    with pytest.raises(ExpectationError):
        await books.ledger.hold(hold, [fails])
    assert await books.available_nano() == 1000
    await books.ledger.hold(hold)
    with pytest.raises(ExpectationError):
        await books.ledger.settle(books.settlement(hold, 5, extra=(fails,)))
    assert await books.available_nano() == 990
    await books.ledger.settle(books.settlement(hold, 5))
    await books.check()


@pytest.mark.parametrize("amount_nano", [-1, AMOUNT_NANO_MAX + 1, 10**30])
async def test_amount_that_is_none_is_refused_in_words(driver: Driver, amount_nano: int) -> None:
    books = await open_books(driver, 1000)
    with pytest.raises(LedgerError, match=re.escape(f"not ${format_dollars(amount_nano)}")):
        await books.ledger.hold(books.make_hold(amount_nano))
    hold = books.make_hold(10)
    await books.ledger.hold(hold)
    with pytest.raises(LedgerError, match=re.escape(f"not ${format_dollars(amount_nano)}")):
        await books.ledger.settle(books.settlement(hold, amount_nano))
    with pytest.raises(LedgerError, match=re.escape(f"not ${format_dollars(amount_nano)}")):
        await books.ledger.settle(books.settlement(hold, 5, costs=(("x", amount_nano),)))
    assert await books.available_nano() == 990
    await books.check()


async def test_largest_amounts_are_held_exactly_and_no_sum_leaves_64_bits(driver: Driver) -> None:
    books = await open_books(driver, AMOUNT_NANO_MAX)
    assert await books.ledger.hold(books.make_hold(AMOUNT_NANO_MAX, "all")) is None
    assert await books.available_nano() == 0
    assert await books.ledger.hold(books.make_hold(AMOUNT_NANO_MAX)) is not None
    hold = books.make_hold(AMOUNT_NANO_MAX, "all")
    await books.ledger.settle(books.settlement(hold, AMOUNT_NANO_MAX))
    small = books.make_hold(0)
    await books.ledger.hold(small)
    # Its key was charged all that a number can hold already.
    with pytest.raises(StorageError):
        await books.ledger.settle(books.settlement(small, 1))
    await books.ledger.settle(books.settlement(small))
    await books.check()


async def test_hold_of_nothing_is_a_hold(driver: Driver) -> None:
    books = await open_books(driver, 0)
    hold = books.make_hold(0)
    assert await books.ledger.hold(hold) is None
    await books.ledger.settle(books.settlement(hold))
    await books.check()


async def test_unknown_account_or_key_is_an_error(driver: Driver) -> None:
    books = await open_books(driver, 10)
    hold = books.make_hold(1)
    with pytest.raises(LedgerError, match="account 99"):
        await books.ledger.hold(msgspec.structs.replace(hold, account_id=99))
    with pytest.raises(LedgerError, match="key 98"):
        await books.ledger.hold(msgspec.structs.replace(hold, key_id=98))
    with pytest.raises(LedgerError, match="account 99"):
        await books.ledger.find_balance(99)
    assert await books.available_nano() == 10


async def test_settlement_of_another_hold_is_refused(driver: Driver) -> None:
    books = await open_books(driver, 10)
    hold = books.make_hold(1)
    other = Settlement(hold=hold, record=books.record("other", 1))
    with pytest.raises(LedgerError, match="not of the request"):
        await books.ledger.settle(other)


@pytest.mark.parametrize(("charge_nano", "left_nano"), [(4, 6), (15, 0)])
async def test_charge_that_nothing_was_held_for_is_taken_as_far_as_it_is_there(
    driver: Driver, charge_nano: int, left_nano: int
) -> None:
    books = await open_books(driver, 10)
    settlement = Settlement(hold=None, record=books.record("x", charge_nano), cards=(CARD,))
    for _ in range(2):
        await books.ledger.settle(settlement)
    assert await books.available_nano() == left_nano
    uncollected_nano = max(0, charge_nano - 10)
    uncollected = [("uncollected", uncollected_nano)] if uncollected_nano else []
    assert await books.codes() == [("late", charge_nano - uncollected_nano), *uncollected]
    await books.check()


@pytest.mark.parametrize("processes", [1, 3])
async def test_of_200_holds_at_once_no_more_succeed_than_the_balance_has(
    open_driver: Opener, processes: int
) -> None:
    drivers = [await open_driver() for _ in range(processes)]
    books = await open_books(drivers[0], 1000)
    ledgers = [Ledger(each, f"runner-{at}") for at, each in enumerate(drivers)]
    holds = [books.make_hold(30) for _ in range(200)]
    refused = await asyncio.gather(
        *(ledgers[at % processes].hold(hold) for at, hold in enumerate(holds))
    )
    held = [hold for hold, shortage in zip(holds, refused, strict=True) if shortage is None]
    assert len(held) == 33
    assert await books.available_nano() == 10
    # Each is settled by two processes at once, and some cost more than was held.
    await asyncio.gather(
        *(
            ledgers[(at + second) % processes].settle(books.settlement(hold, 20 + at))
            for at, hold in enumerate(held)
            for second in (0, 1)
        )
    )
    await books.check()
    assert await books.available_nano() >= 0
    assert await drivers[0].query("SELECT COUNT(*) FROM requests") == [(33,)]
    for driver in drivers:
        await driver.close()


async def test_two_ends_of_a_hold_at_once_are_one(driver: Driver) -> None:
    books = await open_books(driver, 100_000)
    for _ in range(20):
        hold = books.make_hold(50)
        await books.ledger.hold(hold)
        ends = [driver.commit(expire_statements(hold))]
        posts = [books.ledger.settle(books.settlement(hold, 40)) for _ in range(2)]
        await asyncio.gather(*ends, *posts, return_exceptions=True)
    assert await books.available_nano() == 100_000 - 20 * 40
    await books.check()


class Crash(BaseException):
    """The process ends here."""


class CrashingDriver(WrappedDriver):
    """Ends the process before or after the commit with a given number."""

    def __init__(self, driver: Driver, crash_at: int, *, is_after: bool) -> None:
        super().__init__(driver)
        self._left = crash_at
        self._is_after = is_after

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        self._left -= 1
        if self._left < 0 and not self._is_after:
            raise Crash
        results = await super().commit(statements, group=group, is_flushed=is_flushed)
        if self._left < 0:
            raise Crash
        return results


async def play(books: Books, ledger: Ledger) -> None:
    """A request of each kind."""
    for number, charge_nano in enumerate((70, 0, 300)):
        hold = books.make_hold(100, f"played-{number}")
        with contextlib.suppress(LedgerError):
            # It says so when the request was settled before the crash.
            await ledger.hold(hold)
        await ledger.settle(books.settlement(hold, charge_nano, costs=(("openai", 30),)))


async def test_hold_for_a_request_that_was_settled_is_refused(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    await books.ledger.settle(books.settlement(books.make_hold(10, "late")))
    with pytest.raises(LedgerError, match="settled already"):
        await books.ledger.hold(books.make_hold(10, "late"))
    assert await books.available_nano() == 1000


@pytest.mark.parametrize("is_after", [False, True])
async def test_crash_between_any_two_commits_is_mended_by_doing_it_again(
    open_driver: Opener, is_after: bool
) -> None:
    driver = await open_driver()
    for crash_at in range(sys.maxsize):
        books = await open_books(driver, 1000, name=f"customer-{crash_at}")
        books.prefix = f"{crash_at}-"
        crashing = CrashingDriver(driver, crash_at, is_after=is_after)
        try:
            await play(books, Ledger(crashing, "dead"))
            break
        except Crash:
            await books.check()
            await play(books, Ledger(driver, "next"))
        assert await books.available_nano() == 1000 - 370
        await books.check()
    assert crash_at == 7
    assert (await verify(driver)).counts["holds"] == 0
    await driver.close()


class CountingDriver(WrappedDriver):
    """Counts the commits that were tried."""

    commits = 0

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        self.commits += 1
        return await super().commit(statements, group=group, is_flushed=is_flushed)


async def test_who_was_refused_costs_no_commit_until_there_is_credit(driver: Driver) -> None:
    counting = CountingDriver(driver)
    books = await open_books(counting, 100)
    first = books.make_hold(100)
    assert await books.ledger.hold(first) is None
    assert await books.ledger.hold(books.make_hold(1)) == Shortage(0, None)
    tried = counting.commits
    for _ in range(3):
        assert await books.ledger.hold(books.make_hold(1)) == Shortage(0, None)
    # A repetition is still recognised.
    assert await books.ledger.hold(first) is None
    assert counting.commits == tried
    await top_up(counting, books.movement(1))
    assert await books.ledger.hold(books.make_hold(1)) is None
    await books.check()
