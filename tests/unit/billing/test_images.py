"""Images by what they are: no charge is more than what was held, and each follows from its card."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.billing import BoundLimits, bound_charge, complete_images, price
from nagara.billing.proof import find_flaws
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand
from nagara.domain.rates import ImageClass, RateCard, decode_rate_card, encode_rate_card
from nagara.domain.sizes import class_of, count_pixels, is_of
from nagara.domain.usage import DrawnImage, Meter, Usage

CENT = 10**10
MODEL = Model(id="m", startup="s", display_name="M", output_tokens_max=4_000)
HD = RateCard(
    rates_pico={Meter.IMAGES: 9 * CENT},
    image_classes=(
        ImageClass(4 * CENT, "1024x1024", "standard"),
        ImageClass(8 * CENT, "1024x1792", "standard"),
        ImageClass(8 * CENT, "1024x1024", "hd"),
        ImageClass(12 * CENT, "1024x1792", "hd"),
    ),
)
BY_CLASS = RateCard(
    rates_pico={}, image_classes=(ImageClass(2 * CENT, "1K"), ImageClass(5 * CENT, "2K"))
)
BY_PIXEL = RateCard(rates_pico={Meter.PIXELS: 3_000})


def charge(card: RateCard, told: Usage, **asked: Any) -> int:
    demand = Demand(text_bytes=10, output_tokens_max=0, images_max=2, **asked)
    usage = complete_images(told, card, demand, 7)
    charged = price(usage, card)
    assert not charged.unpriced
    assert list(find_flaws(charged, 0, {card.version: card})) == []
    held = bound_charge(demand, MODEL, card, BoundLimits())
    assert held.unpriced == ()
    assert charged.amount_nano <= held.needed_nano
    return charged.amount_nano // (CENT // 1000)


def drawn(*images: DrawnImage, **tokens: int) -> Usage:
    counts = {Meter(name): count for name, count in tokens.items()}
    return Usage({**counts, Meter.IMAGES: len(images)}, drawn=images)


@pytest.mark.parametrize(
    ("asked", "told", "cents"),
    [
        ({"image_size": "1024x1024", "image_quality": "hd"}, DrawnImage(), 8),
        ({"image_size": "1024x1792", "image_quality": "hd"}, DrawnImage(), 12),
        # What is asked for counts, whatever comes.
        ({"image_size": "1024x1024", "image_quality": "hd"}, DrawnImage("1024x1792", "hd"), 8),
        # What nobody says is what the list has first.
        ({"image_size": "1024x1024"}, DrawnImage(), 4),
        ({}, DrawnImage("1024x1792", "hd"), 12),
        ({}, DrawnImage(), 4),
        # No class of its own: the price of any image.
        ({"image_size": "512x512"}, DrawnImage(), 9),
    ],
)
def test_image_costs_what_its_size_and_quality_do(
    asked: dict[str, str], told: DrawnImage, cents: int
) -> None:
    assert charge(HD, drawn(told), **asked) == cents
    assert charge(HD, drawn(told, told), **asked) == 2 * cents


def test_classes_of_resolution_hold_shapes_of_about_as_many_pixels() -> None:
    assert charge(BY_CLASS, drawn(DrawnImage("1344x768"))) == 2
    assert charge(BY_CLASS, drawn(DrawnImage()), image_size="1920x1080") == 5
    assert charge(BY_CLASS, drawn(DrawnImage()), image_size="2k") == 5
    mixed = drawn(DrawnImage("1024x1024"), DrawnImage("2048x2048"))
    assert charge(BY_CLASS, mixed) == 7
    assert [class_of(n) for n in (100, 512 * 512, 1024**2, 1920 * 1080, 3840 * 2160)] == [
        "512", "512", "1K", "2K", "4K",
    ]  # fmt: skip
    assert is_of("1024X1024", "1024x1024")
    assert not is_of("auto", "1K")


def test_pixels_are_those_that_were_asked_for_or_else_those_that_came() -> None:
    demand = Demand(text_bytes=1, output_tokens_max=0, images_max=1, image_size="1000x1000")
    usage = complete_images(drawn(DrawnImage("4096x4096")), BY_PIXEL, demand, 7)
    (line,) = price(usage, BY_PIXEL).lines
    assert (line.meter, line.quantity) == (Meter.PIXELS, 1_000_000)
    assert price(usage, BY_PIXEL).amount_nano == 3_000_000
    left = Demand(text_bytes=1, output_tokens_max=0, images_max=1)
    for told, pixels in ((None, 1_048_576), ("100x100", 10_000), ("9999x9999", 16_777_216)):
        usage = complete_images(drawn(DrawnImage(told)), BY_PIXEL, left, 7)
        assert price(usage, BY_PIXEL).lines[0].quantity == pixels


def test_tokens_beside_a_price_of_the_image_cost_nothing_and_are_no_flaw() -> None:
    told = drawn(DrawnImage("1024x1024"), input=10, output_image=1_000)
    assert charge(BY_CLASS, told) == 2


def test_what_an_image_may_be_and_has_no_price_is_refused_before_it_is_drawn() -> None:
    demand = Demand(text_bytes=1, output_tokens_max=0, images_max=1, image_size="4096x4096")
    held = bound_charge(demand, MODEL, BY_CLASS, BoundLimits())
    assert Meter.IMAGES in held.unpriced


def test_model_whose_answers_have_words_is_held_for_its_pictures_and_its_words() -> None:
    model = Model(
        id="m", startup="s", display_name="M", output_tokens_max=32_768, drawn_tokens_max=2_520
    )
    card = RateCard(rates_pico={Meter.INPUT: 1, Meter.OUTPUT: 1_000, Meter.OUTPUT_IMAGE: 100_000})
    demand = Demand(text_bytes=0, output_tokens_max=0, images_max=2)
    held = bound_charge(demand, model, card, BoundLimits())
    assert held.needed_nano == -(-(1024 + 2 * (2_520 * 100_000 + 32_768 * 1_000)) // 1000)


SIZES = st.sampled_from([None, "1024x1024", "1024x1792", "512x512", "2048x2048", "1K", "2K", "4K"])
QUALITIES = st.sampled_from([None, "standard", "hd"])
CLASSES = st.lists(
    st.builds(ImageClass, st.integers(0, CENT), SIZES, QUALITIES),
    max_size=6,
    unique_by=lambda each: each.name,
).map(tuple)


@given(
    CLASSES,
    st.booleans(),
    st.booleans(),
    SIZES,
    QUALITIES,
    st.lists(st.builds(DrawnImage, SIZES, QUALITIES), min_size=1, max_size=3),
)
def test_no_charge_is_more_than_what_was_held(
    classes: tuple[ImageClass, ...],
    has_image: bool,
    has_pixel: bool,
    size: str | None,
    quality: str | None,
    told: list[DrawnImage],
) -> None:
    rates = ({Meter.IMAGES: CENT} if has_image else {}) | ({Meter.PIXELS: 3} if has_pixel else {})
    named = tuple(each for each in classes if each.name)
    card = RateCard(rates_pico=rates, image_classes=named)
    demand = Demand(
        text_bytes=0, output_tokens_max=0, images_max=3, image_size=size, image_quality=quality
    )
    held = bound_charge(demand, MODEL, card, BoundLimits())
    usage = complete_images(drawn(*told), card, demand, 7)
    charged = price(usage, card)
    assert held.unpriced or not charged.unpriced
    if not held.unpriced:
        assert charged.amount_nano <= held.needed_nano
        assert list(find_flaws(charged, 0, {card.version: card})) == []


def test_card_with_classes_is_kept_whole_and_one_without_as_before() -> None:
    assert decode_rate_card(encode_rate_card(HD)) == HD
    assert b"image_classes" not in encode_rate_card(BY_PIXEL)
    assert count_pixels("auto") is None
