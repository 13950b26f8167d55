"""Speech is charged by what its card has a price for, and by no more than was held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.billing import BoundLimits, bound_charge, count_sound, price
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand, Sound
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter, Usage

MODEL = Model(id="m", startup="s", display_name="M")
DEMAND = Demand(text_bytes=400, sound=Sound(characters=100, spoken_ms_max=35_000))
MEASURED = Usage({Meter.AUDIO_MS: 6_000})
REPORTED = Usage({Meter.AUDIO_MS: 6_000, Meter.INPUT: 90, Meter.OUTPUT_AUDIO: 130})
BY_CHARACTERS = {Meter.CHARACTERS: 15_000_000}
BY_TIME = {Meter.AUDIO_MS: 100_000}
BY_TOKENS = {Meter.INPUT: 600_000, Meter.OUTPUT: 12_000_000}


@pytest.mark.parametrize("measured", [None, MEASURED, REPORTED])
def test_characters_are_counted_exactly_whatever_came(measured: Usage | None) -> None:
    assert count_sound(measured, DEMAND, BY_CHARACTERS) == Usage({Meter.CHARACTERS: 100})


def test_time_is_what_was_delivered_and_else_a_guess() -> None:
    assert count_sound(MEASURED, DEMAND, BY_TIME) == MEASURED
    assert count_sound(REPORTED, DEMAND, BY_TIME) == MEASURED
    assert count_sound(None, DEMAND, BY_TIME) == Usage({Meter.AUDIO_MS: 6_500}, is_estimated=True)


def test_tokens_are_the_providers_and_else_told_from_the_time() -> None:
    told = Usage({Meter.INPUT: 90, Meter.OUTPUT_AUDIO: 130})
    guessed = Usage({Meter.INPUT: 100, Meter.OUTPUT_AUDIO: 126}, is_estimated=True)
    assert count_sound(REPORTED, DEMAND, BY_TOKENS) == told
    assert count_sound(MEASURED, DEMAND, BY_TOKENS) == guessed


def test_tokens_of_speech_that_was_left_are_not_fewer_than_was_delivered() -> None:
    # Its provider counts the input at the beginning, and the output at the end.
    begun = Usage({Meter.AUDIO_MS: 6_000, Meter.INPUT: 90, Meter.OUTPUT_AUDIO: 0})
    least = Usage({Meter.INPUT: 90, Meter.OUTPUT_AUDIO: 126}, is_estimated=True)
    assert count_sound(begun, DEMAND, BY_TOKENS, is_whole=False) == least
    told = Usage({Meter.INPUT: 90, Meter.OUTPUT_AUDIO: 130})
    assert count_sound(REPORTED, DEMAND, BY_TOKENS, is_whole=False) == told
    endless = Usage({Meter.AUDIO_MS: 10**9, Meter.INPUT: 90})
    tokens = count_sound(endless, DEMAND, BY_TOKENS, is_whole=False).quantities
    assert tokens[Meter.OUTPUT_AUDIO] <= 35 * 32


@pytest.mark.parametrize(
    ("measured", "meters"),
    [(MEASURED, {Meter.CHARACTERS}), (REPORTED, {Meter.INPUT, Meter.OUTPUT_AUDIO})],
)
def test_who_pays_nothing_has_one_count_too(measured: Usage, meters: set[Meter]) -> None:
    assert set(count_sound(measured, DEMAND, None).quantities) == meters


@pytest.mark.parametrize("rates", [BY_CHARACTERS, BY_TIME, BY_TOKENS])
def test_nothing_that_is_held_for_lacks_a_price(rates: dict[Meter, int]) -> None:
    estimate = bound_charge(DEMAND, MODEL, RateCard(rates_pico=rates), BoundLimits())
    assert estimate.needed_nano > 0
    assert estimate.unpriced == ()
    assert estimate.output_tokens_max == 0


def test_a_card_that_cannot_price_speech_names_what_it_lacks() -> None:
    card = RateCard(rates_pico={Meter.IMAGES: 5})
    estimate = bound_charge(DEMAND, MODEL, card, BoundLimits())
    assert estimate.unpriced == (Meter.INPUT, Meter.OUTPUT_AUDIO)


@given(
    rates=st.dictionaries(
        st.sampled_from(
            [
                Meter.CHARACTERS, Meter.AUDIO_MS, Meter.INPUT, Meter.OUTPUT, Meter.OUTPUT_AUDIO,
                Meter.REQUESTS,
            ]
        ),
        st.integers(0, 10**9),
        min_size=1,
    ),
    markup_ppm=st.integers(-500_000, 10**6),
    ms=st.none() | st.integers(0, 35_000),
)  # fmt: skip
def test_no_charge_for_what_was_measured_is_more_than_was_held(
    rates: dict[Meter, int], markup_ppm: int, ms: int | None
) -> None:
    card = RateCard(rates_pico=rates, markup_ppm=markup_ppm)
    measured = None if ms is None else Usage({Meter.AUDIO_MS: ms})
    usage = count_sound(measured, DEMAND, card.rates_pico)
    charge = price(usage, card)
    assert charge.amount_nano <= bound_charge(DEMAND, MODEL, card, BoundLimits()).needed_nano


HEARD = Demand(text_bytes=40, sound=Sound(heard_ms=6_000))
HEARD_TOKENS = Usage({Meter.INPUT: 5, Meter.INPUT_AUDIO: 60, Meter.OUTPUT: 9})


def test_what_is_heard_is_counted_by_time_and_by_no_more_than_there_was() -> None:
    assert count_sound(None, HEARD, BY_TIME) == MEASURED
    said = Usage({Meter.AUDIO_MS: 7_000})
    assert count_sound(said, HEARD, BY_TIME) == said
    assert count_sound(Usage({Meter.AUDIO_MS: 60_000}), HEARD, BY_TIME) == said


def test_what_is_heard_is_counted_by_the_providers_tokens_and_else_by_a_guess() -> None:
    guessed = {Meter.INPUT: 10, Meter.INPUT_AUDIO: 60, Meter.OUTPUT: 24}
    assert count_sound(HEARD_TOKENS, HEARD, BY_TOKENS) == HEARD_TOKENS
    assert count_sound(MEASURED, HEARD, BY_TOKENS) == Usage(guessed, is_estimated=True)


def test_who_pays_nothing_for_what_is_heard_has_one_count_too() -> None:
    assert count_sound(None, HEARD, None) == MEASURED
    assert count_sound(HEARD_TOKENS, HEARD, None) == HEARD_TOKENS


@pytest.mark.parametrize("rates", [BY_TIME, BY_TOKENS])
@pytest.mark.parametrize("measured", [None, MEASURED, HEARD_TOKENS])
def test_no_charge_for_what_is_heard_is_more_than_was_held(
    rates: dict[Meter, int], measured: Usage | None
) -> None:
    card = RateCard(rates_pico=rates)
    charge = price(count_sound(measured, HEARD, rates), card)
    assert 0 < charge.amount_nano <= bound_charge(HEARD, MODEL, card, BoundLimits()).needed_nano
    assert charge.unpriced == ()
