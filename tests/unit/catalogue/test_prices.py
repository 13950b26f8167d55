"""Every price in the catalogue is the price data's own, to the pico-dollar."""

import datetime
import itertools
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import Provider, TieredPrices

from nagara.billing.prices import resolve_rates
from nagara.catalogue.facts import read_facts
from nagara.catalogue.shipped import load_shipped
from nagara.domain.catalog import Model, Offer
from nagara.domain.rates import FREE_CARD, find_rate_card
from nagara.domain.usage import Meter

CATALOGUE = load_shipped()
FACTS = read_facts()
BY_LISTING = {provider.id: provider for provider in providers}
BY_NAME = {name: model for model in CATALOGUE.models for name in (model.id, *model.aliases)}

# Written down apart from the code under test: units of one price, in pico-dollars a dollar.
PICO_PER_PRICE_DOLLAR = {
    "input_mtok": (Meter.INPUT, 10**6),
    "cache_read_mtok": (Meter.CACHE_READ, 10**6),
    "cache_write_mtok": (Meter.CACHE_WRITE_5M, 10**6),
    "cache_write_1h_mtok": (Meter.CACHE_WRITE_1H, 10**6),
    "output_mtok": (Meter.OUTPUT, 10**6),
    "output_reasoning_mtok": (Meter.REASONING, 10**6),
    "input_audio_mtok": (Meter.INPUT_AUDIO, 10**6),
    "output_audio_mtok": (Meter.OUTPUT_AUDIO, 10**6),
    "input_image_mtok": (Meter.INPUT_IMAGE, 10**6),
    "output_image_mtok": (Meter.OUTPUT_IMAGE, 10**6),
    "input_mchars": (Meter.CHARACTERS, 10**6),
    "cache_audio_read_mtok": (Meter.CACHE_READ_AUDIO, 10**6),
    "cache_image_read_mtok": (Meter.CACHE_READ_IMAGE, 10**6),
    "web_searches_kcount": (Meter.SEARCHES, 10**9),
    "storage_searches_kcount": (Meter.FILE_SEARCHES, 10**9),
    "requests_kcount": (Meter.REQUESTS, 10**9),
}


def raw_name(offer: Offer) -> tuple[Provider, str]:
    """The listing and the name in the price data that an offer was made from."""
    facts = FACTS.providers[offer.provider]
    name = offer.model
    listing = facts.listings[0]
    if facts.suffix_after:
        name, _, host = offer.model.rpartition(":")
        listing = facts.suffix_after + host
    back = {sent: listed for listed, sent in facts.names.items()}
    return BY_LISTING[listing], back.get(name, name)


def entry(provider: Provider, name: str) -> Any:
    """The entry that names it exactly; its own pattern only when no entry does."""
    for wanted in (name, name.rsplit("/", 1)[-1]):
        for model in provider.models:
            if wanted in _exact_names(model):
                return model
    return provider.find_model(name)


def _exact_names(model: Any) -> set[str]:
    clauses = getattr(model.match, "or_", [model.match])
    return {clause.equals for clause in clauses if hasattr(clause, "equals")} | {model.id}


BUILT = datetime.datetime.fromtimestamp(CATALOGUE.built_at_s, datetime.UTC)
# Hours of that day, and days on which prices of the data change afterwards.
MOMENTS = [
    *(BUILT + datetime.timedelta(hours=hour, minutes=45) for hour in range(24)),
    *(BUILT + datetime.timedelta(days=days) for days in (7, 8, 38, 39, 400)),
]
CONTEXTS: dict[str | None, dict[str, str]] = {
    None: {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
INPUT_SIZES = (0, 32_000, 32_001, 100_001, 128_001, 199_999, 200_000, 200_001, 272_001, 10**6)


def expected_rates(
    model: Any, moment: datetime.datetime, tier: str | None, size: int
) -> dict[Meter, int]:
    rates: dict[Meter, int] = {}
    prices = model.get_prices(moment, CONTEXTS[tier])
    for key, (meter, pico) in PICO_PER_PRICE_DOLLAR.items():
        price = getattr(prices, key)
        if isinstance(price, TieredPrices):
            reached = [tier.price for tier in price.tiers if size > tier.start]
            price = reached[-1] if reached else price.base
        if price is not None:
            rates[meter] = int((Decimal(price) * pico).to_integral_value(ROUND_CEILING))
    return rates


def stated_rates(
    offer: Offer, moment: datetime.datetime, tier: str | None, size: int
) -> dict[Meter, int]:
    card = find_rate_card(offer.prices, moment.timestamp())
    assert card is not None
    rates = resolve_rates(card, size, tier)
    return {meter: rate for meter, rate in rates.items() if meter is not Meter.AUDIO_MS}


def priced_offers() -> Iterator[tuple[Model, Offer]]:
    unlisted = {model.id for model in FACTS.unlisted_models}
    for model in CATALOGUE.models:
        if model.id not in unlisted:
            yield from ((model, offer) for offer in model.offers)


@pytest.mark.parametrize("tier", CONTEXTS, ids=str)
def test_every_offer_costs_what_the_price_data_says_at_every_hour_and_size(
    tier: str | None,
) -> None:
    wrong = []
    checked = 0
    for model, offer in priced_offers():
        provider, name = raw_name(offer)
        if is_free(offer, name):
            assert offer.prices == (FREE_CARD,)
            continue
        info = entry(provider, name)
        moments = MOMENTS if isinstance(info.prices, list) else MOMENTS[:1]
        for moment, size in itertools.product(moments, INPUT_SIZES):
            checked += 1
            if stated_rates(offer, moment, tier, size) != expected_rates(info, moment, tier, size):
                wrong.append((model.id, offer.provider, moment, size))
    assert not wrong
    assert checked > 15_000


def is_free(offer: Offer, name: str) -> bool:
    globs = FACTS.providers[offer.provider].free
    return any(fnmatchcase(name.lower(), glob) for glob in globs)


def test_every_list_price_is_one_of_the_offers() -> None:
    for model in CATALOGUE.models:
        assert model.prices in [offer.prices for offer in model.offers], model.id


def test_makers_own_price_is_the_list_price_where_the_maker_sells_the_model() -> None:
    makers = {facts.startup: name for name, facts in FACTS.providers.items() if facts.startup}
    for model in CATALOGUE.models:
        own = [o for o in model.offers if o.provider == makers.get(model.startup)]
        if own:
            assert model.prices == own[0].prices, model.id


@pytest.mark.parametrize(
    ("name", "per_million"),
    [
        ("gpt-4.1", {"input": "2", "cache_read": "0.5", "output": "8"}),
        ("gpt-4.1-mini", {"input": "0.4", "cache_read": "0.1", "output": "1.6"}),
        ("gpt-4o-mini", {"input": "0.15", "cache_read": "0.075", "output": "0.6"}),
        ("gpt-5", {"input": "1.25", "cache_read": "0.125", "output": "10"}),
        ("gpt-5-nano", {"input": "0.05", "cache_read": "0.005", "output": "0.4"}),
        ("o3", {"input": "2", "cache_read": "0.5", "output": "8"}),
        ("claude-sonnet-4.5", {"input": "3", "cache_read": "0.3", "cache_write_5m": "3.75"}),
        ("claude-haiku-4.5", {"input": "1", "cache_write_1h": "2", "output": "5"}),
        ("claude-3.5-haiku", {"input": "0.8", "cache_read": "0.08", "output": "4"}),
        ("claude-opus-4.1", {"input": "15", "cache_write_5m": "18.75", "output": "75"}),
        ("gemini-2.5-pro", {"input": "1.25", "output": "10"}),
        ("text-embedding-3-small", {"input": "0.02"}),
        ("text-embedding-3-large", {"input": "0.13"}),
        ("grok-4", {"input": "3", "cache_read": "0.75", "output": "15"}),
        ("mistral-embed", {"input": "0.1"}),
        ("llama-3.3-70b-instruct:free", {"input": "0", "output": "0"}),
    ],
)
def test_well_known_model_has_its_published_price(name: str, per_million: dict[str, str]) -> None:
    rates = BY_NAME[name].prices[-1].rates_pico
    for meter, dollars in per_million.items():
        assert rates[Meter(meter)] == Decimal(dollars) * 10**6, (name, meter)


def test_transcription_by_the_hour_becomes_a_rate_by_the_millisecond() -> None:
    assert BY_NAME["whisper-1"].prices[0].rates_pico == {Meter.AUDIO_MS: 100_000}  # $0.36 an hour
