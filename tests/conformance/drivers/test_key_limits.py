"""Limits of keys over each driver: by period, changed while they run, under clocks that jump."""

import pytest
from tests.books import DAY_MS, Books, open_books

from nagara.domain.catalog import LimitPeriod
from nagara.domain.money import AMOUNT_NANO_MAX
from nagara.storage.driver import Driver
from nagara.storage.keys import KeyChanges, change_key, find_key
from nagara.storage.ledger import Ledger, Shortage

HOUR_MS = DAY_MS // 24
# 2024-10-04 was a Friday: Monday is in 3 days, November in 28.
FRIDAY_MS = 20_000 * DAY_MS


async def has_room_nano(books: Books) -> int:
    """What the key's limit has left, as a refusal says it."""
    refused = await books.ledger.hold(books.make_hold(10**9))
    assert isinstance(refused, Shortage)
    assert refused.key_available_nano is not None
    return refused.key_available_nano


@pytest.mark.parametrize(
    ("period", "days"), [(LimitPeriod.DAY, 1), (LimitPeriod.WEEK, 3), (LimitPeriod.MONTH, 28)]
)
async def test_limit_begins_anew_with_its_period_and_not_before(
    driver: Driver, period: LimitPeriod, days: int
) -> None:
    books = await open_books(driver, 10_000, limit_nano=100, period=period)
    books.now_ms = FRIDAY_MS
    await books.spend(70)
    books.now_ms = FRIDAY_MS + days * DAY_MS - 1
    assert await has_room_nano(books) == 30
    books.now_ms += 1
    assert await has_room_nano(books) == 100
    await books.spend(60)
    assert await has_room_nano(books) == 40
    await books.check()


async def test_total_limit_never_begins_anew(driver: Driver) -> None:
    books = await open_books(driver, 10_000, limit_nano=100)
    await books.spend(70)
    books.now_ms += 1000 * DAY_MS
    assert await has_room_nano(books) == 30


async def test_what_is_held_counts_whenever_it_was_held(driver: Driver) -> None:
    books = await open_books(driver, 10_000, limit_nano=100, period=LimitPeriod.DAY)
    hold = books.make_hold(80)
    await books.ledger.hold(hold)
    books.now_ms += DAY_MS
    assert await has_room_nano(books) == 20
    await books.ledger.settle(books.settlement(hold, 50))
    assert await has_room_nano(books) == 50
    await books.check()


async def test_charge_of_a_day_that_is_over_is_not_counted_into_the_next(driver: Driver) -> None:
    books = await open_books(driver, 10_000, limit_nano=100, period=LimitPeriod.DAY)
    late = books.make_hold(20)
    await books.ledger.hold(late)
    yesterday = books.settlement(late, 20)
    books.now_ms += DAY_MS
    await books.spend(30)
    await books.ledger.settle(yesterday)
    assert await has_room_nano(books) == 70
    await books.check()


async def test_clock_that_jumps_ahead_and_back_neither_resets_nor_freezes_a_limit(
    driver: Driver,
) -> None:
    books = await open_books(driver, 10_000, limit_nano=100, period=LimitPeriod.DAY)
    today_ms = books.now_ms
    await books.spend(40)
    books.now_ms = today_ms + 400 * DAY_MS
    await books.spend(10)
    books.now_ms = today_ms
    # The day that was not yet counts into every day until then: on the safe side.
    assert await has_room_nano(books) == 50
    await books.spend(20)
    assert await has_room_nano(books) == 30
    books.now_ms = today_ms + DAY_MS
    assert await has_room_nano(books) == 90
    await books.check()


async def test_limit_below_what_is_spent_exhausts_the_key_and_breaks_nothing(
    driver: Driver,
) -> None:
    books = await open_books(driver, 1000, limit_nano=500)
    running = books.make_hold(100)
    await books.ledger.hold(running)
    await books.spend(300)
    changed = await change_key(driver, books.key.id, KeyChanges(credit_limit_nano=50))
    assert changed is not None
    assert changed.credit_limit_nano == 50
    assert await books.ledger.hold(books.make_hold(1)) == Shortage(600, 0)
    await books.ledger.settle(books.settlement(running, 100))
    await change_key(driver, books.key.id, KeyChanges(credit_limit_nano=None))
    assert await books.ledger.hold(books.make_hold(600)) is None
    await books.check()


async def test_change_of_period_counts_what_was_spent_in_it(driver: Driver) -> None:
    books = await open_books(driver, 10_000, limit_nano=100)
    await books.spend(60)
    books.now_ms += DAY_MS
    await books.spend(30)
    changed = await change_key(
        driver, books.key.id, KeyChanges(limit_period=LimitPeriod.DAY, credit_limit_nano=101)
    )
    assert changed is not None
    assert (changed.limit_period, changed.credit_limit_nano) == (LimitPeriod.DAY, 101)
    assert await has_room_nano(books) == 71
    await books.spend(1)
    await books.check()
    await change_key(driver, books.key.id, KeyChanges(limit_period=LimitPeriod.TOTAL))
    assert await has_room_nano(books) == 10
    await books.check()


@pytest.mark.parametrize("limit_nano", [-1, AMOUNT_NANO_MAX + 1, 10**40])
async def test_limit_that_is_none_is_refused_and_nothing_is_changed(
    driver: Driver, limit_nano: int
) -> None:
    books = await open_books(driver, 10, limit_nano=5)
    with pytest.raises(ValueError, match="credit limit"):
        await change_key(driver, books.key.id, KeyChanges(name="x", credit_limit_nano=limit_nano))
    assert await find_key(driver, books.key.id) == books.key
    with pytest.raises(ValueError, match="credit limit"):
        await open_books(driver, 10, limit_nano=limit_nano, name="other")
    with pytest.raises(ValueError, match="opening grant"):
        await open_books(driver, limit_nano, name="third")


async def test_limit_of_another_accounts_key_is_not_changed(driver: Driver) -> None:
    books = await open_books(driver, 10, limit_nano=5)
    other = await open_books(driver, 10, name="other")
    changes = KeyChanges(credit_limit_nano=None, limit_period=LimitPeriod.DAY)
    assert await change_key(driver, books.key.id, changes, account_id=other.account.id) is None
    assert await find_key(driver, books.key.id) == books.key


async def test_two_processes_share_one_limit(driver: Driver) -> None:
    books = await open_books(driver, 1000, limit_nano=100, period=LimitPeriod.WEEK)
    assert await Ledger(driver, "a").hold(books.make_hold(60)) is None
    assert await Ledger(driver, "b").hold(books.make_hold(60)) == Shortage(940, 40)
