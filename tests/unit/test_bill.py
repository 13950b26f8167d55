"""What one request owes, where a provider, a price or a clock says what cannot be."""

from collections.abc import Callable

import msgspec
import pytest

from nagara.access import issue_key
from nagara.bill import Bill, Ending, Terms
from nagara.billing import BoundLimits
from nagara.billing.images import TOKENS_PER_DRAWN_IMAGE
from nagara.billing.prices import TOKENS_PER_IMAGE
from nagara.domain.catalog import (
    Account,
    Catalogue,
    Deployment,
    Key,
    KeyKind,
    Model,
    Route,
    Snapshot,
)
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import AMOUNT_NANO_MAX
from nagara.domain.rates import RateCard
from nagara.domain.usage import QUANTITY_MAX, Meter, Round, Usage
from nagara.observe.observations import RequestEnded
from nagara.providers import PROVIDERS
from nagara.settlement import Settlements
from nagara.storage.claims import Claim, Loss, Scope
from nagara.storage.journal import SAID_LENGTH_MAX
from nagara.storage.ledger import Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from tests.fakes import FakeClock

MODEL = Model(id="m", startup="s", display_name="M", output_tokens_max=100)
DEPLOYMENT = Deployment(name="theirs", provider=PROVIDERS["openai"], model="m")
RATES = {Meter.INPUT: 1000, Meter.OUTPUT: 2000}
ANSWER_BYTES = 400
REQUEST_BYTES = 80
ESTIMATED = {Meter.INPUT: 20, Meter.OUTPUT: 100}
ESTIMATED_NANO = 20 * 1 + 100 * 2
CAP, CHOICES = 60, 2
DEMAND = Demand(text_bytes=REQUEST_BYTES, output_tokens_max=CAP, choice_count=CHOICES)


class FakeSettlements(Settlements):
    """Takes every hold that the largest balance there can be has room for."""

    def __init__(self) -> None:
        self.held: list[Hold] = []
        self.settled: list[Settlement] = []
        self.awaited: list[str] = []

    async def hold(self, hold: Hold, claim: Claim | None = None) -> Shortage | None:
        if not 0 <= hold.amount_nano < AMOUNT_NANO_MAX:
            return Shortage(AMOUNT_NANO_MAX - 1, None)
        self.held.append(hold)
        return None

    async def claim(self, claim: Claim) -> None:
        raise AssertionError("it is made with the hold")

    async def settle(self, settlement: Settlement) -> None:
        self.awaited.append(settlement.record.id)

    def settle_later(self, settlement: Settlement) -> None:
        self.settled.append(settlement)

    def settle_free(self, make: Callable[[], Settlement]) -> None:
        self.settled.append(make())


class Desk:
    """A bill with all that it needs."""

    def __init__(
        self,
        card: RateCard,
        claim: Claim | None = None,
        demand: Demand = DEMAND,
        model: Model = MODEL,
    ) -> None:
        self.clock = FakeClock()
        self.settlements = FakeSettlements()
        issued = issue_key(KeyKind.STANDARD, bytes(32), b"p" * 32)
        key = Key(
            id=1,
            account_id=1,
            name="k",
            kind=KeyKind.STANDARD,
            digest=issued.digest,
            hint=issued.hint,
            created_at_s=0,
        )
        route = Route(model, (DEPLOYMENT,), (card,))
        snapshot = Snapshot(
            keys={},
            accounts={},
            catalogue=Catalogue(0, "", (MODEL,), ()),
            routes={},
            sandbox={},
            providers={},
        )
        terms = Terms(
            snapshot=snapshot,
            account=Account(1, "a", 0, 0),
            key=key,
            route=route,
            card=card,
            demand=demand,
            came_at_ms=int(self.clock.now_s() * 1000),
        )
        self.ended = RequestEnded(
            request_id="req_1", method="POST", path="/", bytes_in=REQUEST_BYTES
        )
        self.bill = Bill(
            "r1", terms, self.settlements, BoundLimits(), self.clock, self.ended, claim
        )

    async def open(self) -> None:
        """Hold what there is to hold."""
        if (opening := self.bill.open()) is not None:
            await opening

    async def settle(self) -> None:
        """Settle what was charged."""
        if (settling := self.bill.settle()) is not None:
            await settling


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize(
    "usage",
    [
        Usage({Meter.INPUT: 1, Meter.OUTPUT: QUANTITY_MAX + 1}),
        Usage({Meter.INPUT: 10**40}),
        Usage({Meter.INPUT: 1}, rounds=(Round({Meter.OUTPUT: 10**30}),)),
    ],
)
async def test_a_count_that_cannot_be_is_not_believed(usage: Usage, ending: Ending) -> None:
    desk = Desk(RateCard(rates_pico=RATES))
    await desk.open()
    desk.bill.charge(usage, ANSWER_BYTES, DEPLOYMENT, ending)
    desk.bill.settle_soon()
    (settlement,) = desk.settlements.settled
    assert settlement.record.usage == Usage(ESTIMATED, is_estimated=True)
    charged = 0 if ending is Ending.FAILED else ESTIMATED_NANO
    assert settlement.record.charge_nano == charged


@pytest.mark.parametrize(
    ("ending", "usage"),
    [
        (Ending.DELIVERED, None),
        (Ending.LEFT, None),
        (Ending.LEFT, Usage({Meter.INPUT: 20})),
    ],
)
async def test_an_estimate_is_within_the_hold_however_many_bytes_came(
    ending: Ending, usage: Usage | None
) -> None:
    desk = Desk(RateCard(rates_pico=RATES))
    await desk.open()
    desk.bill.charge(usage, 1_000_000, DEPLOYMENT, ending)
    desk.bill.settle_soon()
    (hold,), (settlement,) = desk.settlements.held, desk.settlements.settled
    assert settlement.record.usage is not None
    assert settlement.record.usage.output_tokens == CAP * CHOICES
    assert settlement.record.charge_nano <= hold.amount_nano


async def test_what_is_dearer_than_any_balance_is_refused_as_too_dear() -> None:
    desk = Desk(RateCard(rates_pico={Meter.INPUT: 2**63 - 1, Meter.OUTPUT: 1}))
    with pytest.raises(GatewayError) as caught:
        await desk.open()
    assert caught.value.kind is ErrorKind.INSUFFICIENT_QUOTA
    assert not desk.settlements.held


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
async def test_clock_that_jumps_while_it_is_served_changes_neither_day_nor_price(
    jump_s: int,
) -> None:
    desk = Desk(RateCard(rates_pico=RATES))
    came_at_ms = int(desk.clock.now_s() * 1000)
    await desk.open()
    desk.clock.set_now(desk.clock.now_s() + jump_s)
    desk.bill.charge(Usage({Meter.OUTPUT: 3}), ANSWER_BYTES, DEPLOYMENT, Ending.DELIVERED)
    desk.bill.settle_soon()
    (settlement,) = desk.settlements.settled
    assert settlement.record.at_ms == came_at_ms
    assert settlement.record.charge_nano == 6
    assert settlement.record.duration_ms == max(0, jump_s * 1000)


def make_claim() -> Claim:
    return Claim(
        scope=Scope(1, False, "k"),
        fingerprint=b"f",
        request="r1",
        request_id="req_1",
        runner="run",
        now_s=1,
        expires_at_s=9,
    )


@pytest.mark.parametrize("ending", [Ending.LEFT, Ending.FAILED])
async def test_key_is_free_again_unless_something_was_charged_for_it(ending: Ending) -> None:
    claim = make_claim()
    desk = Desk(RateCard(rates_pico=RATES), claim)
    await desk.open()
    assert claim.is_made
    desk.bill.charge(Usage({Meter.OUTPUT: 3}), ANSWER_BYTES, DEPLOYMENT, ending)
    desk.bill.settle_soon()
    (settlement,) = desk.settlements.settled
    is_charged = ending is Ending.LEFT
    assert bool(settlement.record.charge_nano) is is_charged
    assert settlement.extra == (claim.lost(Loss.CUT) if is_charged else claim.released(),)
    assert claim.is_settled


async def test_key_of_what_was_never_answered_is_free_again() -> None:
    claim = make_claim()
    desk = Desk(RateCard(rates_pico=RATES), claim)
    await desk.open()
    desk.bill.void(GatewayError(ErrorKind.UPSTREAM_ERROR, "no"))
    (settlement,) = desk.settlements.settled
    assert settlement.extra == (claim.released(),)
    assert settlement.record.charge_nano == 0


@pytest.mark.parametrize("odd", ["\0", "\ud83d"])
async def test_what_cannot_be_stored_is_never_part_of_what_is_settled(odd: str) -> None:
    desk = Desk(RateCard(rates_pico=RATES))
    await desk.open()
    desk.ended.dropped = (f"field{odd}", "x" * 10**6)
    desk.bill.charge(Usage({Meter.INPUT: 1}), ANSWER_BYTES, DEPLOYMENT, Ending.DELIVERED)
    desk.ended.error = f"code{odd}"
    desk.bill.settle_soon()
    record = desk.settlements.settled[0].record
    assert record.error == "code\ufffd"
    assert record.dropped is not None
    assert record.dropped.startswith("field\ufffd, xxx")
    assert len(record.dropped) <= SAID_LENGTH_MAX


@pytest.mark.parametrize("ending", [Ending.DELIVERED, Ending.LEFT])
async def test_an_image_is_not_estimated_as_if_its_bytes_were_text(ending: Ending) -> None:
    demand = msgspec.structs.replace(DEMAND, image_count=1)
    desk = Desk(RateCard(rates_pico=RATES), demand=demand)
    desk.ended.bytes_in = 5_000_000
    await desk.open()
    usage = desk.bill.charge(None, ANSWER_BYTES, DEPLOYMENT, ending)
    assert usage.quantities[Meter.INPUT] == REQUEST_BYTES // 4 + TOKENS_PER_IMAGE
    desk.bill.settle_soon()
    (hold,), (settlement,) = desk.settlements.held, desk.settlements.settled
    assert settlement.record.charge_nano <= hold.amount_nano


async def test_estimated_input_is_no_more_than_was_held_for() -> None:
    model = msgspec.structs.replace(MODEL, context_window=10)
    desk = Desk(RateCard(rates_pico=RATES), model=model)
    await desk.open()
    usage = desk.bill.charge(None, 0, DEPLOYMENT, Ending.LEFT)
    assert usage.quantities[Meter.INPUT] == 10


async def test_a_charge_that_nothing_was_held_for_is_waited_for_all_the_same() -> None:
    desk = Desk(RateCard(rates_pico={Meter.INPUT: 0, Meter.OUTPUT: 0, Meter.SEARCHES: 10**6}))
    await desk.open()
    assert not desk.settlements.held
    usage = Usage({Meter.INPUT: 1, Meter.SEARCHES: 1})
    desk.bill.charge(usage, ANSWER_BYTES, DEPLOYMENT, Ending.DELIVERED)
    await desk.settle()
    assert desk.settlements.awaited == ["r1"]


@pytest.mark.parametrize(
    ("ending", "rates", "charged"),
    [
        (Ending.LEFT, RATES, 20 * 1 + TOKENS_PER_DRAWN_IMAGE * 2),
        (Ending.DELIVERED, RATES, 20 * 1 + TOKENS_PER_DRAWN_IMAGE * 2),
        (Ending.LEFT, {Meter.IMAGES: 7_000_000}, 7_000),
        (Ending.FAILED, RATES, 0),
    ],
)
async def test_image_is_charged_once_its_draft_was_sent_whoever_left_then(
    ending: Ending, rates: dict[Meter, int], charged: int
) -> None:
    demand = Demand(text_bytes=REQUEST_BYTES, output_tokens_max=0, images_max=2)
    model = msgspec.structs.replace(MODEL, output_tokens_max=TOKENS_PER_DRAWN_IMAGE)
    desk = Desk(RateCard(rates_pico=rates), demand=demand, model=model)
    await desk.open()
    desk.bill.charge(Usage({Meter.IMAGES: 1}), ANSWER_BYTES, DEPLOYMENT, ending)
    desk.bill.settle_soon()
    (settlement,) = desk.settlements.settled
    assert settlement.record.charge_nano == charged
    assert charged <= desk.settlements.held[0].amount_nano


async def test_images_that_cannot_all_be_paid_are_not_made_smaller() -> None:
    demand = Demand(text_bytes=REQUEST_BYTES, output_tokens_max=0, images_max=128)
    desk = Desk(RateCard(rates_pico={Meter.IMAGES: 10**20}), demand=demand)
    with pytest.raises(GatewayError) as caught:
        await desk.open()
    assert caught.value.kind is ErrorKind.INSUFFICIENT_QUOTA
    assert desk.bill.output_cap is None
