"""What one unit of each meter costs, and from when: a rate card.

Rates are whole pico-dollars. A card is never changed: another price is another card, with the day
from which it counts, and a charge names the card it was made with by its `version`. Which of
several cards is in force, and how a card makes a charge, `nagara.billing` says.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property

import msgspec

from nagara.domain.usage import Meter

VERSION_DIGITS = 16

Rates = Mapping[Meter, int]
"""Pico-dollars a unit, by meter. A meter that is missing is charged as a coarser one."""


class RateTier(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rates in place of the card's own once a request's input has `input_tokens_min` tokens.

    All input counts, what was cached too, and the whole request is charged at these rates.
    """

    input_tokens_min: int
    rates_pico: Rates


class ServiceRates(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rates of a service tier (`"flex"`, `"priority"`, `"batch"`), where they differ.

    A meter that is priced here is priced by these tiers of input alone.
    """

    rates_pico: Rates
    tiers: tuple[RateTier, ...] = ()


class RateCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """The prices of a model from a moment on.

    `tiers` are in the order of their thresholds. `markup_ppm` is millionths on top of every rate,
    negative for a discount. `hours_s` is a daily window in seconds of the UTC day, from and until
    (past midnight where it ends before it begins): outside of it the card is not in force.
    """

    rates_pico: Rates
    tiers: tuple[RateTier, ...] = ()
    service_tiers: Mapping[str, ServiceRates] = {}
    markup_ppm: int = 0
    effective_from_s: int = 0
    hours_s: tuple[int, int] | None = None

    @cached_property
    def version(self) -> str:
        """A short digest of what the card says: the same for the same content, anywhere."""
        return hashlib.sha256(encode_rate_card(self)).hexdigest()[:VERSION_DIGITS]


FREE_RATES: Rates = {Meter.INPUT: 0, Meter.OUTPUT: 0}
FREE_CARD = RateCard(rates_pico=FREE_RATES)
"""What is free because somebody said so."""

_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(RateCard)


def encode_rate_card(card: RateCard) -> bytes:
    """The card as JSON, the same bytes for the same card."""
    return _encoder.encode(card)


def decode_rate_card(data: bytes) -> RateCard:
    """The card of `encode_rate_card`; raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(data)
