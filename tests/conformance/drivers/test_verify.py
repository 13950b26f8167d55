"""`verify` over each driver: silent about a ledger that was used, and it names what was tampered.

Each tampering is one statement behind the ledger's back; a check that found nothing in any of them
would be no check.
"""

import pytest
from tests.books import NOW_MS, Books, open_books

from nagara.storage.credits import refund, top_up
from nagara.storage.driver import Driver, Statement
from nagara.storage.grants import expire_grants, give_grant
from nagara.storage.ledger_statements import Settlement
from nagara.storage.verify import CHECKS, LINES, RATES, SHOWN_MAX, verify

TAMPERINGS = {
    "UPDATE ledger_accounts SET credits_nano = credits_nano + 1 WHERE kind = 'customer'": (
        "credits of customers"
    ),
    "UPDATE ledger_accounts SET debits_nano = debits_nano + 1 WHERE kind = 'customer'": (
        "debits of customers"
    ),
    "UPDATE ledger_accounts SET pending_nano = pending_nano + 1 WHERE kind = 'customer'": (
        "pending of customers"
    ),
    "UPDATE ledger_accounts SET pending_nano = 0 WHERE kind = 'key'": "pending of keys",
    "UPDATE ledger_accounts SET debits_nano = debits_nano - 1 WHERE kind = 'key'": "debits of keys",
    "UPDATE ledger_accounts SET credits_nano = 0 WHERE kind = 'key'": "credits of keys",
    "UPDATE ledger_accounts SET period_nano = 1 WHERE kind = 'key'": "periods of keys",
    "UPDATE ledger_accounts SET credits_nano = debits_nano WHERE kind = 'customer'": (
        "balances below zero"
    ),
    "UPDATE holds SET key_id = 77": "accounts of nothing",
    "UPDATE holds SET id = 'spent'": "holds of settled requests",
    "DELETE FROM holds": "pending of customers",
    "UPDATE transfers SET debit_id = credit_id WHERE code = 'top_up'": "sides of transfers",
    "UPDATE transfers SET amount_nano = amount_nano + 1 WHERE code = 'post'": "charges of requests",
    "UPDATE transfers SET amount_nano = amount_nano + 1 WHERE code = 'cost'": "costs of requests",
    "UPDATE transfers SET amount_nano = 500 WHERE code = 'refund'": "refunds of requests",
    "DELETE FROM transfers WHERE code = 'post'": "charges of requests",
    "DELETE FROM requests WHERE id = 'spent'": "transfers without a request",
    "UPDATE grants SET remaining_nano = -1": "remainders of grants",
    "UPDATE grants SET transfer = transfer || 'x'": "remainders of grants",
    "UPDATE ledger_accounts SET attributed_nano = debits_nano + 1 WHERE kind = 'customer'": (
        "attribution of grants"
    ),
    "UPDATE activity SET requests = requests + 1": "requests of activity",
    "UPDATE activity SET charge_nano = charge_nano + 1": "charge_nano of activity",
    "UPDATE activity SET cost_nano = cost_nano + 1": "cost_nano of activity",
    "UPDATE activity SET input_tokens = input_tokens + 1": "input_tokens of activity",
    "UPDATE activity SET output_tokens = output_tokens + 1": "output_tokens of activity",
    "UPDATE requests SET model = 'other' WHERE id = 'spent'": "requests of activity",
    "UPDATE requests SET charge_nano = charge_nano + 1 WHERE id = 'spent'": "lines of charges",
    "UPDATE requests SET charge = NULL WHERE id = 'spent'": "lines of charges",
    "UPDATE requests SET charge = 'x' WHERE id = 'spent'": "lines of charges",
    # The sum is the same, and no card has such a rate.
    """UPDATE requests SET charge = REPLACE(REPLACE(charge, '"rate_pico":1000', '"rate_pico":500'),
    '"quantity":150', '"quantity":300') WHERE id = 'spent'""": "rates of charges",
    "DELETE FROM rate_cards": "rates of charges",
}


async def use(driver: Driver) -> Books:
    """A ledger that has seen everything once, with one hold that stands."""
    books = await open_books(driver, 1000)
    hold = books.make_hold(100, "spent")
    await books.ledger.hold(hold)
    await books.ledger.settle(books.settlement(hold, 150, costs=(("openai", 50),)))
    await books.ledger.settle(Settlement(hold=None, record=books.record("free")))
    await refund(driver, books.movement(20), hold.id)
    await top_up(driver, books.movement(30))
    await give_grant(driver, books.movement(40), expires_at_s=NOW_MS // 1000)
    await expire_grants(driver, NOW_MS // 1000)
    overdrawn = books.make_hold(100, "overdrawn")
    await books.ledger.hold(overdrawn)
    await books.ledger.settle(books.settlement(overdrawn, 5000))
    await top_up(driver, books.movement(100))
    await books.ledger.hold(books.make_hold(60))
    return books


async def test_nothing_is_said_of_a_ledger_that_was_only_used(driver: Driver) -> None:
    await use(driver)
    found = await verify(driver)
    assert found.discrepancies == ()
    assert found.counts == {
        "accounts": 1, "keys": 1, "holds": 1, "transfers": 12, "requests": 3, "grants": 2
    }  # fmt: skip


async def test_nothing_is_said_of_an_empty_ledger(driver: Driver) -> None:
    assert (await verify(driver)).discrepancies == ()


@pytest.mark.parametrize("sql", TAMPERINGS)
async def test_tampering_is_found_and_named(driver: Driver, sql: str) -> None:
    await use(driver)
    await driver.commit([Statement(sql)])
    found = {each.check for each in (await verify(driver)).discrepancies}
    assert TAMPERINGS[sql] in found


def test_every_check_has_a_tampering_that_it_finds() -> None:
    assert set(CHECKS) | {LINES, RATES} == set(TAMPERINGS.values())


async def test_of_many_discrepancies_the_first_are_told(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    for _ in range(SHOWN_MAX + 5):
        await books.spend(1)
    await driver.commit([Statement("UPDATE requests SET charge = NULL")])
    found = (await verify(driver)).discrepancies
    assert len(found) == SHOWN_MAX
    assert found[0].kept == 1
    assert found[0].computed == -1
