"""Charges against exact fractions, and the meters that dialects read from answers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.billing import estimate_input, estimate_usage, find_rate, price, price_plainly
from nagara.billing.prices import TOKENS_PER_IMAGE
from nagara.dialects import anthropic_messages, openai_chat
from nagara.domain.demand import Demand
from nagara.domain.rates import RateCard, RateTier, ServiceRates
from nagara.domain.usage import Meter, Round, Usage

COUNTS = st.integers(0, 10**9)
RATES = st.dictionaries(st.sampled_from(Meter), st.integers(0, 10**12))


REPORTED = st.sampled_from([meter for meter in Meter if meter is not Meter.REQUESTS])


@given(st.dictionaries(REPORTED, COUNTS), RATES)
def test_price_is_the_exact_sum_rounded_up_once(
    quantities: dict[Meter, int], rates: dict[Meter, int]
) -> None:
    exact = sum(
        (Fraction(n * (find_rate(rates, meter) or 0), 1000) for meter, n in quantities.items()),
        start=Fraction(rates.get(Meter.REQUESTS, 0), 1000),
    )
    charge = price(Usage(quantities), RateCard(rates_pico=rates)).amount_nano
    assert exact <= charge < exact + 1


@given(
    st.dictionaries(REPORTED, COUNTS, max_size=4),
    RATES,
    st.lists(st.just(RateTier(input_tokens_min=5, rates_pico={Meter.INPUT: 7})), max_size=1),
    st.sampled_from([None, "flex"]),
    st.lists(st.just(Round({Meter.INPUT: 9})), max_size=1),
    st.integers(-999_999, 10**7),
)
def test_a_plain_amount_is_that_of_the_charge_or_none(
    quantities: dict[Meter, int],
    rates: dict[Meter, int],
    tiers: list[RateTier],
    tier: str | None,
    rounds: list[Round],
    markup_ppm: int,
) -> None:
    flex = {"flex": ServiceRates({Meter.INPUT: 3})}
    card = RateCard(rates_pico=rates, tiers=tuple(tiers), service_tiers=flex)
    usage = Usage(quantities, service_tier=tier, rounds=tuple(rounds))
    amount_nano = price_plainly(usage, card, markup_ppm)
    charge = price(usage, card, service_tier=tier, account_markup_ppm=markup_ppm)
    assert amount_nano in (None, charge.amount_nano)
    is_plain = not (tiers or tier or rounds) and quantities.keys() <= rates.keys()
    assert (amount_nano is not None) is is_plain


@pytest.mark.parametrize(
    ("meter", "rates", "rate"),
    [
        (Meter.CACHE_READ, {Meter.INPUT: 5}, 5),
        (Meter.CACHE_READ, {Meter.INPUT: 5, Meter.CACHE_READ: 0}, 0),
        (Meter.CACHE_WRITE_1H, {Meter.INPUT: 5, Meter.CACHE_WRITE_5M: 6}, 6),
        (Meter.CACHE_WRITE_1H, {Meter.INPUT: 5}, 5),
        (Meter.REASONING, {Meter.OUTPUT: 7}, 7),
        (Meter.OUTPUT_AUDIO, {Meter.OUTPUT: 7}, 7),
        (Meter.IMAGES, {Meter.INPUT: 5, Meter.OUTPUT: 7}, None),
        (Meter.INPUT, {}, None),
    ],
)
def test_meter_without_a_price_is_charged_as_its_fallback(
    meter: Meter, rates: dict[Meter, int], rate: int | None
) -> None:
    assert find_rate(rates, meter) == rate


def test_input_is_estimated_from_text_and_images_and_is_never_more_than_was_held_for() -> None:
    demand = Demand(text_bytes=9, image_count=2)
    assert estimate_input(demand) == 3 + 2 * TOKENS_PER_IMAGE
    assert estimate_input(demand, 100) == 100


def test_estimated_usage_is_rounded_up_and_marked() -> None:
    usage = estimate_usage(3, 1)
    assert usage.quantities == {Meter.INPUT: 3, Meter.OUTPUT: 1}
    assert usage.is_estimated


@pytest.mark.parametrize(
    ("total", "output"), [(30, 5), (45, 20), (None, 5)], ids=["inside", "beside", "unsaid"]
)
def test_reasoning_lies_where_the_total_says(total: int | None, output: int) -> None:
    said = f'"total_tokens":{total},' if total else ""
    body = (
        f'{{"usage":{{{said}"prompt_tokens":10,"completion_tokens":20,'
        '"completion_tokens_details":{"reasoning_tokens":15}}}'
    )
    usage = openai_chat.read_usage(body.encode())
    assert usage is not None
    assert usage.quantities == {Meter.INPUT: 10, Meter.OUTPUT: output, Meter.REASONING: 15}


@pytest.mark.parametrize(
    ("written", "five_minutes", "one_hour"),
    [
        ('"cache_creation_input_tokens":9', 9, 0),
        (
            '"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4}',
            5,
            4,
        ),
        (
            '"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":4}',
            5,
            4,
        ),
    ],
)
def test_cache_writes_are_told_apart(written: str, five_minutes: int, one_hour: int) -> None:
    body = f'{{"usage":{{"input_tokens":1,"output_tokens":2,{written}}}}}'
    usage = anthropic_messages.read_usage(body.encode())
    assert usage is not None
    assert usage.quantities.get(Meter.CACHE_WRITE_5M, 0) == five_minutes
    assert usage.quantities.get(Meter.CACHE_WRITE_1H, 0) == one_hour


@pytest.mark.parametrize("usage", ["null", "{}", '{"prompt_tokens":null}'])
def test_usage_without_a_count_is_none(usage: str) -> None:
    assert openai_chat.read_usage(f'{{"usage":{usage}}}'.encode()) is None
