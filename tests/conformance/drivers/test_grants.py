"""Grants over each driver: the soonest expiry is spent first, and only what is left expires."""

import asyncio

import pytest
from tests.books import NOW_MS, Books, open_books

from nagara.domain.money import AMOUNT_NANO_MAX
from nagara.storage.driver import Driver
from nagara.storage.grants import expire_grants, give_grant
from nagara.storage.ledger import LedgerError

NOW_S = NOW_MS // 1000
DAY_S = 86_400
SOON_S, LATER_S = NOW_S + 100, NOW_S + 200


async def remaining(books: Books) -> list[int]:
    rows = await books.driver.query("SELECT remaining_nano FROM grants ORDER BY id")
    return [row[0] for row in rows]


async def test_grant_is_credit_once(driver: Driver) -> None:
    books = await open_books(driver, 0)
    movement = books.movement(50)
    for _ in range(2):
        await give_grant(driver, movement, expires_at_s=SOON_S)
    assert await books.available_nano() == 50
    assert await expire_grants(driver, SOON_S - 1) == 0
    await books.check()


async def test_what_is_left_of_a_grant_expires_once(driver: Driver) -> None:
    books = await open_books(driver, 10)
    await give_grant(driver, books.movement(50), expires_at_s=SOON_S)
    await books.spend(20)
    assert sum(await asyncio.gather(*(expire_grants(driver, SOON_S) for _ in range(3)))) == 30
    assert await expire_grants(driver, LATER_S) == 0
    assert await books.available_nano() == 10
    await books.check()


async def test_the_soonest_expiry_is_spent_first(driver: Driver) -> None:
    books = await open_books(driver, 10)
    await give_grant(driver, books.movement(50), expires_at_s=LATER_S)
    await give_grant(driver, books.movement(50), expires_at_s=SOON_S)
    await books.spend(60)
    assert await expire_grants(driver, SOON_S) == 0
    assert await remaining(books) == [10, 40, 0]
    assert await expire_grants(driver, LATER_S) == 40
    assert await books.available_nano() == 10
    await books.check()


async def test_what_was_spent_before_a_grant_is_not_taken_from_it(driver: Driver) -> None:
    books = await open_books(driver, 100)
    await books.spend(80)
    await give_grant(driver, books.movement(50), expires_at_s=SOON_S)
    assert await expire_grants(driver, SOON_S) == 50
    assert await books.available_nano() == 20
    await books.check()


async def test_what_is_held_expires_only_when_it_is_given_back(driver: Driver) -> None:
    books = await open_books(driver, 0)
    await give_grant(driver, books.movement(50), expires_at_s=SOON_S)
    spent, unspent = books.make_hold(20), books.make_hold(15)
    for hold in (spent, unspent):
        await books.ledger.hold(hold)
    assert await expire_grants(driver, SOON_S) == 15
    assert await expire_grants(driver, SOON_S) == 0
    await books.ledger.settle(books.settlement(spent, 20))
    await books.ledger.settle(books.settlement(unspent))
    assert await expire_grants(driver, SOON_S) == 15
    assert await books.available_nano() == 0
    await books.check()


async def test_grants_of_many_customers_expire_in_one_turn(driver: Driver) -> None:
    customers = [await open_books(driver, 0, name=f"c{number}") for number in range(5)]
    for books in customers:
        await give_grant(driver, books.movement(7), expires_at_s=SOON_S)
    assert await expire_grants(driver, SOON_S) == 35
    await books.check()


async def test_grants_and_requests_at_once_leave_the_ledger_whole(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    gives = [
        give_grant(driver, books.movement(10), expires_at_s=SOON_S + number) for number in range(5)
    ]
    ends = [expire_grants(driver, SOON_S + number) for number in range(5)]
    await asyncio.gather(*gives, *(books.spend(15) for _ in range(10)), *ends)
    await expire_grants(driver, LATER_S)
    assert 850 <= await books.available_nano() <= 900
    await books.check()


@pytest.mark.parametrize("amount_nano", [0, -5, AMOUNT_NANO_MAX + 1, AMOUNT_NANO_MAX])
async def test_grant_that_cannot_be_is_refused(driver: Driver, amount_nano: int) -> None:
    books = await open_books(driver, 1)
    with pytest.raises(
        LedgerError, match=r"must be from \$0\.000000001|beyond \$9223372036\.854775807"
    ):
        await give_grant(driver, books.movement(amount_nano))
    assert await books.available_nano() == 1


async def test_clock_that_jumps_ahead_and_back_ends_a_grant_once(driver: Driver) -> None:
    """What a clock ended is not given back by itself: that is what `credits grant` is for."""
    books = await open_books(driver, 10)
    await give_grant(driver, books.movement(50), expires_at_s=SOON_S)
    running = books.make_hold(20)
    await books.ledger.hold(running)
    assert await expire_grants(driver, SOON_S + DAY_S) == 30
    assert await expire_grants(driver, NOW_S - DAY_S) == 0
    await books.check()
    books.now_ms -= DAY_S * 1000
    await give_grant(driver, books.movement(5), expires_at_s=NOW_S - DAY_S + 1)
    await books.ledger.settle(books.settlement(running, 20))
    # Of the 20, the grant that ends first paid 5.
    assert await expire_grants(driver, NOW_S) == 0
    assert await expire_grants(driver, SOON_S + DAY_S) == 5
    assert await books.available_nano() == 10
    await books.check()
