"""Prices as people and programs are shown them by `nagara models`: what callers pay, and when.

Dollars per million units, as providers' price pages have them, with the model's markup; what is
counted one by one (a search, an image) is in dollars each. Nothing is rounded: only what a request
costs is.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from nagara.cli.terms import format_percent
from nagara.domain.money import format_rate
from nagara.domain.rates import RateCard, Rates, RateTier, find_rate_card
from nagara.domain.usage import Meter

UNITS_PER_MILLION = 1_000_000

# Meters of things that come singly, and what one is called.
_SINGLE: Mapping[Meter, str] = {
    Meter.IMAGES: "image",
    Meter.SEARCHES: "search",
    Meter.FILE_SEARCHES: "file search",
    Meter.CONTAINERS: "container",
    Meter.REQUESTS: "request",
}
_ORDER: Mapping[Meter, int] = {meter: place for place, meter in enumerate(Meter)}
_MS_PER_HOUR = 3_600_000


def price_facts(prices: Sequence[RateCard], now_s: float) -> list[tuple[str, str]]:
    """What is paid now, above thresholds, in service tiers, at other hours, and from later days."""
    current = find_rate_card(prices, now_s)
    facts = [("$ per million", "-")]
    if current is not None:
        hours = "" if current.hours_s is None else f", {_hours(current.hours_s)}"
        facts = _card_facts(f"$ per million{hours}", current)
    for card in find_coming(prices, now_s):
        if card is not current:
            facts += _card_facts(_when(card, now_s), card)
    return facts


def find_coming(prices: Sequence[RateCard], now_s: float) -> Sequence[RateCard]:
    """The cards that count now or will, without those that others stand in place of."""
    begun = [n for n, card in enumerate(prices) if card.effective_from_s <= now_s]
    lasting = [n for n in begun if prices[n].hours_s is None]
    return prices[lasting[-1] if lasting else 0 :]


def view_card(card: RateCard) -> dict[str, object]:
    """A card for JSON."""
    markup_ppm = card.markup_ppm
    return {
        "effective_from": _date(card.effective_from_s) if card.effective_from_s else None,
        "hours": None if card.hours_s is None else _hours(card.hours_s),
        "markup_percent": msgspec.Raw(format_percent(markup_ppm).encode()),
        "usd_per_million": view_rates(card.rates_pico, markup_ppm),
        "usd_per_image": {
            x.name: msgspec.Raw(format_rate(x.rate_pico, markup_ppm).encode())
            for x in card.image_classes
        },
        "tiers": _view_tiers(card.tiers, markup_ppm),
        "service_tiers": {
            name: {
                "usd_per_million": view_rates(service.rates_pico, markup_ppm),
                "tiers": _view_tiers(service.tiers, markup_ppm),
            }
            for name, service in card.service_tiers.items()
        },
    }


def _view_tiers(tiers: Sequence[RateTier], markup_ppm: int) -> list[dict[str, object]]:
    return [
        {
            "input_tokens_min": tier.input_tokens_min,
            "usd_per_million": view_rates(tier.rates_pico, markup_ppm),
        }
        for tier in tiers
    ]


def view_rates(rates_pico: Rates, markup_ppm: int = 0) -> dict[str, msgspec.Raw]:
    """Dollars per million units by meter, as exact JSON numbers."""
    return {
        meter.value: msgspec.Raw(format_rate(rate * UNITS_PER_MILLION, markup_ppm).encode())
        for meter, rate in rates_pico.items()
    }


def describe_rates(rates_pico: Rates, markup_ppm: int = 0) -> str:
    """One line: `input 1.25, output 10, 0.01 a search`."""
    meters = sorted(rates_pico, key=_ORDER.__getitem__)
    return ", ".join(_describe(m, rates_pico[m], markup_ppm) for m in meters) or "-"


def format_per_million(card: RateCard | None, meter: Meter) -> str:
    """Dollars per million units, or a dash where the meter has no price."""
    rate = None if card is None else card.rates_pico.get(meter)
    if card is None or rate is None:
        return "-"
    return format_rate(rate * UNITS_PER_MILLION, card.markup_ppm)


def _card_facts(name: str, card: RateCard) -> list[tuple[str, str]]:
    markup_ppm = card.markup_ppm
    rates = describe_rates(card.rates_pico, markup_ppm)
    markup = f" (markup of {format_percent(markup_ppm)}% included)" if markup_ppm else ""
    facts = [(name, rates + markup), *_tier_facts("", card.tiers, markup_ppm)]
    facts += (
        (f"  image {x.name}", format_rate(x.rate_pico, markup_ppm)) for x in card.image_classes
    )
    for service_tier, service in card.service_tiers.items():
        facts.append((f"  {service_tier}", describe_rates(service.rates_pico, markup_ppm)))
        facts += _tier_facts(f"{service_tier} ", service.tiers, markup_ppm)
    return facts


def _tier_facts(
    prefix: str, tiers: Sequence[RateTier], markup_ppm: int
) -> Iterator[tuple[str, str]]:
    for tier in tiers:
        name = f"  {prefix}above {tier.input_tokens_min - 1} in"
        yield name, describe_rates(tier.rates_pico, markup_ppm)


def _describe(meter: Meter, rate_pico: int, markup_ppm: int) -> str:
    if meter in _SINGLE:
        return f"{format_rate(rate_pico, markup_ppm)} a {_SINGLE[meter]}"
    if meter is Meter.AUDIO_MS:
        return f"{format_rate(rate_pico * _MS_PER_HOUR, markup_ppm)} an hour of audio"
    return f"{meter} {format_rate(rate_pico * UNITS_PER_MILLION, markup_ppm)}"


def _when(card: RateCard, now_s: float) -> str:
    day = f"from {_date(card.effective_from_s)}" if card.effective_from_s > now_s else ""
    hours = "" if card.hours_s is None else _hours(card.hours_s)
    return f"{day} {hours}".strip() or "at other hours"


def _date(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()


def _hours(hours_s: tuple[int, int]) -> str:
    """`16:30-00:30 UTC`."""
    from_s, until_s = (f"{s // 3600 % 24:02}:{s // 60 % 60:02}" for s in hours_s)
    return f"{from_s}-{until_s} UTC"
