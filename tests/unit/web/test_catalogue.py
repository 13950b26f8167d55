"""The endpoints of the catalogue: fields, tags, pages, keys, and both official SDKs."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import msgspec
import openai
import pytest
import requests
import uvicorn

from nagara.catalogue.shipped import load_shipped
from nagara.domain.catalog import (
    Account,
    ConfiguredProvider,
    Deployment,
    Key,
    KeyKind,
    Model,
    Route,
    Snapshot,
)
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.rates import RateCard, find_rates
from nagara.domain.usage import Meter
from nagara.providers import PROVIDERS
from nagara.routing.lookup import make_sandbox_route
from nagara.web.catalogue import CatalogueEndpoints
from nagara.web.model_items import make_item

NOW_S = 1_800_000_000.0
CATALOGUE = load_shipped()
SANDBOX = {
    name: make_sandbox_route(model)
    for model in CATALOGUE.models
    for name in (model.id, *model.aliases)
}
PLAIN = Snapshot(keys={}, accounts={}, catalogue=CATALOGUE, routes=SANDBOX, sandbox=SANDBOX)


def make_key(kind: KeyKind = KeyKind.STANDARD, *allowed: str) -> Key:
    return Key(
        id=1,
        account_id=1,
        name="a",
        kind=kind,
        digest=b"",
        hint="abcd…wxyz",
        created_at_s=0,
        allowed_models=frozenset(allowed) if allowed else None,
    )


def endpoints(snapshot: Snapshot = PLAIN) -> CatalogueEndpoints:
    return CatalogueEndpoints(lambda: snapshot, lambda: NOW_S)


def listed(body: bytes) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in json.loads(body)["data"]}


@pytest.fixture(scope="module")
def shown() -> CatalogueEndpoints:
    return endpoints()


def test_list_has_each_model_once_and_no_aliases(shown: CatalogueEndpoints) -> None:
    ids = [item["id"] for item in json.loads(shown.list_models(None).body)["data"]]
    assert ids == sorted(model.id for model in CATALOGUE.models)


def test_item_has_every_field_of_the_api(shown: CatalogueEndpoints) -> None:
    item = listed(shown.list_models(None).body)["claude-sonnet-4.5"]
    assert item == {
        "id": "claude-sonnet-4.5",
        "object": "model",
        "type": "model",
        "created": 1759104000,
        "created_at": "2025-09-29T00:00:00Z",
        "owned_by": "anthropic",
        "display_name": "Claude Sonnet 4.5",
        "description": "Our best combination of speed and intelligence",
        "context_window": 200000,
        "max_input_tokens": 200000,
        "max_tokens": 64000,
        "max_output_images": None,
        "supported_endpoints": [
            "chat.completions",
            "responses",
            "messages",
            "messages.count_tokens",
        ],
        "pricing": {
            "per_input_token": 0.000003,
            "per_cached_input_token": 0.0000003,
            "per_cache_write_token": 0.00000375,
            "per_cache_write_1h_token": 0.000006,
            "per_output_token": 0.000015,
            "per_search": 0.01,
        },
        "architecture": {
            "input_modalities": ["text", "image", "file"],
            "output_modalities": ["text"],
        },
        "aliases": [
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4.5-20250929",
        ],
        "deprecates_at": None,
        "lifecycle": "active",
        "supported_parameters": item["supported_parameters"],
        "supported_parameters_by_endpoint": item["supported_parameters_by_endpoint"],
    }
    assert "reasoning_effort" in item["supported_parameters"]
    assert set(item["supported_parameters_by_endpoint"]) == set(item["supported_endpoints"])
    assert "thinking" in item["supported_parameters_by_endpoint"]["messages"]
    assert "max_output_tokens" in item["supported_parameters_by_endpoint"]["responses"]


def test_model_of_ones_own_is_listed_with_all_that_its_provider_can_be_asked() -> None:
    own = Model(id="mine", startup="custom", display_name="mine")
    deployment = Deployment(name="claude", provider=PROVIDERS["anthropic"], model="theirs")
    item = make_item(Route(own, (deployment,)), NOW_S)
    conversations = ["chat.completions", "responses", "messages", "generate_content"]
    assert sorted(item.supported_endpoints) == sorted([*conversations, "messages.count_tokens"])


def test_prepared_list_is_what_the_first_caller_gets() -> None:
    prepared = endpoints()
    prepared.prepare()
    assert prepared.list_models(None) == endpoints().list_models(None)


def test_prices_are_exact_numbers_without_exponents(shown: CatalogueEndpoints) -> None:
    body = shown.list_models(None).body
    items = json.loads(body, parse_float=Decimal, parse_int=Decimal)["data"]
    rates = {model.id: find_rates(model.prices, NOW_S) for model in CATALOGUE.models}
    for item in items:
        for key, price in item["pricing"].items():
            assert price == int(price * 10**12) / Decimal(10**12), (item["id"], key)
        if "per_input_token" in item["pricing"]:
            assert item["pricing"]["per_input_token"] * 10**12 == rates[item["id"]][Meter.INPUT]
    assert not re.search(rb'"per_[a-z_0-9]+":[^,}]*[eE]', body)


def test_embedding_model_has_the_price_of_a_token(shown: CatalogueEndpoints) -> None:
    item = listed(shown.list_models(None).body)["text-embedding-3-small"]
    assert item["pricing"]["per_token"] == 0.00000002
    assert item["supported_endpoints"] == ["embeddings"]


def test_deprecated_model_says_so(shown: CatalogueEndpoints) -> None:
    item = listed(shown.list_models(None).body)["text-moderation"]
    assert item["lifecycle"] == "deprecated"
    assert item["deprecates_at"] == 1761523200


def snapshot_with(provider: str, *model_ids: str) -> Snapshot:
    found = PROVIDERS[provider]
    routes = {
        name: Route(model, (Deployment(name=provider, provider=found, model=model.id),))
        for model in CATALOGUE.models
        if model.id in model_ids
        for name in (model.id, *model.aliases, f"{provider}/{model.id}")
    }
    configured = ConfiguredProvider(name=provider, provider=found)
    return msgspec.structs.replace(PLAIN, routes=routes, providers={provider: configured})


def test_only_routed_models_and_endpoints_that_are_served_are_shown() -> None:
    served = endpoints(snapshot_with("anthropic", "claude-opus-4.5", "claude-haiku-4.5"))
    items = listed(served.list_models(None).body)
    assert list(items) == ["claude-haiku-4.5", "claude-opus-4.5"]
    # Conversations are translated; what else Anthropic lacks is not shown.
    shown = items["claude-haiku-4.5"]["supported_endpoints"]
    assert shown == ["chat.completions", "responses", "messages", "messages.count_tokens"]


def test_test_key_sees_what_the_sandbox_serves() -> None:
    served = endpoints(snapshot_with("anthropic", "claude-opus-4.5"))
    assert len(listed(served.list_models(make_key(KeyKind.TEST)).body)) == len(CATALOGUE.models)


def test_key_with_a_list_sees_those_models_by_id_or_alias(shown: CatalogueEndpoints) -> None:
    key = make_key(KeyKind.STANDARD, "gpt-4.1", "claude-sonnet-4-5", "no-such-model")
    answer = shown.list_models(key)
    assert list(listed(answer.body)) == ["claude-sonnet-4.5", "gpt-4.1"]
    with pytest.raises(GatewayError) as raised:
        shown.get_model(key, "gpt-4.1-mini")
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert "gpt-4.1-nano" not in raised.value.message


@pytest.mark.parametrize(
    "asked",
    [
        "llama-3.3-70b-instruct:free",
        "llama-3.3-70b-instruct%3Afree",
        "llama-3.3-70b-instruct%3afree",
    ],
)
def test_model_is_found_by_a_name_with_a_colon(shown: CatalogueEndpoints, asked: str) -> None:
    assert json.loads(shown.get_model(None, asked).body)["id"] == "llama-3.3-70b-instruct:free"


@pytest.mark.parametrize("asked", ["anthropic/claude-opus-4.5", "anthropic%2Fclaude-opus-4.5"])
def test_model_is_found_by_a_name_with_a_slash(asked: str) -> None:
    served = endpoints(snapshot_with("anthropic", "claude-opus-4.5"))
    assert json.loads(served.get_model(None, asked).body)["id"] == "claude-opus-4.5"


def test_model_is_found_by_an_alias(shown: CatalogueEndpoints) -> None:
    body = shown.get_model(None, "gpt-4.1-mini-2025-04-14").body
    assert json.loads(body) == listed(shown.list_models(None).body)["gpt-4.1-mini"]


def test_unknown_model_is_refused_with_the_nearest_ids(shown: CatalogueEndpoints) -> None:
    with pytest.raises(GatewayError, match=r"gpt-4\.1-mini") as raised:
        shown.get_model(None, "gpt-4.1-mni")
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert raised.value.status == 404


@pytest.mark.parametrize("header", ["{}", "W/{}", '"other", {}', "*"])
def test_client_that_has_the_list_is_told_so(shown: CatalogueEndpoints, header: str) -> None:
    etag = dict(shown.list_models(None).headers)[b"etag"].decode()
    answer = shown.list_models(None, b"", header.format(etag).encode())
    assert (answer.status, answer.body) == (304, b"")
    assert dict(answer.headers)[b"etag"].decode() == etag


def test_client_with_another_tag_gets_the_list(shown: CatalogueEndpoints) -> None:
    assert shown.list_models(None, b"", b'"0123"').status == 200


def test_list_is_encoded_once_a_snapshot_and_anew_for_another() -> None:
    current = [PLAIN]
    served = CatalogueEndpoints(lambda: current[0], lambda: NOW_S)
    first = served.list_models(None).body
    assert served.list_models(None).body is first
    current[0] = snapshot_with("anthropic", "claude-opus-4.5")
    assert list(listed(served.list_models(None).body)) == ["claude-opus-4.5"]


def priced(*cards: RateCard, deprecates_at_s: int | None = None) -> Snapshot:
    """A snapshot of one model, which is sold by an account 1 without a markup and 2 with one."""
    model = Model(id="sold", startup="x", display_name="Sold", deprecates_at_s=deprecates_at_s)
    routes = {"sold": Route(model, (), cards)}
    accounts = {n: Account(n, "a", 0, 0, markup) for n, markup in ((1, None), (2, -500_000))}
    configured = ConfiguredProvider(name="x", provider=PROVIDERS["openai"])
    return msgspec.structs.replace(
        PLAIN, routes=routes, sandbox=routes, accounts=accounts, providers={"x": configured}
    )


def shown_price(served: CatalogueEndpoints, key: Key | None = None) -> bytes:
    found = re.search(rb'"per_input_token":([^,}]*)', served.list_models(key).body)
    assert found is not None
    assert found[0] in served.get_model(key, "sold").body
    return found[1]


def test_price_is_shown_with_the_markup_that_the_caller_pays() -> None:
    card = RateCard(rates_pico={Meter.INPUT: 1_000_001}, markup_ppm=125_000)
    served = endpoints(priced(card))
    assert shown_price(served) == b"0.000001125001125"
    assert shown_price(served, make_key()) == b"0.000001125001125"
    discounted = msgspec.structs.replace(make_key(), account_id=2)
    assert shown_price(served, discounted) == b"0.0000005000005"
    assert shown_price(served) == b"0.000001125001125"


def test_price_with_a_date_is_shown_from_that_moment_on() -> None:
    cards = (
        RateCard(rates_pico={Meter.INPUT: 1_000_000}),
        RateCard(rates_pico={Meter.INPUT: 3_000_000}, effective_from_s=int(NOW_S) + 10),
    )
    now_s = [NOW_S]
    snapshot = priced(*cards, deprecates_at_s=int(NOW_S) + 20)
    served = CatalogueEndpoints(lambda: snapshot, lambda: now_s[0])
    assert shown_price(served) == b"0.000001"
    now_s[0] = NOW_S + 9.9
    assert shown_price(served) == b"0.000001"
    now_s[0] = NOW_S + 10
    assert shown_price(served) == b"0.000003"
    assert listed(served.list_models(None).body)["sold"]["lifecycle"] == "active"
    now_s[0] = NOW_S + 20
    assert listed(served.list_models(None).body)["sold"]["lifecycle"] == "deprecated"


def test_pages_follow_one_another(shown: CatalogueEndpoints) -> None:
    every = list(listed(shown.list_models(None).body))
    first = json.loads(shown.list_models(None, b"limit=2").body)
    assert [first["first_id"], first["last_id"]] == every[:2]
    assert first["has_more"] is True
    query = f"limit=1000&after_id={every[-4]}".encode()
    last = json.loads(shown.list_models(None, query).body)
    assert [item["id"] for item in last["data"]] == every[-3:]
    assert last["has_more"] is False
    query = f"limit=2&before_id={every[5]}".encode()
    before = json.loads(shown.list_models(None, query).body)
    assert [item["id"] for item in before["data"]] == every[3:5]


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "²", "1" * 5000])
def test_limit_that_is_none_is_refused(shown: CatalogueEndpoints, limit: str) -> None:
    with pytest.raises(GatewayError, match="limit must be") as raised:
        shown.list_models(None, f"limit={limit}".encode("latin-1", "replace"))
    assert raised.value.kind is ErrorKind.INVALID_REQUEST


def test_startups_are_counted_by_their_models(shown: CatalogueEndpoints) -> None:
    startups = listed(shown.list_startups().body)
    assert startups["anthropic"] == {
        "id": "anthropic",
        "object": "startup",
        "display_name": "Anthropic",
        "homepage": "https://www.anthropic.com",
        "models_count": sum(model.startup == "anthropic" for model in CATALOGUE.models),
    }
    assert sum(item["models_count"] for item in startups.values()) == len(CATALOGUE.models)


def test_startups_have_a_tag_too(shown: CatalogueEndpoints) -> None:
    etag = dict(shown.list_startups().headers)[b"etag"]
    assert shown.list_startups(etag).status == 304


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    served = endpoints()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        tag = headers.get(b"if-none-match")
        name = scope["path"].removeprefix("/v1/models").lstrip("/")
        if name:
            answer = served.get_model(None, name, tag)
        else:
            answer = served.list_models(None, scope["query_string"], tag)
        head = {"status": answer.status, "headers": list(answer.headers)}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": answer.body})

    # Bound before the thread starts, so that a client's first connection waits in its queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan="off", log_level="critical", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def test_openai_sdk_reads_list_and_model(address: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="x") as client:
        models = {model.id: model for model in client.models.list()}
        assert len(models) == len(CATALOGUE.models)
        assert models["gpt-4.1-mini"].created == 1744588800
        assert models["gpt-4.1-mini"].owned_by == "openai"
        assert client.models.retrieve("gpt-4.1-mini-2025-04-14").id == "gpt-4.1-mini"
        assert client.models.retrieve("gpt-oss-20b:free").id == "gpt-oss-20b:free"


def test_anthropic_sdk_reads_list_pages_and_model(address: str) -> None:
    with anthropic.Anthropic(base_url=address, api_key="x") as client:
        whole = client.models.list()
        assert len(whole.data) == len(CATALOGUE.models)
        assert not whole.has_next_page()
        paged = [model.id for model in client.models.list(limit=500)]
        assert paged == [model.id for model in whole.data]
        model = client.models.retrieve("claude-haiku-4-5-20251001")
        assert model.type == "model"
        assert model.created_at.year == 2025
        assert model.lifecycle == "active"
        assert model.max_tokens == 64000


def test_head_has_the_headers_and_no_body(address: str) -> None:
    whole = requests.get(f"{address}/v1/models", timeout=10)
    head = requests.head(f"{address}/v1/models", timeout=10)
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.content == b""
    again = requests.get(
        f"{address}/v1/models", headers={"if-none-match": head.headers["etag"]}, timeout=10
    )
    assert again.status_code == 304
