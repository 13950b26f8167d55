"""Rate cards over each driver: there before any charge names them, once, and never changed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from tests.books import CARD, NOW_MS, Books, WrappedDriver, open_books

from nagara.domain.rates import RateCard, RateTier, ServiceRates, encode_rate_card
from nagara.domain.usage import Meter
from nagara.storage.driver import Driver, Result, Statement, StorageError
from nagara.storage.ledger import Ledger
from nagara.storage.ledger_statements import Settlement
from nagara.storage.rate_cards import StoredCards, UsedCard, store_card

Opener = Callable[[], Awaitable[Driver]]

FULL = RateCard(
    rates_pico={Meter.INPUT: 1, Meter.SEARCHES: 10**10},
    tiers=(RateTier(200_001, {Meter.INPUT: 2}),),
    service_tiers={"flex": ServiceRates({Meter.INPUT: 0}, (RateTier(5, {}),))},
    markup_ppm=-1,
    effective_from_s=86_400,
    hours_s=(60, 3600),
)
_VERSIONS = "SELECT version FROM rate_cards ORDER BY version"


async def load_versions(driver: Driver) -> list[str]:
    return [row[0] for row in await driver.query(_VERSIONS)]


async def settle(books: Books, ledger: Ledger, *cards: UsedCard) -> None:
    """A whole request whose charge names these cards."""
    hold = books.make_hold(10)
    await ledger.hold(hold)
    await ledger.settle(msgspec.structs.replace(books.settlement(hold, 5), cards=cards))


async def test_card_is_read_back_as_it_was(driver: Driver) -> None:
    await driver.commit([store_card(UsedCard("m", FULL), 7)])
    assert await StoredCards(driver).find(FULL.version) == FULL


async def test_first_use_of_a_card_stays(driver: Driver) -> None:
    for at_s, model in ((7, "first"), (3, "second")):
        await driver.commit([store_card(UsedCard(model, FULL), at_s)])
    rows = await driver.query("SELECT model, first_used_at_s FROM rate_cards")
    assert rows == [("first", 7)]


@pytest.mark.parametrize("data", [b"", b"{}", encode_rate_card(CARD.card)])
async def test_card_that_does_not_say_what_it_said_is_none(driver: Driver, data: bytes) -> None:
    await driver.commit([store_card(UsedCard("m", FULL), 7)])
    await driver.commit([Statement("UPDATE rate_cards SET card = $1", (data,))])
    assert await StoredCards(driver).find(FULL.version) is None


async def test_many_processes_that_meet_the_same_cards_store_them_once(
    open_driver: Opener,
) -> None:
    drivers = [await open_driver() for _ in range(3)]
    books = [await open_books(drivers[0], 1000, name=f"customer-{number}") for number in range(6)]
    ledgers = [Ledger(driver, f"runner-{at}") for at, driver in enumerate(drivers)]
    others = [UsedCard(f"m{n}", RateCard(rates_pico={Meter.INPUT: n})) for n in range(8)]
    await asyncio.gather(
        *(
            settle(each, ledgers[at % 3], CARD, *(others if at % 2 else reversed(others)))
            for at, each in enumerate(books)
        )
    )
    versions = sorted({CARD.card.version} | {each.card.version for each in others})
    assert await load_versions(drivers[0]) == versions
    await books[0].check()
    for driver in drivers:
        await driver.close()


class OneCommitDriver(WrappedDriver):
    """Is lost after so many commits, as a process is that dies."""

    commits_left = 0

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        self.commits_left -= 1
        if self.commits_left < 0:
            raise StorageError("the process is gone")
        return await super().commit(statements, group=group, is_flushed=is_flushed)


async def test_no_charge_is_there_before_its_card(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    hold = books.make_hold(10)
    await books.ledger.hold(hold)
    lost = OneCommitDriver(driver)
    lost.commits_left = 1
    with pytest.raises(StorageError):
        await Ledger(lost, "runner").settle(books.settlement(hold, 5))
    assert await load_versions(driver) == [CARD.card.version]
    assert await driver.query("SELECT 1 FROM requests") == []
    await books.ledger.settle(books.settlement(hold, 5))
    await books.check()


async def test_card_is_stored_for_what_costs_nothing_too(driver: Driver) -> None:
    books = await open_books(driver, 1000)
    free = Settlement(hold=None, record=books.record("free"), cards=(CARD,))
    await books.ledger.settle_free([free])
    assert await load_versions(driver) == [CARD.card.version]
    assert free.record.at_ms == NOW_MS
