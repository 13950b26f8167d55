# ruff: noqa: E501 - a table of cases reads best as a table
"""Routes from what is declared and what the catalogue knows."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from nagara.config.load import load_config
from nagara.domain.catalog import Catalogue, Model, Offer, Route
from nagara.domain.configuration import ConfigError
from nagara.domain.rates import FREE_CARD, RateCard, find_rates
from nagara.domain.usage import Meter
from nagara.routing.table import RouteTable, build_routes

PRICES = (RateCard(rates_pico={Meter.INPUT: 400_000, Meter.OUTPUT: 1_600_000}),)
MINI = Model(
    id="gpt-4.1-mini",
    startup="openai",
    display_name="GPT-4.1 mini",
    aliases=("gpt-4.1-mini-2025-04-14",),
    prices=PRICES,
    offers=(
        Offer("openrouter", "openai/gpt-4.1-mini", PRICES),
        Offer("openai", "gpt-4.1-mini", PRICES),
    ),
)
OSS = Model(
    id="gpt-oss-120b",
    startup="openai",
    display_name="GPT-OSS",
    prices=PRICES,
    offers=(Offer("groq", "openai/gpt-oss-120b", PRICES),),
)
CATALOGUE = Catalogue(built_at_s=0, source="test", models=(MINI, OSS), startups=())

OPENAI = {"OPENAI_API_KEY": "sk-openai-0123456789"}
BOTH = OPENAI | {"OPENROUTER_API_KEY": "sk-or-0123456789"}
VLLM = '[providers.my-vllm]\nkind = "compatible"\nbase_url = "http://10.0.0.5:8000/v1"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nagara.toml"


def build(path: Path, text: str = "", env: Mapping[str, str] | None = None) -> RouteTable:
    path.write_text(text)
    return build_routes(load_config(path, env or {}).declared, CATALOGUE)


def problems(path: Path, text: str, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        build(path, text, env)
    return str(caught.value)


def served(route: Route) -> list[tuple[str, str]]:
    return [(deployment.name, deployment.model) for deployment in route.deployments]


def test_with_no_provider_the_sandbox_serves_every_id(path: Path) -> None:
    table = build(path)
    assert set(table.routes) == {"gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "gpt-oss-120b"}
    assert {d.name for route in table.routes.values() for d in route.deployments} == {"sandbox"}


def test_model_is_served_by_the_providers_in_use_its_maker_first(path: Path) -> None:
    table = build(path, env=BOTH)
    assert served(table.routes["gpt-4.1-mini"]) == [
        ("openai", "gpt-4.1-mini"),
        ("openrouter", "openai/gpt-4.1-mini"),
    ]
    assert "gpt-oss-120b" not in table.routes
    assert set(table.sandbox) >= {"gpt-4.1-mini", "gpt-oss-120b"}


def test_priority_of_the_file_wins_over_the_maker(path: Path) -> None:
    table = build(path, "[providers.openai]\npriority = 5\n", BOTH)
    assert served(table.routes["gpt-4.1-mini"])[0][0] == "openrouter"


def test_deployment_has_the_address_and_credential_of_its_provider(path: Path) -> None:
    (deployment,) = build(path, env=OPENAI).routes["gpt-4.1-mini"].deployments
    assert deployment.base_url == "https://api.openai.com/v1"
    assert deployment.credential is not None
    assert deployment.credential.reveal() == OPENAI["OPENAI_API_KEY"]


def test_qualified_id_is_that_provider_only_by_our_name_or_its_own(path: Path) -> None:
    routes = build(path, env=BOTH).routes
    assert served(routes["openai/gpt-4.1-mini"]) == [("openai", "gpt-4.1-mini")]
    own = [("openrouter", "openai/gpt-4.1-mini")]
    assert served(routes["openrouter/gpt-4.1-mini"]) == own
    assert served(routes["openrouter/openai/gpt-4.1-mini"]) == own


def test_alias_of_the_catalogue_is_a_route(path: Path) -> None:
    routes = build(path, env=OPENAI).routes
    assert routes["gpt-4.1-mini-2025-04-14"] is routes["gpt-4.1-mini"]


def test_list_of_models_leaves_the_others_out(path: Path) -> None:
    text = (
        '[providers.groq]\ncredential = "k"\nmodels = ["gpt-oss-120b"]\n[credentials.k]\nenv="K"\n'
    )
    text += "[providers.openai]\nmodels = []\n"
    routes = build(path, text, OPENAI | {"K": "gsk-0123456789"}).routes
    assert served(routes["gpt-oss-120b"]) == [("groq", "openai/gpt-oss-120b")]
    assert "gpt-4.1-mini" not in routes


def test_listed_name_beyond_the_catalogue_is_a_model_of_its_own(path: Path) -> None:
    table = build(path, VLLM + 'models = ["llama-3.3-70b", "gpt-oss-120b"]')
    assert served(table.routes["llama-3.3-70b"]) == [("my-vllm", "llama-3.3-70b")]
    assert served(table.routes["my-vllm/llama-3.3-70b"]) == [("my-vllm", "llama-3.3-70b")]
    assert table.routes["gpt-oss-120b"].model.prices == PRICES
    assert table.warnings == ()
    # A server of one's own is free, whatever others take for the model.
    assert table.routes["gpt-oss-120b"].prices == (FREE_CARD,)
    assert table.routes["my-vllm/llama-3.3-70b"].prices == (FREE_CARD,)


def test_declared_model_has_its_facts_prices_aliases_and_deployments(path: Path) -> None:
    text = VLLM + (
        '[models.mine]\ndisplay_name = "Mine"\ncontext_window = 1000\naliases = ["m"]\n'
        'prices = { input_mtok = "0.10", cache_write_mtok = 0.3 }\n'
        "deployments = [\n"
        '  { provider = "my-vllm", model = "a", weight = 1 },\n'
        '  { provider = "my-vllm", model = "b", weight = 3 },\n'
        '  { provider = "sandbox", model = "c", priority = 1 },\n]\n'
    )
    routes = build(path, text).routes
    assert served(routes["mine"]) == [("my-vllm", "b"), ("my-vllm", "a"), ("sandbox", "c")]
    assert routes["m"] is routes["mine"]
    model = routes["mine"].model
    assert (model.display_name, model.context_window) == ("Mine", 1000)
    assert find_rates(routes["mine"].prices, 0) == {
        Meter.INPUT: 100_000,
        Meter.CACHE_WRITE_5M: 300_000,
        Meter.CACHE_WRITE_1H: 300_000,
    }


def test_declared_changes_to_a_model_of_the_catalogue_keep_the_rest(path: Path) -> None:
    text = '[models."gpt-4.1-mini"]\nprices = { input_mtok = "9" }\n'
    route = build(path, text, OPENAI).routes["gpt-4.1-mini"]
    assert find_rates(route.prices, 0) == {Meter.INPUT: 9_000_000}
    assert route.model.display_name == "GPT-4.1 mini"
    assert served(route) == [("openai", "gpt-4.1-mini")]


def test_alias_of_the_file_may_lead_to_a_model_a_provider_or_an_open_name(path: Path) -> None:
    text = VLLM + (
        '[aliases]\nfast = "gpt-4.1-mini"\nsure = "openai/gpt-4.1-mini"\nown = "my-vllm/any"\n'
    )
    table = build(path, text, BOTH)
    assert table.routes["fast"] is table.routes["gpt-4.1-mini"]
    assert served(table.routes["sure"]) == [("openai", "gpt-4.1-mini")]
    assert served(table.routes["own"]) == [("my-vllm", "any")]
    assert {"fast", "sure", "own"} <= set(table.sandbox)


def test_alias_may_lead_to_another_alias_in_any_order(path: Path) -> None:
    text = '[aliases]\na = "b"\nb = "c"\nc = "gpt-4.1-mini-2025-04-14"\n'
    routes = build(path, text, OPENAI).routes
    assert {id(routes[name]) for name in "abc"} == {id(routes["gpt-4.1-mini"])}


def test_aliases_in_a_circle_lead_nowhere(path: Path) -> None:
    found = problems(path, '[aliases]\na = "b"\nb = "a"\nc = "c"\n', OPENAI)
    assert found.count("leads nowhere") == 3


def test_alias_to_a_model_that_no_provider_serves_is_a_warning(path: Path) -> None:
    table = build(path, '[aliases]\nopen = "gpt-oss-120b"', OPENAI)
    assert "open" not in table.routes
    assert "open" in table.sandbox
    assert "no provider in use serves 'gpt-oss-120b'" in table.warnings[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[aliases]\nfast = "gpt-4.1-mni"', '''aliases.fast leads nowhere: there is no 'gpt-4.1-mni'; did you mean "gpt-4.1-mini"?'''),
        ('[aliases]\n"gpt-oss-120b" = "gpt-4.1-mini"', "the alias 'gpt-oss-120b' is the id of a model"),
        ('[models."gpt-4.1-mini"]\naliases = ["x"]\n[aliases]\nx = "gpt-4.1-mini"', "the alias 'x' is declared twice"),
        ('[models."gpt-4.1-mni"]\n', '''is not in the catalogue and needs deployments; did you mean "gpt-4.1-mini"?'''),
    ],
)  # fmt: skip
def test_id_that_clashes_or_leads_nowhere_is_a_problem(path: Path, text: str, problem: str) -> None:
    assert problem in problems(path, text, OPENAI)


def test_own_alias_wins_over_one_of_the_catalogue(path: Path) -> None:
    text = VLLM + '[aliases]\n"gpt-4.1-mini-2025-04-14" = "my-vllm/other"\n'
    routes = build(path, text, OPENAI).routes
    assert served(routes["gpt-4.1-mini-2025-04-14"]) == [("my-vllm", "other")]


def test_sandbox_in_the_file_serves_everything_after_all_others(path: Path) -> None:
    table = build(path, "[providers.sandbox]\n", OPENAI)
    assert served(table.routes["gpt-4.1-mini"])[-1] == ("sandbox", "gpt-4.1-mini")
    assert served(table.routes["gpt-oss-120b"]) == [("sandbox", "gpt-oss-120b")]


def test_own_model_without_a_price_is_warned_of_unless_its_servers_are_ones_own(path: Path) -> None:
    own = '[models.house]\ndeployments = [{ provider = "my-vllm", model = "m" }'
    assert build(path, VLLM + own + "]", OPENAI).warnings == ()
    mixed = VLLM + own + ', { provider = "openai", model = "gpt-4.1-mini" }]'
    (warning,) = build(path, mixed, OPENAI).warnings
    assert "models.house has no price" in warning
    priced = mixed + '\nprices = { input_mtok = "1", output_mtok = "2" }'
    assert build(path, priced, OPENAI).warnings == ()


def test_configuration_that_the_readme_shows_serves_all_that_it_names(path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(\[providers\..*?)```", readme, re.DOTALL)
    table = build(path, example, OPENAI)
    assert table.warnings == ()
    assert served(table.routes["fast"]) == [
        ("my-vllm", "meta-llama/Llama-3.3-70B-Instruct"),
        ("openai", "gpt-4.1-mini"),
    ]
    assert table.routes["house-model"].prices
