"""The route of one request, and the nearest ids when there is none."""

import msgspec
import pytest

from nagara.config.load import load_config
from nagara.domain.catalog import Catalogue, KeyKind, Model, Offer, Operation, Route, Snapshot
from nagara.domain.errors import GatewayError
from nagara.operations import ENDPOINTS
from nagara.providers import PROVIDERS, SANDBOX
from nagara.routing.lookup import (
    find_purpose,
    make_sandbox_route,
    nearest_ids,
    nearest_models,
    resolve_route,
)
from nagara.routing.plan import plan
from nagara.routing.table import build_routes

MINI = Model(
    id="gpt-4.1-mini",
    startup="openai",
    display_name="GPT-4.1 mini",
    offers=(Offer("openai", "gpt-4.1-mini"),),
)
CATALOGUE = Catalogue(built_at_s=0, source="test", models=(MINI,), startups=())
ENV = {"OPENAI_API_KEY": "sk-openai-0123456789", "OLLAMA_BASE_URL": "http://localhost:11434/v1"}


def snapshot(env: dict[str, str]) -> Snapshot:
    declared = load_config(None, env).declared
    table = build_routes(declared, CATALOGUE)
    return Snapshot(
        keys={},
        accounts={},
        catalogue=CATALOGUE,
        routes=table.routes,
        sandbox=table.sandbox,
        providers=declared.providers,
    )


def served(route: Route | None) -> list[tuple[str, str]] | None:
    return [(d.name, d.model) for d in route.deployments] if route else None


@pytest.mark.parametrize(
    ("model_id", "standard", "test"),
    [
        ("gpt-4.1-mini", ("openai", "gpt-4.1-mini"), ("sandbox", "gpt-4.1-mini")),
        ("openai/gpt-4.1-mini", ("openai", "gpt-4.1-mini"), ("sandbox", "gpt-4.1-mini")),
        ("ollama/llama3.2", ("ollama", "llama3.2"), ("sandbox", "ollama/llama3.2")),
        ("ollama/a/b:c", ("ollama", "a/b:c"), ("sandbox", "ollama/a/b:c")),
        ("sandbox/gpt-4.1-mini", ("sandbox", "gpt-4.1-mini"), ("sandbox", "gpt-4.1-mini")),
        ("groq/gpt-4.1-mini", None, ("sandbox", "gpt-4.1-mini")),
        ("openai/none", None, None),
        ("none", None, None),
        ("ollama/", None, None),
        ("/", None, None),
        ("", None, None),
        ("ollama/\n", None, None),
        ("sandbox/none", None, None),
        ("ollama/" + "x" * 100_000, None, None),
    ],
)
def test_id_resolves_for_each_kind_of_key(
    model_id: str, standard: tuple[str, str] | None, test: tuple[str, str] | None
) -> None:
    picture = snapshot(ENV)
    assert served(resolve_route(picture, model_id, KeyKind.STANDARD)) == (standard and [standard])
    assert served(resolve_route(picture, model_id, KeyKind.TEST)) == (test and [test])


def test_without_providers_a_standard_key_gets_the_sandbox_by_any_providers_name() -> None:
    picture = snapshot({})
    route = resolve_route(picture, "anthropic/gpt-4.1-mini", KeyKind.STANDARD)
    assert served(route) == [("sandbox", "gpt-4.1-mini")]
    assert resolve_route(picture, "ollama/llama3.2", KeyKind.STANDARD) is None


def test_model_at_an_open_provider_has_its_operations() -> None:
    picture = snapshot(ENV)
    route = resolve_route(picture, "ollama/llama3.2", KeyKind.STANDARD)
    assert route is not None
    assert set(route.model.operations) == set(picture.providers["ollama"].provider.paths)
    assert route.deployments[0].base_url == "http://localhost:11434/v1"


@pytest.mark.parametrize("model_id", ["gpt-4.1-mni", "GPT-4.1-MINI", "gpt-4-mini", "gpt-4.1"])
def test_nearest_model_is_named(model_id: str) -> None:
    assert nearest_models(snapshot(ENV), model_id) == ["gpt-4.1-mini"]


@pytest.mark.parametrize("model_id", ["", "zzz", "mini-gate", "x" * 1_000_000, "\0", "/" * 1000])
def test_nothing_near_is_nothing(model_id: str) -> None:
    assert nearest_models(snapshot(ENV), model_id) == []


def test_nearest_is_sought_among_few_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    real = nearest_ids.__globals__["difflib"].get_close_matches

    def count(word: str, possibilities: dict[str, str], **limits: float) -> list[str]:
        compared.append(len(possibilities))
        found: list[str] = real(word, possibilities, **limits)
        return found

    monkeypatch.setattr("nagara.routing.lookup.difflib.get_close_matches", count)
    found = nearest_ids("model-4321x", [f"model-{n}" for n in range(5000)])
    assert "model-4321" in found
    assert compared[0] <= 50


def model_for(*operations: Operation) -> Model:
    return Model(id="m", startup="s", display_name="M", operations=operations)


def test_model_made_for_one_thing_is_asked_for_nothing_else_by_any_provider() -> None:
    embedder = model_for(Operation.EMBEDDINGS)
    for provider in (SANDBOX, PROVIDERS["openai"]):
        assert find_purpose(provider, embedder) == frozenset({Operation.EMBEDDINGS})


def test_model_that_converses_is_not_played_as_one_that_embeds() -> None:
    route = make_sandbox_route(model_for(Operation.CHAT, Operation.RESPONSES))
    deployment = route.deployments[0]
    assert deployment.has(Operation.MESSAGES)
    assert not deployment.has(Operation.EMBEDDINGS)
    with pytest.raises(GatewayError, match=r"cannot be called at /v1/embeddings .* Call it at "):
        plan(route, ENDPOINTS["/v1/embeddings"], 0.0)


def test_model_for_what_is_not_served_yet_is_not_played_as_anything_else() -> None:
    speaker = msgspec.structs.replace(model_for(), offers=(Offer("openai", "tts-1"),))
    with pytest.raises(GatewayError, match="cannot be called at /v1/embeddings"):
        plan(make_sandbox_route(speaker), ENDPOINTS["/v1/embeddings"], 0.0)
    assert find_purpose(PROVIDERS["openai"], speaker) is None


def test_provider_may_be_asked_for_what_the_catalogue_does_not_know() -> None:
    assert find_purpose(PROVIDERS["openai"], model_for(Operation.CHAT)) is None
    assert find_purpose(PROVIDERS["openai"], model_for()) is None
    assert find_purpose(SANDBOX, model_for()) is None
