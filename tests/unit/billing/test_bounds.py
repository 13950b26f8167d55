"""No charge is more than what was held for it, and the cap that fits is the largest that does."""

import itertools
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.billing import (
    BoundLimits,
    Estimate,
    bound_charge,
    fit_output,
    is_nothing_to_hold,
    needs_price,
    not_enough_credit,
    price,
    price_output,
    settle_tier,
)
from nagara.billing.bounds import OVERHEAD_TOKENS
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand, SideCalls, Sound
from nagara.domain.errors import ErrorKind
from nagara.domain.rates import FREE_CARD, FREE_RATES, ImageClass, RateCard, RateTier, ServiceRates
from nagara.domain.usage import Meter, Round, Usage
from nagara.operations import ENDPOINTS

MODEL = Model(id="m", startup="s", display_name="M", output_tokens_max=1000)
WINDOWED = Model(id="m", startup="s", display_name="M", context_window=5000)
TINY_IMAGES = Model(id="m", startup="s", display_name="M", image_tokens_max=7)
ACTING = Model(id="m", startup="s", display_name="M", has_own_tools=True)
LIMITS = BoundLimits()
CARD = RateCard(rates_pico={Meter.INPUT: 1000, Meter.OUTPUT: 2000})
RATES = st.dictionaries(st.sampled_from(Meter), st.integers(0, 10**9))
TIERS = st.lists(
    st.builds(RateTier, input_tokens_min=st.integers(1, 20_000), rates_pico=RATES), max_size=3
).map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.input_tokens_min)))
CARDS = st.builds(
    RateCard,
    rates_pico=RATES,
    tiers=TIERS,
    service_tiers=st.dictionaries(
        st.sampled_from(["flex", "priority"]), st.builds(ServiceRates, RATES, TIERS)
    ),
    markup_ppm=st.integers(-999_999, 10**7),
)
TEXT_INPUT = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M)


def estimate(demand: Demand, card: RateCard = CARD, model: Model = MODEL) -> Estimate:
    return bound_charge(demand, model, card, LIMITS)


FREE_CARDS = [
    FREE_CARD,
    msgspec.structs.replace(FREE_CARD, markup_ppm=10**6),
    msgspec.structs.replace(FREE_CARD, effective_from_s=1, hours_s=(0, 60)),
]
CHARGING_CARDS = [
    CARD,
    RateCard(rates_pico={}),
    RateCard(rates_pico={**FREE_RATES, Meter.REQUESTS: 1}),
    msgspec.structs.replace(FREE_CARD, image_classes=(ImageClass(1),)),
    msgspec.structs.replace(FREE_CARD, service_tiers={"flex": ServiceRates(CARD.rates_pico)}),
    msgspec.structs.replace(FREE_CARD, tiers=(RateTier(1, CARD.rates_pico),)),
]
LARGE = Demand(text_bytes=10**6, output_tokens_max=10**6, choice_count=9, predicted_tokens_max=9)


@pytest.mark.parametrize("model", [MODEL, WINDOWED, ACTING])
@pytest.mark.parametrize("card", FREE_CARDS)
def test_text_by_a_card_that_is_free_has_nothing_to_hold(card: RateCard, model: Model) -> None:
    assert is_nothing_to_hold(LARGE, card)
    bound = estimate(LARGE, card, model)
    assert (bound.needed_nano, bound.unpriced) == (0, ())


@pytest.mark.parametrize("card", CHARGING_CARDS)
def test_what_any_card_may_charge_is_bounded(card: RateCard) -> None:
    assert not is_nothing_to_hold(LARGE, card)


@pytest.mark.parametrize(
    "more",
    [
        {"images_max": 1},
        {"sound": Sound()},
        {"side_calls": (SideCalls(calls_max=1),)},
        {"searches_max": 1},
        {"has_media_input": True},
        {"has_media_output": True},
        {"service_tier": "flex"},
    ],
)
def test_what_is_more_than_text_is_bounded(more: dict[str, Any]) -> None:
    assert not is_nothing_to_hold(msgspec.structs.replace(LARGE, **more), FREE_CARD)


def share(total: int, meters: tuple[Meter, ...], shares: list[int]) -> dict[Meter, int]:
    """Up to the total, each meter a percentage of what the ones before it left."""
    counts = {}
    for meter, percent in zip(meters, shares, strict=False):
        counts[meter] = total * percent // 100
        total -= counts[meter]
    return counts


@given(
    card=CARDS,
    text_bytes=st.integers(0, 30_000),
    cap=st.integers(0, 5_000),
    choices=st.integers(1, 4),
    searches=st.integers(0, 3),
    predicted=st.integers(0, 500),
    shares=st.lists(st.integers(0, 100), min_size=5, max_size=5),
    tiers=st.sampled_from(list(itertools.product([None, "flex", "priority"], repeat=2))),
)
def test_no_charge_is_more_than_its_bound(
    card: RateCard,
    text_bytes: int,
    cap: int,
    choices: int,
    searches: int,
    predicted: int,
    shares: list[int],
    tiers: tuple[str | None, str | None],
) -> None:
    requested, served = tiers
    demand = Demand(
        text_bytes=text_bytes,
        output_tokens_max=cap,
        choice_count=choices,
        predicted_tokens_max=predicted,
        searches_max=searches,
        service_tier=requested,
    )
    bound = estimate(demand, card)
    usage = Usage(
        {
            **share(text_bytes + OVERHEAD_TOKENS, TEXT_INPUT, shares),
            **share((cap + predicted) * choices, (Meter.OUTPUT, Meter.REASONING), shares[3:]),
            Meter.SEARCHES: searches,
        },
        service_tier=served,
    )
    tier = settle_tier(card, requested, served)
    assert price(usage, card, service_tier=tier).amount_nano <= bound.needed_nano


@given(
    card=CARDS,
    cap=st.integers(1, 5_000),
    choices=st.integers(1, 4),
    available_nano=st.integers(0, 10**11),
)
def test_cap_that_fits_is_paid_and_one_more_is_not(
    card: RateCard, cap: int, choices: int, available_nano: int
) -> None:
    bound = estimate(Demand(text_bytes=10, output_tokens_max=cap, choice_count=choices), card)
    fits = fit_output(bound, available_nano, BoundLimits(useful_output_tokens=1))
    if bound.needed_nano <= available_nano:
        assert fits == cap
    elif fits is None:
        assert price_output(bound, 1) > available_nano
    else:
        assert 1 <= fits < cap
        assert price_output(bound, fits) <= available_nano < price_output(bound, fits + 1)


def test_less_than_is_useful_does_not_fit_unless_no_more_was_asked_for() -> None:
    limits = BoundLimits(useful_output_tokens=16)
    bound = estimate(Demand(text_bytes=0, output_tokens_max=100))
    assert fit_output(bound, price_output(bound, 15), limits) is None
    assert fit_output(bound, price_output(bound, 16), limits) == 16
    small = estimate(Demand(text_bytes=0, output_tokens_max=3))
    assert fit_output(small, price_output(small, 3), limits) == 3
    thoughtful = estimate(Demand(text_bytes=0, output_tokens_max=100, output_tokens_min=40))
    assert fit_output(thoughtful, price_output(thoughtful, 39), limits) is None
    assert fit_output(thoughtful, price_output(thoughtful, 40), limits) == 40


def test_402_says_what_is_needed_what_is_there_and_what_fits() -> None:
    error = not_enough_credit(estimate(Demand(text_bytes=0, output_tokens_max=100)), 1100, 38)
    assert error.kind is ErrorKind.INSUFFICIENT_QUOTA
    assert "up to $0.000001224 and $0.0000011 is available" in error.message
    assert "capped at 38 tokens" in error.message


@pytest.mark.parametrize(
    ("demand", "model", "tokens"),
    [
        (Demand(text_bytes=100), MODEL, 100 + OVERHEAD_TOKENS),
        (Demand(text_bytes=10**9), WINDOWED, 5000),
        (Demand(text_bytes=10**9, context_tokens_min=9000), WINDOWED, 9000),
        (Demand(text_bytes=10**7), MODEL, 10**7 + OVERHEAD_TOKENS),
        (Demand(text_bytes=1, has_unseen_input=True, rounds_max=3), MODEL, 3 * 1_048_576),
        (Demand(text_bytes=9000, is_one_context=False), WINDOWED, 9000 + OVERHEAD_TOKENS),
        (Demand(text_bytes=0, image_count=2), MODEL, OVERHEAD_TOKENS + 2 * 16_384),
        (Demand(text_bytes=0, image_count=1), TINY_IMAGES, OVERHEAD_TOKENS + 7),
        (Demand(text_bytes=0), ACTING, 10 * 1_048_576),
    ],
)
def test_input_is_bounded_by_bytes_images_and_the_context(
    demand: Demand, model: Model, tokens: int
) -> None:
    assert estimate(demand, model=model).input_tokens == tokens


def test_output_is_the_callers_cap_else_the_models_else_the_context() -> None:
    unknown = Model(id="m", startup="s", display_name="M")
    assert estimate(Demand(text_bytes=0, output_tokens_max=7)).output_tokens_max == 7
    assert estimate(Demand(text_bytes=0)).output_tokens_max == 1000
    assert estimate(Demand(text_bytes=0), model=WINDOWED).output_tokens_max == 5000
    assert estimate(Demand(text_bytes=0), model=unknown).output_tokens_max == LIMITS.output_tokens


@pytest.mark.parametrize(
    "dear",
    [
        RateCard(rates_pico={Meter.INPUT: 1, Meter.OUTPUT: 2000, Meter.OUTPUT_IMAGE: 9000}),
        RateCard(
            rates_pico={Meter.INPUT: 1, Meter.OUTPUT: 2000},
            service_tiers={"flex": ServiceRates({Meter.OUTPUT_IMAGE: 9000})},
        ),
    ],
)
def test_what_a_model_draws_unasked_is_held_for(dear: RateCard) -> None:
    tier = next(iter(dear.service_tiers), None)
    demand = Demand(text_bytes=0, output_tokens_max=1290, service_tier=tier)
    drawn = Usage({Meter.OUTPUT_IMAGE: 1290}, service_tier=tier)
    charge = price(drawn, dear, service_tier=tier)
    assert charge.amount_nano == 1290 * 9
    assert charge.amount_nano <= estimate(demand, dear).needed_nano


def test_what_a_request_may_use_and_nobody_priced_is_named() -> None:
    searching = Demand(text_bytes=0, searches_max=1, output_tokens_max=1)
    assert estimate(searching).unpriced == (Meter.SEARCHES,)
    only_input = RateCard(rates_pico={Meter.INPUT: 1})
    assert estimate(Demand(text_bytes=0), only_input).unpriced == (Meter.OUTPUT,)
    assert estimate(Demand(text_bytes=0, output_tokens_max=0), only_input).unpriced == ()
    message = needs_price("mine", (Meter.SEARCHES,)).message
    assert '[models."mine".prices]' in message
    assert "for searches" in message


def test_calls_beside_the_answer_are_held_for_at_their_own_models_price() -> None:
    dear = RateCard(rates_pico={Meter.INPUT: 10**6, Meter.OUTPUT: 10**6})
    side = SideCalls(calls_max=2, model="dear", input_tokens_max=10, output_tokens_max=20)
    demand = Demand(text_bytes=0, output_tokens_max=0, side_calls=(side,))
    cards = {"dear": dear}
    held = bound_charge(demand, MODEL, CARD, LIMITS, find_card=cards.get)
    rounds = (Round({Meter.INPUT: 10, Meter.OUTPUT: 20}, "dear"),) * 2
    charge = price(Usage({}, rounds=rounds), CARD, find_card=cards.get)
    assert charge.amount_nano == 60_000
    assert charge.lines[0].rate_card == dear.version
    assert held.needed_nano == 60_000 + OVERHEAD_TOKENS
    assert price(Usage({}, rounds=rounds), CARD).amount_nano == 2 * (10 + 2 * 20)


def test_dearer_tier_that_was_not_asked_for_is_not_charged() -> None:
    tiers = {"priority": ServiceRates({Meter.INPUT: 9000}), "flex": ServiceRates({Meter.INPUT: 1})}
    card = RateCard(rates_pico=CARD.rates_pico, service_tiers=tiers)
    assert settle_tier(card, None, "priority") is None
    assert settle_tier(card, "priority", "priority") == "priority"
    assert settle_tier(card, "priority", None) is None
    assert settle_tier(card, None, "flex") == "flex"
    assert settle_tier(card, "flex", "unheard-of") is None


def test_bound_of_a_small_chat_takes_a_few_microseconds() -> None:
    """Not a benchmark: ten times its figure, so that only a mistake of kind makes it fail."""
    chat = ENDPOINTS["/v1/chat/completions"]
    text = b"Why is the sky blue? " * 35
    body = b'{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"%b"}]}' % text
    view = chat.read_request(body)
    best = min(_time(lambda: estimate(chat.measure(view))) for _ in range(20))
    assert best < 100e-6


def _time(call: object) -> float:
    assert callable(call)
    began = time.perf_counter()
    for _ in range(20):
        call()
    return (time.perf_counter() - began) / 20
