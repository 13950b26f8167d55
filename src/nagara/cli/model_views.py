"""A model as people and programs are shown it by `nagara models`: rows, facts, JSON.

Prices are dollars per million units here (`price_views.py`); the API's list has them for one unit.
"""

from datetime import UTC, datetime

import msgspec

from nagara.catalogue.changes import Changes
from nagara.cli.price_views import (
    describe_rates,
    find_coming,
    format_per_million,
    price_facts,
    view_card,
    view_rates,
)
from nagara.domain.catalog import Catalogue, Model
from nagara.domain.rates import RateCard, find_rate_card
from nagara.domain.usage import Meter

COLUMNS = ("id", "input $/M", "output $/M", "context", "startup", "for", "providers")
"""The first are the last that a narrow terminal leaves out."""
OFFER_COLUMNS = ("provider", "its name", "input $/M", "output $/M")


def model_row(model: Model, now_s: float) -> tuple[str, ...]:
    """The model under `COLUMNS`."""
    card = find_rate_card(model.prices, now_s)
    return (
        model.id,
        format_per_million(card, Meter.INPUT),
        format_per_million(card, Meter.OUTPUT),
        str(model.context_window or "-"),
        model.startup,
        ", ".join(model.operations[:1]) or "-",
        ", ".join(offer.provider for offer in model.offers),
    )


def model_facts(model: Model, now_s: float) -> list[tuple[str, str]]:
    """Everything but the offers, in words."""
    return [
        ("id", model.id),
        ("name", model.display_name),
        ("startup", model.startup),
        ("description", model.description or "-"),
        ("created", _day(model.created_s or None)),
        ("deprecated from", _day(model.deprecates_at_s)),
        ("context window", str(model.context_window or "-")),
        ("output tokens at most", str(model.output_tokens_max or "-")),
        ("input", ", ".join(model.input_modalities)),
        ("output", ", ".join(model.output_modalities)),
        ("operations", ", ".join(model.operations) or "-"),
        ("parameters", ", ".join(model.parameters) or "-"),
        ("aliases", ", ".join(model.aliases) or "-"),
        *price_facts(model.prices, now_s),
    ]


def offer_rows(model: Model, now_s: float) -> list[tuple[str, ...]]:
    """The model's offers under `OFFER_COLUMNS`."""
    return [
        (
            offer.provider,
            offer.model,
            format_per_million(card, Meter.INPUT),
            format_per_million(card, Meter.OUTPUT),
        )
        for offer in model.offers
        for card in (find_rate_card(offer.prices, now_s),)
    ]


def view_model(model: Model, now_s: float) -> dict[str, object]:
    """The model for JSON, with exact prices by meter."""
    return {
        "id": model.id,
        "display_name": model.display_name,
        "startup": model.startup,
        "description": model.description,
        "created": model.created_s or None,
        "deprecates_at": model.deprecates_at_s,
        "context_window": model.context_window,
        "max_output_tokens": model.output_tokens_max,
        "input_modalities": model.input_modalities,
        "output_modalities": model.output_modalities,
        "operations": model.operations,
        "parameters": model.parameters,
        "aliases": model.aliases,
        "usd_per_million": _view_now(model.prices, now_s),
        "prices": [view_card(card) for card in find_coming(model.prices, now_s)],
        "offers": [
            {
                "provider": offer.provider,
                "model": offer.model,
                "usd_per_million": _view_now(offer.prices, now_s),
            }
            for offer in model.offers
        ],
    }


def view_changes(catalogue: Catalogue, changes: Changes) -> dict[str, object]:
    """What a sync did, for JSON."""
    return {
        "source": catalogue.source,
        "models": len(catalogue.models),
        "added": changes.added,
        "removed": changes.removed,
        "repriced": [
            {
                "id": change.id,
                "before_usd_per_million": view_rates(change.before_pico),
                "after_usd_per_million": view_rates(change.after_pico),
            }
            for change in changes.repriced
        ],
    }


def changes_in_words(changes: Changes) -> list[str]:
    """A line for each model that came, went or was re-priced."""
    return [
        *(f"+ {model_id}" for model_id in changes.added),
        *(f"- {model_id}" for model_id in changes.removed),
        *(
            f"~ {change.id}: {describe_rates(change.before_pico)} -> "
            f"{describe_rates(change.after_pico)}"
            for change in changes.repriced
        ),
    ]


def _view_now(prices: tuple[RateCard, ...], now_s: float) -> dict[str, msgspec.Raw]:
    card = find_rate_card(prices, now_s)
    return {} if card is None else view_rates(card.rates_pico, card.markup_ppm)


def _day(time_s: int | None) -> str:
    return "-" if time_s is None else datetime.fromtimestamp(time_s, UTC).date().isoformat()
