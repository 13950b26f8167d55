"""Recorded answers cost what genai-prices says, and no more than was held for them."""

import msgspec
import pytest
from tests.recordings.pricing import (
    BEGIN,
    BY_ID,
    END,
    LISTS,
    PAGE,
    Priced,
    find_card,
    find_endpoint,
    join_answer,
    meter_forwarded,
    meter_translated,
    model_of,
    price_recorded,
    read_dated,
    read_known,
    render,
)
from tests.recordings.recorded import needs_recordings

from nagara.billing import BoundLimits, bound_charge, price, settle_tier
from nagara.catalogue.shipped import load_shipped
from nagara.domain.catalog import Model
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter

pytestmark = [needs_recordings, pytest.mark.timeout(300)]

# What nobody sells by: every meter has another rate, so that none can stand in for another.
ANY_CARD = RateCard(rates_pico={meter: 1_000_000 + 7 * n for n, meter in enumerate(Meter)})


# It searches of its own accord, and has no price: no request for it is served unless its operator
# gives it one.
NOT_IN_THE_CATALOGUE = {"groq/compound"}


@pytest.fixture(scope="module")
def priced() -> list[Priced]:
    return price_recorded()[0]


def test_every_charge_is_that_of_genai_prices_or_explained(priced: list[Priced]) -> None:
    differing = {row.case for row in priced if row.ours_nano != row.theirs_nano}
    assert differing == set(read_known())
    assert len(priced) > 1000


def test_what_providers_bill_beside_their_counts_only_adds(priced: list[Priced]) -> None:
    cheaper = {row.api for row in priced if row.ours_nano < row.theirs_nano}
    # Of all, only Mistral's cached input is cheaper than genai-prices has it.
    assert cheaper == {"mistral"}


def test_page_has_these_figures(priced: list[Priced]) -> None:
    shown = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert shown == render(priced, read_known())


def test_both_lanes_meter_the_same() -> None:
    wrong = []
    for exchange, _ in read_dated():
        if find_endpoint(exchange) is not None:
            forwarded, translated = meter_forwarded(exchange), meter_translated(exchange)
            if forwarded != translated:
                wrong.append((exchange.id, forwarded, translated))
    assert not wrong


def test_no_recorded_answer_costs_more_than_was_held_for_its_request() -> None:
    models = {name: m for m in load_shipped().models for name in (m.id, *m.aliases)}
    unknown = Model(id="m", startup="s", display_name="M")
    over: list[tuple[object, ...]] = []
    checked = 0
    for exchange, at_s in read_dated():
        endpoint, usage = find_endpoint(exchange), meter_forwarded(exchange)
        if endpoint is None or usage is None or not isinstance(exchange.request, dict):
            continue
        name = model_of(exchange, join_answer(exchange))
        prices = BY_ID.get(LISTS.get(exchange.api, exchange.api))
        card = find_card(prices, name, at_s) if prices is not None else None
        demand = endpoint.measure(endpoint.read_request(msgspec.json.encode(exchange.request)))
        for each in (ANY_CARD, card):
            if each is not None:
                estimate = bound_charge(demand, models.get(name, unknown), each, BoundLimits())
                tier = settle_tier(each, demand.service_tier, usage.service_tier)
                charge = price(usage, each, service_tier=tier)
                checked += 1
                is_bound = usage.input_tokens <= estimate.input_tokens and (
                    usage.output_tokens <= estimate.output_tokens_max * demand.choice_count
                )
                if not is_bound and name not in NOT_IN_THE_CATALOGUE:
                    over.append((exchange.id, name, usage.input_tokens, estimate.input_tokens))
                if charge.amount_nano > estimate.needed_nano:
                    over.append((exchange.id, name, charge.amount_nano, estimate.needed_nano))
    assert not over
    assert checked > 1500
