"""Prices of genai-prices as whole pico-dollars by meter.

Each price is exact, or rounded up where it is finer than a pico-dollar. A tiered price counts at
its base tier, and a price that changes within the day at its dearest hour, so that no list price
promises less than is charged. What our meters cannot count (video, pages, requests) is left out.
"""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from nagara.domain.money import rate_from_mtok
from nagara.domain.usage import Meter

MILLISECONDS_PER_HOUR = 3_600_000

# Price key of genai-prices -> our meter, and how many of its units one price is for.
PRICE_KEYS: dict[str, tuple[Meter, int]] = {
    "input_mtok": (Meter.INPUT, 1_000_000),
    "cache_read_mtok": (Meter.CACHE_READ, 1_000_000),
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
    "input_audio_hours": (Meter.AUDIO_MS, MILLISECONDS_PER_HOUR),
}

FREE: Mapping[Meter, int] = {Meter.INPUT: 0, Meter.OUTPUT: 0}


def read_rates(model: Any, day: datetime.date) -> dict[Meter, int]:
    """The rates of a `genai_prices.types.ModelInfo` on a day; empty when it states no price."""
    rates: dict[Meter, int] = {}
    for hour in range(24):
        moment = datetime.datetime.combine(day, datetime.time(hour), datetime.UTC)
        for meter, rate_pico in _read_price(model.get_prices(moment)).items():
            rates[meter] = max(rate_pico, rates.get(meter, 0))
        if not isinstance(model.prices, list):
            break
    return rates


def _read_price(price: Any) -> dict[Meter, int]:
    stated = ((row, getattr(price, key)) for key, row in PRICE_KEYS.items())
    return {
        meter: rate_from_mtok(getattr(value, "base", value) * Decimal(1_000_000) / per)
        for (meter, per), value in stated
        if value is not None
    }
