"""The bill of a request, over a real ledger: what is charged follows from cards that are stored."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from nagara.bill import Bill, Ending, Terms
from nagara.billing import BoundLimits
from nagara.domain.catalog import Catalogue, Deployment, Model, Route, Snapshot
from nagara.domain.demand import Demand, SideCalls
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter, Round, Usage
from nagara.observe.observations import RequestEnded
from nagara.providers import PROVIDERS
from nagara.settlement import Settlements
from nagara.storage.rate_cards import StoredCards
from nagara.storage.spool import Spool
from nagara.storage.sqlite import SqliteDriver
from tests.books import NOW_MS, Books, open_books
from tests.fakes import FakeClock

CARD = RateCard(rates_pico={Meter.INPUT: 1000, Meter.OUTPUT: 2000}, markup_ppm=500_000)
SIDE_CARD = RateCard(rates_pico={Meter.OUTPUT: 10_000})
COST = RateCard(rates_pico={Meter.OUTPUT: 1000})
SIDE_COST = RateCard(rates_pico={Meter.OUTPUT: 5000})
USAGE = Usage(
    {Meter.INPUT: 10, Meter.OUTPUT: 20},
    rounds=(Round({Meter.OUTPUT: 4}, "advisor"), Round({Meter.OUTPUT: 1})),
)
DEMAND = Demand(
    text_bytes=100,
    output_tokens_max=20,
    side_calls=(SideCalls(calls_max=1, model="advisor", input_tokens_max=0, output_tokens_max=5),),
)


def make_route(name: str, card: RateCard, cost: RateCard, provider: str = "anthropic") -> Route:
    model = Model(id=name, startup="s", display_name=name, output_tokens_max=30)
    served = Deployment(name=provider, provider=PROVIDERS["anthropic"], model=name, costs=(cost,))
    return Route(model, (served,), (card,))


class Desk:
    """Bills of one key, over books that a real ledger keeps."""

    def __init__(self, books: Books, folder: Path, side_provider: str = "anthropic") -> None:
        self.books = books
        spool = Spool(folder, "run_own")
        self.settlements = Settlements(books.ledger, spool, lambda _: None, 10.0)
        self.main = make_route("main", CARD, COST)
        side = make_route("advisor", SIDE_CARD, SIDE_COST, side_provider)
        self.snapshot = Snapshot(
            keys={},
            accounts={},
            catalogue=Catalogue(0, "", (), ()),
            routes={"main": self.main, "advisor": side},
            sandbox={},
        )

    async def charge(self, request: str, markup_ppm: int | None = None) -> None:
        """A whole request."""
        terms = Terms(
            snapshot=self.snapshot,
            account=msgspec.structs.replace(self.books.account, markup_ppm=markup_ppm),
            key=self.books.key,
            route=self.main,
            card=CARD,
            demand=DEMAND,
            came_at_ms=NOW_MS,
        )
        ended = RequestEnded(request_id="req_1", method="POST", path="/")
        bill = Bill(request, terms, self.settlements, BoundLimits(), FakeClock(), ended)
        opening = bill.open()
        assert opening is not None
        await opening
        bill.charge(USAGE, 0, self.main.deployments[0], Ending.DELIVERED)
        settling = bill.settle()
        assert settling is not None
        await settling


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    yield await open_books(driver, 10**9)
    await driver.close()


@pytest.mark.parametrize(
    ("markup_ppm", "charge_nano"),
    # (10 * 1000 + 20 * 2000 + 4 * 10_000 + 2000) pico-dollars, and the markup on it, once.
    [(None, 138), (0, 92), (100_000, 102), (-500_000, 46)],
    ids=["of the model", "none", "of the account", "a discount"],
)
async def test_markup_of_the_account_replaces_that_of_the_model(
    books: Books, tmp_path: Path, markup_ppm: int | None, charge_nano: int
) -> None:
    await Desk(books, tmp_path).charge("r1", markup_ppm)
    assert ("post", charge_nano) in await books.codes()
    await books.check()


async def test_every_card_that_a_charge_names_is_stored_whole(books: Books, tmp_path: Path) -> None:
    desk = Desk(books, tmp_path)
    for request in ("r1", "r2"):
        await desk.charge(request)
    rows = await books.driver.query(
        "SELECT version, model, first_used_at_s FROM rate_cards ORDER BY model"
    )
    first_s = NOW_MS // 1000
    assert rows == [(SIDE_CARD.version, "advisor", first_s), (CARD.version, "main", first_s)]
    stored = StoredCards(books.driver)
    assert [await stored.find(each.version) for each in (CARD, SIDE_CARD)] == [CARD, SIDE_CARD]
    assert await stored.find("0" * 16) is None


@pytest.mark.parametrize(
    ("side_provider", "cost_nano"),
    # 20 and 1 of the main model, 4 of the advisor by its provider's price, or else the list's.
    [("anthropic", 21 + 4 * 5), ("elsewhere", 21 + 4 * 10)],
)
async def test_model_asked_on_the_way_costs_what_its_own_provider_asks(
    books: Books, tmp_path: Path, side_provider: str, cost_nano: int
) -> None:
    await Desk(books, tmp_path, side_provider).charge("r1")
    assert ("cost", cost_nano) in await books.codes()
