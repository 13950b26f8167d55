"""Every provider does what its file says, for callers of every dialect."""

import base64
import importlib.util
import json
import struct
from urllib.parse import quote

import pytest
from tests.conformance.providers.callers import CALLERS, Caller
from tests.conformance.providers.conftest import (
    REMOTE,
    THEIR_MODEL,
    THEIR_RANKER,
    THEIR_TEXT_MODEL,
    Stage,
    base_path,
    credential_of,
)
from tests.conformance.providers.upstream import RETRY_AFTER_S, Asked, Scene, vector_of
from tests.conformance.providers.wires import (
    ARGUMENTS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    SAID,
    TEXT,
    TOOL,
    WIRES,
)
from tests.recordings.neutral import Call, Counts
from tests.recordings.oracle.event_streams import read_events
from tests.recordings.request_shapes import find_problems
from tests.system.wire import WireAnswer, WireConnection, encode_request

from nagara.dialects.embeddings.exchange import WIRES as EMBEDDING_WIRES
from nagara.domain.catalog import Auth, Operation, Provider

TALKING = [p for p in REMOTE if not WIRES.keys().isdisjoint(p.paths)]
EMBEDDING = [p for p in REMOTE if Operation.EMBEDDINGS in p.paths]

HEADERS = {
    Auth.BEARER: ("authorization", "Bearer {}"),
    Auth.X_API_KEY: ("x-api-key", "{}"),
    Auth.API_KEY: ("api-key", "{}"),
    Auth.X_GOOG_API_KEY: ("x-goog-api-key", "{}"),
    Auth.XI_API_KEY: ("xi-api-key", "{}"),
}
NEEDED = {"gemini": ("google", "google.genai")}
"""Packages whose types a body is held against, where they are no part of every environment."""

GOOD_ENDS = (
    b'"finish_reason":"',
    b"response.completed",
    b"message_stop",
    b'"finishReason":"',
)
"""What only a stream that is whole holds, in any dialect."""

by_provider = pytest.mark.parametrize("provider", TALKING, ids=lambda p: p.name)
by_caller = pytest.mark.parametrize("caller", CALLERS, ids=lambda c: c.name)
streamed_or_not = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])


def ask(stage: Stage, provider: Provider, caller: Caller, *, is_streamed: bool) -> WireAnswer:
    gateway = stage.gateway
    model = f"our-{provider.name}"
    return caller.ask(gateway.port, gateway.key, model, is_streamed=is_streamed)


def spoken(provider: Provider, caller: Caller) -> Operation:
    """The caller's own dialect if the provider has it, and else the first of its file."""
    order = [op for op in (caller.operation, *provider.paths) if op in provider.paths]
    return next(op for op in order if op in WIRES)


def check_credential(asked: Asked, provider: Provider, key: str) -> None:
    """It is presented in the provider's way and in no other, and the caller's key nowhere."""
    name, form = HEADERS[provider.auth]
    credential = credential_of(provider)
    shown = {k: v for k, v in asked.headers.items() if credential in v}
    assert shown == {name: form.format(credential)}
    assert not {n for n, _ in HEADERS.values()} & asked.headers.keys() - {name}
    assert key not in f"{asked.path} {asked.headers} {asked.body!r}"
    for header, value in provider.headers:
        assert asked.headers[header] == value


def check_path(
    asked: Asked,
    provider: Provider,
    operation: Operation,
    is_streamed: bool,
    model: str = THEIR_MODEL,
    verb: str = "",
) -> None:
    path = provider.paths[operation]
    if is_streamed:
        path = provider.stream_paths.get(operation, path)
    base = base_path(provider)
    while path.startswith("/../"):
        base, path = base.rpartition("/")[0], path.removeprefix("/..")
    path = path.replace("{model}", quote(model, safe="")).replace("{verb}", verb)
    assert asked.path == base + path
    assert asked.is_streamed == is_streamed


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def check_body(asked: Asked, operation: Operation) -> None:
    body = json.loads(asked.body)
    if operation not in (Operation.GENERATE_CONTENT, Operation.CONVERSE):
        assert body["model"] == THEIR_MODEL
    if all(map(is_installed, NEEDED.get(asked.wire.name, ()))):
        assert find_problems(asked.wire.name, body) == []


@by_provider
@by_caller
@streamed_or_not
def test_turn_comes_back_whole(
    stage: Stage, provider: Provider, caller: Caller, is_streamed: bool
) -> None:
    stage.play(Scene.WELL)
    answer = ask(stage, provider, caller, is_streamed=is_streamed)
    assert answer.status == 200, answer.body
    operation = spoken(provider, caller)
    (asked,) = stage.upstream.asked
    check_path(asked, provider, operation, is_streamed)
    check_credential(asked, provider, stage.gateway.key)
    check_body(asked, operation)
    said = caller.read(answer, is_streamed=is_streamed)
    assert said.text == TEXT
    assert said.calls == (Call(TOOL, ARGUMENTS),)
    assert said.finish == "tool_calls"
    assert said.counts == Counts(input=INPUT_TOKENS, output=OUTPUT_TOKENS)
    assert answer.header("x-nagara-provider") == provider.name
    assert answer.header("x-nagara-dropped") is None


@by_provider
@by_caller
@pytest.mark.parametrize(
    ("scene", "status"), [(Scene.REFUSES, 400), (Scene.IS_BUSY, 429), (Scene.FAILS, 502)]
)
def test_refusal_is_in_the_callers_dialect(
    stage: Stage, provider: Provider, caller: Caller, scene: Scene, status: int
) -> None:
    stage.play(scene)
    answer = ask(stage, provider, caller, is_streamed=False)
    assert answer.status == status, answer.body
    error = caller.read_error(answer.json())
    # Only what the caller did wrong is told in the provider's words.
    assert (error["message"] == SAID) is (scene is Scene.REFUSES), error
    if scene is Scene.IS_BUSY:
        assert answer.header("retry-after") == str(RETRY_AFTER_S)


@by_provider
@by_caller
def test_stream_that_breaks_off_ends_with_an_error_of_the_callers_dialect(
    stage: Stage, provider: Provider, caller: Caller
) -> None:
    stage.play(Scene.BREAKS_OFF)
    answer = ask(stage, provider, caller, is_streamed=True)
    assert answer.status == 200
    assert TEXT.encode() in answer.body
    assert SAID in caller.find_broken_end(read_events(answer.body))
    assert not [mark for mark in GOOD_ENDS if mark in answer.body.replace(b" ", b"")]


@pytest.mark.parametrize("provider", EMBEDDING, ids=lambda p: p.name)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_asked_for_where_the_file_says(
    stage: Stage, provider: Provider, encoding: str
) -> None:
    stage.play(Scene.WELL)
    answer = post(stage, "embeddings", provider, input="hello", encoding_format=encoding)
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.EMBEDDINGS, False, THEIR_TEXT_MODEL, "predict")
    check_credential(asked, provider, stage.gateway.key)
    given = answer.json()
    vector = vector_of("hello")
    packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    (item,) = given["data"]
    assert item["embedding"] == (vector if encoding == "float" else packed)
    assert given["usage"]["prompt_tokens"] > 0
    assert given["model"] in (f"text-{provider.name}", "m")


@pytest.mark.parametrize("provider", EMBEDDING, ids=lambda p: p.name)
@pytest.mark.parametrize(("scene", "status"), [(Scene.REFUSES, 400), (Scene.IS_BUSY, 429)])
def test_refused_embeddings_are_an_error_of_openais_dialect(
    stage: Stage, provider: Provider, scene: Scene, status: int
) -> None:
    stage.play(scene)
    answer = post(stage, "embeddings", provider, input="hello")
    assert answer.status == status, answer.body
    assert answer.json()["error"]["message"]


BATCHED = [p for p in EMBEDDING if Operation.EMBEDDINGS in {*p.inputs_max, *p.forms}]


@pytest.mark.parametrize("provider", BATCHED, ids=lambda p: p.name)
def test_more_inputs_than_one_call_takes_are_asked_for_in_several(
    stage: Stage, provider: Provider
) -> None:
    stage.play(Scene.WELL)
    form = provider.form_of(Operation.EMBEDDINGS, THEIR_TEXT_MODEL)
    limit = EMBEDDING_WIRES[form].INPUTS_MAX if form is not None else None
    limit = limit or provider.inputs_max[Operation.EMBEDDINGS]
    texts = ["a" * (i % 9 + 1) for i in range(limit + 9)]
    answer = post(stage, "embeddings", provider, input=texts)
    assert answer.status == 200, answer.body
    assert len(stage.upstream.asked) == 2
    given = answer.json()
    assert [x["embedding"] for x in given["data"]] == [vector_of(text) for text in texts]
    assert [x["index"] for x in given["data"]] == list(range(len(texts)))
    assert given["usage"]["total_tokens"] == len(texts)


RANKING = [p for p in REMOTE if Operation.RERANK in p.paths]


@pytest.mark.parametrize("provider", RANKING, ids=lambda p: p.name)
def test_rankings_are_asked_for_where_the_file_says(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    fields = {"query": "q", "documents": ["a", {"text": "b"}, "c"], "return_documents": True}
    answer = post(stage, "rerank", provider, "rank", top_n=2, **fields)
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.RERANK, False, THEIR_RANKER)
    check_credential(asked, provider, stage.gateway.key)
    given = answer.json()
    assert [x["index"] for x in given["results"]] == [2, 1]
    assert [x["document"] for x in given["results"]] == [{"text": "c"}, {"text": "b"}]
    assert given["model"] == f"rank-{provider.name}"


JUDGING = [p for p in REMOTE if Operation.MODERATIONS in p.paths]


@pytest.mark.parametrize("provider", JUDGING, ids=lambda p: p.name)
def test_moderations_are_in_openais_categories(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    answer = post(stage, "moderations", provider, input=["a"])
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.MODERATIONS, False, THEIR_TEXT_MODEL)
    check_credential(asked, provider, stage.gateway.key)
    assert json.loads(asked.body) == {"model": THEIR_TEXT_MODEL, "input": ["a"]}
    (result,) = answer.json()["results"]
    assert result["flagged"]
    assert result["categories"] == {"self-harm": True}


def post(
    stage: Stage, path: str, provider: Provider, kind: str = "text", **fields: object
) -> WireAnswer:
    """The answer of what is no conversation."""
    gateway = stage.gateway
    body = json.dumps({"model": f"{kind}-{provider.name}", **fields}).encode()
    headers = [("authorization", f"Bearer {gateway.key}"), ("content-type", "application/json")]
    with WireConnection(gateway.port) as connection:
        connection.send(encode_request("POST", f"/v1/{path}", headers, body))
        return connection.read_answer()


@pytest.mark.parametrize("provider", [p for p in REMOTE if p not in TALKING], ids=lambda p: p.name)
@by_caller
def test_provider_without_conversations_is_not_asked_for_one(
    stage: Stage, provider: Provider, caller: Caller
) -> None:
    stage.play(Scene.WELL)
    answer = ask(stage, provider, caller, is_streamed=False)
    assert answer.status == 400
    message = caller.read_error(answer.json())["message"]
    assert "/v1/embeddings" in message or "/v1/audio/" in message
    assert stage.upstream.asked == []
