"""The operator's prices: dated, tiered, marked up, and never free by accident."""

from pathlib import Path

import pytest

from nagara.config.load import load_config
from nagara.domain.catalog import Catalogue, Model
from nagara.domain.configuration import ConfigError
from nagara.domain.rates import ImageClass, RateCard, RateTier, ServiceRates, find_rate_card
from nagara.domain.usage import Meter
from nagara.routing.table import build_routes

NEW_YEAR_S = 1_798_761_600
KNOWN = RateCard(rates_pico={Meter.INPUT: 1, Meter.OUTPUT: 2})
SANDBOX = '[models.m]\ndeployments = [{ provider = "sandbox", model = "m" }]\n'


def prices(tmp_path: Path, text: str) -> tuple[RateCard, ...]:
    path = tmp_path / "nagara.toml"
    path.write_text(SANDBOX + text)
    model = Model(id="m", startup="s", display_name="M", prices=(KNOWN,))
    declared = load_config(path, {}).declared
    return build_routes(declared, Catalogue(0, "a test", (model,), ())).routes["m"].prices


def test_future_price_takes_over_on_its_day(tmp_path: Path) -> None:
    text = '[[models.m.prices]]\neffective_from = 2027-01-01\ninput_mtok = "9"\noutput_mtok = 9\n'
    cards = prices(tmp_path, text)
    before, after = (find_rate_card(cards, NEW_YEAR_S + s) for s in (-1, 0))
    assert before == KNOWN
    assert after is not None
    assert after.rates_pico[Meter.INPUT] == 9_000_000
    assert after.version != KNOWN.version


def test_tiers_services_and_units(tmp_path: Path) -> None:
    text = (
        "[models.m.prices]\n"
        'input_mtok = "2"\noutput_mtok = "8"\nsearch = "0.01"\naudio_hour = "0.36"\n'
        'tiers = [{ input_tokens_above = 200000, input_mtok = "4" }]\n'
        'service_tiers.flex = { multiple = "0.5", output_mtok = "5" }\n'
    )
    assert prices(tmp_path, text) == (
        RateCard(
            rates_pico={
                Meter.INPUT: 2_000_000,
                Meter.OUTPUT: 8_000_000,
                Meter.SEARCHES: 10**10,
                Meter.AUDIO_MS: 100_000,
            },
            tiers=(RateTier(200_001, {Meter.INPUT: 4_000_000}),),
            service_tiers={
                "flex": ServiceRates(
                    {
                        Meter.INPUT: 1_000_000,
                        Meter.OUTPUT: 5_000_000,
                        Meter.SEARCHES: 5 * 10**9,
                        Meter.AUDIO_MS: 50_000,
                    },
                    (RateTier(200_001, {Meter.INPUT: 2_000_000}),),
                )
            },
        ),
    )


def test_markup_is_on_every_card(tmp_path: Path) -> None:
    assert [card.markup_ppm for card in prices(tmp_path, 'markup_percent = "12.5"')] == [125_000]
    assert [card.markup_ppm for card in prices(tmp_path, "markup_percent = -20")] == [-200_000]


def test_what_is_free_says_so(tmp_path: Path) -> None:
    cards = prices(tmp_path, "prices = { free = true }")
    assert cards[0].rates_pico == {Meter.INPUT: 0, Meter.OUTPUT: 0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prices = {}", "what costs nothing says free = true"),
        ('prices = { free = true, input_mtok = "1" }', "is free and has prices"),
        ("markup_percent = -100", "a percentage above -100"),
        ('markup_percent = "NaN"', "a percentage above -100"),
        ("prices = [{ input_mtok = 1 }, { input_mtok = 2 }]", "two prices from the same day on"),
        ('prices = { service_tiers = { flex = { multiple = "x" } } }', "has to be a number"),
        ("prices = { effective_from = 7 }", "has to be a day, such as 2027-01-01"),
        ('prices = { input_mtok = "1e400" }', "has to be a price in dollars"),
    ],
)
def test_price_that_cannot_be_meant_is_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        prices(tmp_path, text)


def test_model_that_is_called_free_is_free(tmp_path: Path) -> None:
    text = '[models."x:free"]\ndeployments = [{ provider = "sandbox", model = "m" }]\n'
    prices(tmp_path, text + "prices = { free = true }")
    with pytest.raises(ConfigError, match="is called free"):
        prices(tmp_path, text + "prices = { input_mtok = 1 }")


def test_images_are_priced_by_size_and_quality(tmp_path: Path) -> None:
    text = (
        "[models.m.prices]\n"
        'image = "0.04"\nmegapixel = "0.003"\n'
        'images = [{ size = "1024x1792", quality = "hd", price = "0.12" }, '
        '{ size = "4K", price = 0.15 }]\n'
    )
    (card,) = prices(tmp_path, text)
    assert card.rates_pico == {Meter.IMAGES: 40_000_000_000, Meter.PIXELS: 3_000}
    assert card.image_classes == (
        ImageClass(120_000_000_000, "1024x1792", "hd"),
        ImageClass(150_000_000_000, "4K"),
    )
    assert prices(tmp_path, '[models.m.prices]\nimages = [{ size = "1K", price = "1" }]\n')


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ('[{ price = "1" }]', "neither a size nor a quality"),
        ('[{ size = "large", price = "1" }]', "has to be a size"),
        ('[{ size = "1K", price = "x" }]', "has to be a price"),
        ('[{ size = "1K", price = "1" }, { size = "1K", price = "2" }]', "twice"),
        ('[{ size = "1K" }]', "price"),
        ('[{ sice = "1K", price = "1" }]', "size"),
    ],
)
def test_price_of_images_that_says_nothing_is_a_mistake(
    tmp_path: Path, images: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        prices(tmp_path, f"[models.m.prices]\nimages = {images}\n")
    assert said in str(caught.value)
