"""Every price in the catalogue is the price data's own, to the pico-dollar."""

import datetime
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import Provider, TieredPrices

from nagara.catalogue.facts import read_facts
from nagara.catalogue.shipped import load_shipped
from nagara.domain.catalog import Model, Offer
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
    "web_searches_kcount": (Meter.SEARCHES, 10**9),
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


def expected_rates(model: Any) -> dict[Meter, int]:
    built = datetime.datetime.fromtimestamp(CATALOGUE.built_at_s, datetime.UTC)
    rates: dict[Meter, int] = {}
    for hour in range(24):
        prices = model.get_prices(built + datetime.timedelta(hours=hour))
        for key, (meter, pico) in PICO_PER_PRICE_DOLLAR.items():
            price = getattr(prices, key)
            if price is not None:
                base = price.base if isinstance(price, TieredPrices) else price
                rate = int((Decimal(base) * pico).to_integral_value(ROUND_CEILING))
                rates[meter] = max(rate, rates.get(meter, 0))
    return rates


def priced_offers() -> Iterator[tuple[Model, Offer]]:
    free_models = {free.id for free in FACTS.free_models}
    for model in CATALOGUE.models:
        if model.id not in free_models:
            yield from ((model, offer) for offer in model.offers)


def test_every_offer_costs_what_the_price_data_says() -> None:
    wrong = []
    checked = 0
    for model, offer in priced_offers():
        provider, name = raw_name(offer)
        globs = FACTS.providers[offer.provider].free
        if any(fnmatchcase(name.lower(), glob) for glob in globs):
            expected = {Meter.INPUT: 0, Meter.OUTPUT: 0}
        else:
            expected = expected_rates(entry(provider, name))
        stated = {m: r for m, r in offer.rates_pico.items() if m is not Meter.AUDIO_MS}
        checked += 1
        if stated != expected:
            wrong.append((model.id, offer, expected))
    assert not wrong
    assert checked > 1500


def test_every_list_price_is_one_of_the_offers() -> None:
    for model in CATALOGUE.models:
        assert model.rates_pico in [offer.rates_pico for offer in model.offers], model.id


def test_makers_own_price_is_the_list_price_where_the_maker_sells_the_model() -> None:
    makers = {facts.startup: name for name, facts in FACTS.providers.items() if facts.startup}
    for model in CATALOGUE.models:
        own = [o for o in model.offers if o.provider == makers.get(model.startup)]
        if own:
            assert model.rates_pico == own[0].rates_pico, model.id


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
    rates = BY_NAME[name].rates_pico
    for meter, dollars in per_million.items():
        assert rates[Meter(meter)] == Decimal(dollars) * 10**6, (name, meter)


def test_transcription_by_the_hour_becomes_a_rate_by_the_millisecond() -> None:
    assert BY_NAME["whisper-1"].rates_pico == {Meter.AUDIO_MS: 100_000}  # $0.36 an hour
