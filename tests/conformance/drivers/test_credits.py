"""Top-ups, adjustments and refunds over each driver: once each, in 64 bits, never below zero."""

import asyncio
import re

import pytest
from tests.books import open_books

from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.credits import Refundable, adjust, find_charge, refund, top_up
from nagara.storage.driver import Driver
from nagara.storage.ledger import LedgerError


async def test_top_up_counts_once_however_often_it_is_sent(driver: Driver) -> None:
    books = await open_books(driver, 0)
    movement = books.movement(500)
    await asyncio.gather(*(top_up(driver, movement) for _ in range(5)))
    assert await books.available_nano() == 500
    assert await books.codes() == [("top_up", 500)]
    await books.check()


async def test_id_of_another_top_up_is_refused(driver: Driver) -> None:
    books = await open_books(driver, 0)
    await top_up(driver, books.movement(500, "invoice-1"))
    with pytest.raises(LedgerError, match="used for another"):
        await top_up(driver, books.movement(501, "invoice-1"))
    assert await books.available_nano() == 500


@pytest.mark.parametrize("amount_nano", [0, -1, AMOUNT_NANO_MAX + 1, 10**40])
async def test_top_up_of_no_amount_is_refused_in_words(driver: Driver, amount_nano: int) -> None:
    books = await open_books(driver, 7)
    with pytest.raises(LedgerError, match=re.escape(f"not ${format_dollars(amount_nano)}")):
        await top_up(driver, books.movement(amount_nano))
    assert await books.available_nano() == 7


async def test_top_up_beyond_64_bits_is_refused_and_nothing_is_done(driver: Driver) -> None:
    books = await open_books(driver, 10)
    with pytest.raises(LedgerError, match="beyond"):
        await top_up(driver, books.movement(AMOUNT_NANO_MAX - 9))
    await top_up(driver, books.movement(AMOUNT_NANO_MAX - 10))
    with pytest.raises(LedgerError, match="beyond"):
        await adjust(driver, books.movement(1))
    assert await books.available_nano() == AMOUNT_NANO_MAX
    await books.check()


async def test_movement_of_an_unknown_account_is_an_error(driver: Driver) -> None:
    books = await open_books(driver, 10)
    books.account = type(books.account)(99, "ghost", 0, 0)
    for move in (top_up, adjust):
        with pytest.raises(LedgerError, match="account 99"):
            await move(driver, books.movement(5))
    with pytest.raises(LedgerError, match="account 99"):
        await refund(driver, books.movement(5), "x")


async def test_adjustment_goes_both_ways_but_not_below_what_is_available(driver: Driver) -> None:
    books = await open_books(driver, 100)
    await adjust(driver, books.movement(50))
    await books.ledger.hold(books.make_hold(30))
    with pytest.raises(LedgerError, match=r"\$0.000000121 is more than the \$0.00000012 that"):
        await adjust(driver, books.movement(-121))
    await adjust(driver, books.movement(-120, "down"))
    await adjust(driver, books.movement(-120, "down"))
    assert await books.available_nano() == 0
    await books.check()


async def test_refund_gives_back_no_more_than_was_collected(driver: Driver) -> None:
    books = await open_books(driver, 100)
    hold = books.make_hold(60)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 130))
    # 100 were collected, 30 were not.
    await refund(driver, books.movement(70, "first"), hold.id)
    await refund(driver, books.movement(70, "first"), hold.id)
    with pytest.raises(LedgerError, match=r"\$0.000000031 is more than the \$0.00000003 that"):
        await refund(driver, books.movement(31), hold.id)
    await refund(driver, books.movement(30), hold.id)
    assert await books.available_nano() == 100
    await books.check()


async def test_refunds_at_once_give_back_no_more_than_was_collected(driver: Driver) -> None:
    books = await open_books(driver, 100)
    request = await books.spend(100)
    refunds = [refund(driver, books.movement(30), request) for _ in range(10)]
    results = await asyncio.gather(*refunds, return_exceptions=True)
    assert sum(result is None for result in results) == 3
    assert all(result is None or isinstance(result, LedgerError) for result in results)
    assert await books.available_nano() == 90
    await books.check()


async def test_charge_by_its_own_id_can_be_refunded_for_no_more_than_it_was(
    driver: Driver,
) -> None:
    books = await open_books(driver, 100)
    hold = books.make_hold(60)
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 90))
    about = (hold.id, books.account.id)
    assert await find_charge(driver, f"{hold.id}:post") == Refundable(*about, 60, 60)
    assert await find_charge(driver, f"{hold.id}:overrun") == Refundable(*about, 30, 30)
    assert await find_charge(driver, f"opening:{books.account.id}") is None
    await refund(driver, books.movement(70), hold.id)
    assert await find_charge(driver, f"{hold.id}:post") == Refundable(*about, 60, 20)


async def test_refund_of_anothers_request_is_refused(driver: Driver) -> None:
    mine, theirs = await open_books(driver, 100), await open_books(driver, 100, name="other")
    request = await theirs.spend(50)
    with pytest.raises(LedgerError, match="has no request"):
        await refund(driver, mine.movement(10), request)
    assert await mine.available_nano() == 100


async def test_refund_gives_a_key_its_limit_back(driver: Driver) -> None:
    books = await open_books(driver, 1000, limit_nano=100)
    request = await books.spend(100)
    assert await books.ledger.hold(books.make_hold(1)) is not None
    await refund(driver, books.movement(40), request)
    assert await books.ledger.hold(books.make_hold(41)) is not None
    assert await books.ledger.hold(books.make_hold(40)) is None
    await books.check()
