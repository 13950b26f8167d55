"""What models cost in a simulation, from day to day, and charges that come to about an amount.

Charges are made by the code that makes them for real, so that `verify` can hold each of them to the
card that was in force; every card is stored by whichever process uses it first.
"""

import random

import msgspec

from nagara.billing import find_rate_card, price
from nagara.domain.money import PPM, Charge
from nagara.domain.rates import DAY_S, RateCard, RateTier
from nagara.domain.usage import Meter, Usage
from nagara.storage.rate_cards import UsedCard

INPUT_PICO, OUTPUT_PICO = 100, 250
VERSIONS, VERSION_DAYS = 30, 3
MARKUPS_PPM = (None, None, 0, 50_000)
"""What accounts have; None leaves it to the model, which has none."""

LONG_INPUT = RateTier(50, {Meter.INPUT: INPUT_PICO // 2})


def make_prices(model: str, now_s: int) -> tuple[RateCard, ...]:
    """A model's cards: one that was always so, and from now on another every few days."""
    begins = [0, *(now_s + at * VERSION_DAYS * DAY_S for at in range(1, VERSIONS))]
    dearer = len(model)
    return tuple(
        RateCard(
            rates_pico={Meter.INPUT: INPUT_PICO - at % 7, Meter.OUTPUT: OUTPUT_PICO - dearer},
            tiers=(LONG_INPUT,),
            effective_from_s=begin,
        )
        for at, begin in enumerate(begins)
    )


class Priced(msgspec.Struct, frozen=True):
    """What was used of a model, what is charged for that, and by which card."""

    usage: Usage
    charge: Charge
    card: UsedCard


def price_about(
    amount_nano: int, model: str, prices: tuple[RateCard, ...], at_s: int, chance: random.Random
) -> Priced:
    """A charge of that amount at the most, and never nothing."""
    markup_ppm = chance.choice(MARKUPS_PPM)
    left_pico = amount_nano * 1000 * PPM // (PPM + (markup_ppm or 0))
    inputs = chance.randrange(left_pico // INPUT_PICO)
    outputs = (left_pico - inputs * INPUT_PICO) // OUTPUT_PICO
    usage = Usage({Meter.INPUT: inputs if outputs else max(1, inputs), Meter.OUTPUT: outputs})
    card = find_rate_card(prices, at_s)
    assert card is not None
    charge = price(usage, card, account_markup_ppm=markup_ppm)
    assert 0 < charge.amount_nano <= amount_nano
    return Priced(usage, charge, UsedCard(model, card))
