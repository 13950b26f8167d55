"""Prices of genai-prices as rate cards: whole pico-dollars by meter, dated, with their tiers.

Each price is exact, or rounded up where it is finer than a pico-dollar. Long input, service tiers,
days from which a price counts and hours of the day are kept as the price data has them. What our
meters cannot count (video, pages, seconds of generated sound) is left out.
"""

import datetime
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from nagara.domain.money import rate_from_mtok
from nagara.domain.rates import RateCard, RateTier, ServiceRates
from nagara.domain.usage import Meter

MILLISECONDS_PER_HOUR = 3_600_000

# Price key of genai-prices -> our meter, and how many of its units one price is for.
PRICE_KEYS: dict[str, tuple[Meter, int]] = {
    "input_mtok": (Meter.INPUT, 1_000_000),
    "cache_read_mtok": (Meter.CACHE_READ, 1_000_000),
    "cache_audio_read_mtok": (Meter.CACHE_READ_AUDIO, 1_000_000),
    "cache_image_read_mtok": (Meter.CACHE_READ_IMAGE, 1_000_000),
    "cache_write_mtok": (Meter.CACHE_WRITE_5M, 1_000_000),
    "cache_write_1h_mtok": (Meter.CACHE_WRITE_1H, 1_000_000),
    "output_mtok": (Meter.OUTPUT, 1_000_000),
    "output_reasoning_mtok": (Meter.REASONING, 1_000_000),
    "input_audio_mtok": (Meter.INPUT_AUDIO, 1_000_000),
    "output_audio_mtok": (Meter.OUTPUT_AUDIO, 1_000_000),
    "input_image_mtok": (Meter.INPUT_IMAGE, 1_000_000),
    "output_image_mtok": (Meter.OUTPUT_IMAGE, 1_000_000),
    "input_mchars": (Meter.CHARACTERS, 1_000_000),
    "web_searches_kcount": (Meter.SEARCHES, 1_000),
    "storage_searches_kcount": (Meter.FILE_SEARCHES, 1_000),
    "requests_kcount": (Meter.REQUESTS, 1_000),
    "input_audio_hours": (Meter.AUDIO_MS, MILLISECONDS_PER_HOUR),
}

# What selects a variant of a price, and the service tier that it is to us.
SERVICE_TIERS: Mapping[tuple[str, str], str] = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    # Anthropic's own word for it. https://docs.anthropic.com/en/docs/build-with-claude/fast-mode
    ("speed", "fast"): "fast",
}

_ALWAYS = datetime.date(2000, 1, 1)


def read_cards(model: Any) -> tuple[RateCard, ...]:
    """The cards of a `genai_prices.types.ModelInfo`, in order; none when it states no price.

    Within what counts from one day on, cards for hours of the day come last: the last that is in
    force counts.
    """
    cards: list[RateCard] = []
    for day in sorted({_ALWAYS, *_start_days(model)}):
        plain_time, windows = _split_day(model)
        for hours in (None, *windows):
            card = _read_card(model, day, plain_time if hours is None else hours[0], hours)
            if card.rates_pico and not (cards and _says_the_same(card, cards[-1])):
                cards.append(card)
    return tuple(cards)


def drop_past(cards: tuple[RateCard, ...], now_s: int) -> tuple[RateCard, ...]:
    """The cards without those that others took the place of; the first now counts from always."""
    begun = [
        i for i, card in enumerate(cards) if card.effective_from_s <= now_s and not card.hours_s
    ]
    if not cards:
        return ()
    kept = cards[begun[-1] if begun else 0 :]
    since_s = kept[0].effective_from_s
    return tuple(
        msgspec.structs.replace(card, effective_from_s=0)
        if card.effective_from_s == since_s
        else card
        for card in kept
    )


def _says_the_same(card: RateCard, before: RateCard) -> bool:
    """Whether it repeats the card before it: a day that changed only what we do not count."""
    return card == msgspec.structs.replace(before, effective_from_s=card.effective_from_s)


def _constraints(model: Any) -> Iterator[Any]:
    conditions = model.prices if isinstance(model.prices, list) else ()
    for condition in (*conditions, *(model.price_variants or ())):
        if condition.constraint is not None:
            yield condition.constraint


def _start_days(model: Any) -> Iterator[datetime.date]:
    for constraint in _constraints(model):
        if hasattr(constraint, "start_date"):
            yield constraint.start_date


def _split_day(model: Any) -> tuple[datetime.time, list[tuple[datetime.time, datetime.time]]]:
    """A time of day outside of all hours with their own price, and those hours."""
    windows = [c for c in _constraints(model) if hasattr(c, "start_time")]
    times = [datetime.time(0), *(c.end_time for c in windows)]
    plain = (t for t in times if not any(c.active(_moment(_ALWAYS, t)) for c in windows))
    return next(plain, times[0]), [(c.start_time, c.end_time) for c in windows]


def _read_card(
    model: Any,
    day: datetime.date,
    time: datetime.time,
    hours: tuple[datetime.time, datetime.time] | None,
) -> RateCard:
    moment = _moment(day, time)
    standard = model.get_prices(moment)
    rates, tiers = _read_prices(standard)
    return RateCard(
        rates_pico=rates,
        tiers=tiers,
        service_tiers={
            name: ServiceRates(*_read_prices(standard, model.get_prices(moment, {key: value})))
            for (key, value), name in SERVICE_TIERS.items()
            if model.get_prices(moment, {key: value}) != standard
        },
        effective_from_s=0 if day == _ALWAYS else int(_moment(day, datetime.time(0)).timestamp()),
        hours_s=None if hours is None else (_seconds(hours[0]), _seconds(hours[1])),
    )


def _moment(day: datetime.date, time: datetime.time) -> datetime.datetime:
    return datetime.datetime.combine(day, time.replace(tzinfo=None), datetime.UTC)


def _seconds(time: datetime.time) -> int:
    return time.hour * 3600 + time.minute * 60 + time.second


def _read_prices(
    standard: Any, variant: Any = None
) -> tuple[dict[Meter, int], tuple[RateTier, ...]]:
    """The rates and their tiers; of a variant, those that are not the standard's."""
    rates: dict[Meter, int] = {}
    tiers: dict[int, dict[Meter, int]] = {}
    for key, (meter, per) in PRICE_KEYS.items():
        value = getattr(standard if variant is None else variant, key)
        if value is None or (variant is not None and value == getattr(standard, key)):
            continue
        rates[meter] = _rate(getattr(value, "base", value), per)
        for tier in getattr(value, "tiers", ()):
            # It counts once the input is more than `start`.
            tiers.setdefault(tier.start + 1, {})[meter] = _rate(tier.price, per)
    return rates, tuple(RateTier(start, tiers[start]) for start in sorted(tiers))


def _rate(price: Decimal, per: int) -> int:
    return rate_from_mtok(price * Decimal(1_000_000) / per)
