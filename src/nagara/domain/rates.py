"""What one unit of each meter costs, and from when: a rate card.

Rates are whole pico-dollars. A card is never changed: another price is another card, with the day
from which it counts, and a charge names the card it was made with by its `version`. How a card
makes a charge, `nagara.billing` says.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

from nagara.domain.sizes import is_of
from nagara.domain.usage import DrawnImage, Meter

VERSION_DIGITS = 16

# Providers cache what they like: a write of the short kind may come unasked, one for an hour never.
TEXT_INPUT_METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M)
TEXT_OUTPUT_METERS = (Meter.OUTPUT, Meter.REASONING)
MEDIA_OUTPUT_METERS = (Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE)
DAY_S = 86_400

Rates = Mapping[Meter, int]
"""Pico-dollars a unit, by meter. A meter that is missing is charged as a coarser one."""


# What a meter is charged as where the rate card has no price of its own for it.
_FALLBACK = {
    Meter.CACHE_READ: Meter.INPUT,
    Meter.CACHE_READ_AUDIO: Meter.CACHE_READ,
    Meter.CACHE_READ_IMAGE: Meter.CACHE_READ,
    Meter.CACHE_WRITE_5M: Meter.INPUT,
    Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE_5M,
    Meter.INPUT_AUDIO: Meter.INPUT,
    Meter.INPUT_IMAGE: Meter.INPUT,
    Meter.REASONING: Meter.OUTPUT,
    Meter.OUTPUT_AUDIO: Meter.OUTPUT,
    Meter.OUTPUT_IMAGE: Meter.OUTPUT,
}


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


class ImageClass(msgspec.Struct, frozen=True, omit_defaults=True):
    """The price of an image of some size (`1024x1792`, or `2K`), some quality, or both."""

    rate_pico: int
    size: str | None = None
    quality: str | None = None

    @property
    def name(self) -> str:
        """What a charge calls it; a card has each name once."""
        return " ".join(word for word in (self.size, self.quality) if word is not None)

    def fits(self, size: str | None, quality: str | None) -> bool:
        """Whether it is the price of such an image; what is not known fits nothing but any."""
        return _is_size(self.size, size) and self.quality in (None, quality)

    def may_fit(self, size: str | None, quality: str | None) -> bool:
        """Whether it may be, where None is not known yet."""
        return (size is None or _is_size(self.size, size)) and (
            quality is None or self.quality in (None, quality)
        )


def _is_size(named: str | None, size: str | None) -> bool:
    return named is None or (size is not None and is_of(size, named))


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
    image_classes: tuple[ImageClass, ...] = ()
    """Prices of an image by what it is, in place of the one price of any. The first that fits."""

    def find_image_class(self, image: DrawnImage) -> ImageClass | None:
        """The price of such an image: the first that fits what is known of it, or that may.

        Where none does and nothing else has a price, it is the dearest that was held for: what came
        may be of a kind that nobody knew.
        """
        size, quality = image.counted_size, image.counted_quality
        asked = [x for x in self.image_classes if x.may_fit(image.asked_size, image.asked_quality)]
        found = next((x for x in asked if x.fits(size, quality)), None)
        found = found or next((x for x in asked if x.may_fit(size, quality)), None)
        if found is None and not {Meter.IMAGES, Meter.PIXELS} & self.rates_pico.keys():
            return max(asked, key=lambda each: each.rate_pico, default=None)
        return found

    def rate_of_class(self, name: str) -> int | None:
        """Pico-dollars for an image of the class of that name."""
        return next((x.rate_pico for x in self.image_classes if x.name == name), None)

    @cached_property
    def version(self) -> str:
        """A short digest of what the card says: the same for the same content, anywhere."""
        return hashlib.sha256(encode_rate_card(self)).hexdigest()[:VERSION_DIGITS]

    @cached_property
    def has_media_output(self) -> bool:
        """Whether images or sound that come out have a price of their own."""
        rates = [self.rates_pico, *(tier.rates_pico for tier in self.tiers)]
        for service in self.service_tiers.values():
            rates += (service.rates_pico, *(tier.rates_pico for tier in service.tiers))
        return any(meter in each for each in rates for meter in MEDIA_OUTPUT_METERS)

    @cached_property
    def is_free(self) -> bool:
        """Whether it says that text costs nothing, and says nothing else."""
        is_plain = not (self.tiers or self.service_tiers or self.image_classes)
        return is_plain and self.rates_pico == FREE_RATES

    @cached_property
    def text_ceilings(self) -> tuple[int | None, int | None]:
        """The dearest that a token of text is, in and out, where no tier counts: for bounds."""
        rates = (self.rates_pico,)
        return find_dearest(rates, TEXT_INPUT_METERS), find_dearest(rates, TEXT_OUTPUT_METERS)


def find_rate_card(prices: Sequence[RateCard], now_s: float) -> RateCard | None:
    """The last of the cards that is in force at that moment; None if none is."""
    # Of most there is one, or the last counts: to turn the order round would take half as long.
    if prices and prices[-1].effective_from_s <= now_s and prices[-1].hours_s is None:
        return prices[-1]
    for card in reversed(prices):
        hours_s = card.hours_s
        if card.effective_from_s <= now_s and (hours_s is None or _is_open(hours_s, now_s)):
            return card
    return None


def _is_open(hours_s: tuple[int, int], now_s: float) -> bool:
    from_s, until_s = hours_s
    time_s = now_s % DAY_S
    if from_s <= until_s:
        return from_s <= time_s < until_s
    return time_s >= from_s or time_s < until_s


def find_next_change(prices: Sequence[RateCard], now_s: float) -> float:
    """The next moment at which another of the cards may be in force; infinity if none comes."""
    day_s = now_s - now_s % DAY_S
    edges = (
        day_s + edge_s + (0 if now_s < day_s + edge_s else DAY_S)
        for card in prices
        for edge_s in card.hours_s or ()
    )
    begins = (card.effective_from_s for card in prices if card.effective_from_s > now_s)
    return min((*edges, *begins), default=math.inf)


def find_rates(prices: Sequence[RateCard], now_s: float) -> Rates:
    """The usual rates at that moment, for showing; empty where there is no price."""
    card = find_rate_card(prices, now_s)
    return {} if card is None else card.rates_pico


def find_rate(rates_pico: Mapping[Meter, int], meter: Meter) -> int | None:
    """Pico-dollars for one unit of `meter`; None where neither it nor its fallback has a price."""
    step: Meter | None = meter
    while step is not None:
        rate = rates_pico.get(step)
        if rate is not None:
            return rate
        step = _FALLBACK.get(step)
    return None


def find_dearest(rates: Iterable[Rates], meters: Sequence[Meter]) -> int | None:
    """The dearest of these meters in any of these rates; None where none has a price."""
    found = [rate for each in rates for m in meters if (rate := find_rate(each, m)) is not None]
    return max(found, default=None)


FREE_RATES: Rates = {Meter.INPUT: 0, Meter.OUTPUT: 0}
FREE_CARD = RateCard(rates_pico=FREE_RATES)
"""What is free because somebody said so."""
FREE_METERS = frozenset(meter for meter in Meter if find_rate(FREE_RATES, meter) is not None)
"""What costs nothing by a card that is free: text, read from a cache or not, thought or said."""

_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(RateCard)


def encode_rate_card(card: RateCard) -> bytes:
    """The card as JSON, the same bytes for the same card."""
    return _encoder.encode(card)


def decode_rate_card(data: bytes) -> RateCard:
    """The card of `encode_rate_card`; raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(data)
