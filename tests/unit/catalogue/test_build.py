"""What goes together and what stays apart when listings become models."""

import datetime
from decimal import Decimal

import msgspec
import pytest
from genai_prices.types import ClauseEquals, ClauseOr, ModelInfo, ModelPrice, Provider

from nagara.catalogue.build import build_catalogue
from nagara.catalogue.changes import Repriced, compare
from nagara.catalogue.facts import read_facts
from nagara.domain.catalog import Catalogue, Model
from nagara.domain.rates import FREE_CARD, RateCard
from nagara.domain.usage import Meter

FACTS = read_facts()
DAY = datetime.date(2026, 11, 23)


def entry(*names: str, dollars: int = 1, is_deprecated: bool = False) -> ModelInfo:
    return ModelInfo(
        id=names[0],
        match=ClauseOr([ClauseEquals(name) for name in names]),
        name=names[0].title(),
        description="First sentence. " + "More words. " * 40,
        deprecated=is_deprecated,
        prices=ModelPrice(input_mtok=Decimal(dollars), output_mtok=Decimal(dollars)),
    )


def build(**listings: list[ModelInfo]) -> dict[str, Model]:
    data = [
        Provider(id=name.replace("_", "-"), name=name, api_pattern="", models=models)
        for name, models in listings.items()
    ]
    catalogue = build_catalogue(data, FACTS, day=DAY, source="a test")
    return {model.id: model for model in catalogue.models}


def test_single_snapshot_at_its_maker_is_an_alias() -> None:
    models = build(openai=[entry("gpt-9", "gpt-9-2026-01-02")])
    assert models["gpt-9"].aliases == ("gpt-9-2026-01-02",)
    assert models["gpt-9"].created_s == 1767312000


def test_several_snapshots_at_their_maker_are_models_of_their_own() -> None:
    models = build(openai=[entry("gpt-9", "gpt-9-2026-01-02", "gpt-9-2026-03-04")])
    assert models["gpt-9"].aliases == ()
    assert models["gpt-9-2026-01-02"].offers[0].model == "gpt-9-2026-01-02"


def test_names_that_share_a_price_are_models_of_their_own() -> None:
    models = build(openai=[entry("gpt-9", "gpt-9-codex")])
    assert models["gpt-9-codex"].offers[0].model == "gpt-9-codex"
    assert models["gpt-9-codex"].description is None


def test_another_sellers_dated_name_is_no_alias() -> None:
    models = build(openrouter=[entry("x-ai/grok-9", "x-ai/grok-9-20260102")])
    assert "grok-9-20260102" not in models
    assert models["grok-9"].aliases == ()


def test_another_sellers_name_for_a_snapshot_finds_the_model() -> None:
    models = build(
        openai=[entry("gpt-9", "gpt-9-2026-01-02")], openrouter=[entry("openai/gpt-9-2026-01-02")]
    )
    assert {o.provider: o.model for o in models["gpt-9"].offers} == {
        "openai": "gpt-9",
        "azure": "gpt-9",
        "openrouter": "openai/gpt-9-2026-01-02",
    }


def test_same_name_of_two_makers_is_two_models() -> None:
    models = build(openrouter=[entry("acme/duo-1"), entry("globex/duo-1")])
    assert models["duo-1"].startup == "acme"
    assert models["globex/duo-1"].startup == "globex"


def test_list_price_without_the_maker_is_the_cheapest() -> None:
    models = build(
        together=[entry("meta-llama/Llama-9", dollars=3)], groq=[entry("llama-9", dollars=2)]
    )
    assert models["llama-9"].prices[0].rates_pico[Meter.INPUT] == 2_000_000


def test_router_of_many_servers_offers_the_cheapest() -> None:
    data = [
        Provider(id=f"huggingface_{host}", name=host, api_pattern="", models=[found])
        for host, found in (
            ("novita", entry("meta-llama/Llama-9", dollars=3)),
            ("together", entry("meta-llama/Llama-9", dollars=2)),
        )
    ]
    (model,) = [
        m
        for m in build_catalogue(data, FACTS, day=DAY, source="a test").models
        if m.id == "llama-9"
    ]
    assert [offer.model for offer in model.offers] == ["meta-llama/Llama-9:together"]


def test_makers_word_on_deprecation_counts() -> None:
    models = build(
        moonshotai=[entry("kimi-k9", is_deprecated=True)], novita=[entry("moonshotai/kimi-k9")]
    )
    assert models["kimi-k9"].deprecates_at_s is not None
    models = build(
        moonshotai=[entry("kimi-k9")], novita=[entry("moonshotai/kimi-k9", is_deprecated=True)]
    )
    assert models["kimi-k9"].deprecates_at_s is None


def test_unpriced_entry_is_not_offered() -> None:
    unpriced = ModelInfo(id="gpt-9", match=ClauseEquals("gpt-9"), prices=ModelPrice())
    assert "gpt-9" not in build(openai=[unpriced])


def test_free_variant_is_a_model_that_costs_nothing() -> None:
    free = ModelInfo(
        id="acme/duo-1:free", match=ClauseEquals("acme/duo-1:free"), prices=ModelPrice()
    )
    assert build(openrouter=[free])["duo-1:free"].prices == (FREE_CARD,)


def test_long_description_ends_with_a_sentence() -> None:
    description = build(openai=[entry("gpt-9")])["gpt-9"].description
    assert description is not None
    assert len(description) <= 281
    assert description.endswith("More words.")


def catalogue_of(*models: Model) -> Catalogue:
    return Catalogue(built_at_s=0, source="a test", models=models, startups=())


@pytest.fixture
def duo() -> Model:
    return Model(
        id="duo",
        startup="acme",
        display_name="Duo",
        prices=(RateCard(rates_pico={Meter.INPUT: 1}),),
    )


def test_changes_name_what_came_went_and_was_repriced(duo: Model) -> None:
    dearer = msgspec.structs.replace(duo, prices=(RateCard(rates_pico={Meter.INPUT: 2}),))
    solo = msgspec.structs.replace(duo, id="solo")
    assert compare(catalogue_of(duo), catalogue_of(solo)).added == ("solo",)
    assert compare(catalogue_of(duo), catalogue_of(solo)).removed == ("duo",)
    assert compare(catalogue_of(duo), catalogue_of(dearer)).repriced == (
        Repriced("duo", {Meter.INPUT: 1}, {Meter.INPUT: 2}),
    )
