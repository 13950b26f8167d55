"""Embeddings: what each provider is asked, and what its answer becomes."""

import base64
import json
import struct
from typing import Any

import pytest
from tests.recordings.recorded import needs_recordings, read_recordings

from nagara.dialects.embeddings import Form, open_exchange, read_request
from nagara.dialects.exchange import CALLS_MAX, Aim, Exchange
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.providers import PROVIDERS

VECTOR = [0.5, -0.25]
PACKED = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()


def open_(name: str, model: str = "m", inputs_max: int | None = None, **fields: Any) -> Exchange:
    """The exchange of a request with a provider, by its own file."""
    provider = PROVIDERS[name]
    operation = next(op for op in provider.paths if op == "embeddings")
    aim = Aim(
        provider=provider.display_name,
        model=model,
        caller_model="ours",
        form=provider.form_of(operation, model),
        traits=provider.traits,
        inputs_max=inputs_max or provider.inputs_max.get(operation),
        tokens_max=provider.tokens_max_of(operation, model),
    )
    return open_exchange(read_request(json.dumps({"model": "ours", **fields}).encode()), aim)


def sent(exchange: Exchange) -> Any:
    (body,) = exchange.bodies
    return json.loads(body)


def answer(*vectors: Any, usage: dict[str, int] | None = None) -> bytes:
    """An answer in OpenAI's format."""
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode()


COUNTED = {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "a"},
        {"input": ["a", "b"], "dimensions": 2, "encoding_format": "base64", "user": "u"},
        {"input": [1, 2, 3]},
        {"input": [[1, 2], [3]]},
        {"input": "a", "encoding_format": None, "odd": {"x": 1}},
    ],
)
def test_openai_is_sent_what_the_caller_sent(fields: dict[str, Any]) -> None:
    exchange = open_("openai", **fields)
    assert exchange.is_pass_through
    assert sent(exchange) == {"model": "m", **fields}
    assert exchange.dropped == ()


@pytest.mark.parametrize(("wanted", "given"), [("float", VECTOR), ("base64", PACKED)])
def test_answer_as_it_was_asked_for_passes_as_it_is(wanted: str, given: Any) -> None:
    body = answer(given, usage=COUNTED)
    read = open_("openai", "ours", input="a", encoding_format=wanted).read([body])
    assert read.body is body
    assert read.usage is not None
    assert read.usage.quantities == {Meter.INPUT: 3}


@pytest.mark.parametrize(
    ("wanted", "given", "gotten"), [("base64", VECTOR, PACKED), ("float", PACKED, VECTOR)]
)
def test_vectors_are_in_the_encoding_that_was_asked_for(
    wanted: str, given: Any, gotten: Any
) -> None:
    exchange = open_("compatible", input="a", encoding_format=wanted)
    read = json.loads(exchange.read([answer(given, usage=COUNTED)]).body)
    assert read["data"] == [{"object": "embedding", "index": 0, "embedding": gotten}]
    assert read["model"] == "ours"
    assert read["usage"] == COUNTED


def test_answer_that_no_page_describes_passes_as_it_is() -> None:
    body = b'{"model":"m","data":[{"index":0,"embedding":[[1,2],[3,4]]}]}'
    read = open_("compatible", input="a", encoding_format="base64").read([body])
    assert json.loads(read.body) == json.loads(body) | {"model": "ours"}


@pytest.mark.parametrize(
    ("name", "fields", "body", "dropped"),
    [
        (
            "voyage",
            {"dimensions": 256, "encoding_format": "float", "input_type": "query"},
            {"output_dimension": 256, "input_type": "query"},
            (),
        ),
        ("voyage", {"encoding_format": "base64"}, {"encoding_format": "base64"}, ()),
        ("voyage", {"user": "u"}, {}, ("user",)),
        ("mistral", {"dimensions": 9, "user": "u"}, {"output_dimension": 9}, ("user",)),
        ("ollama", {"dimensions": 9, "user": "u"}, {"dimensions": 9}, ("user",)),
    ],
)  # fmt: skip
def test_provider_is_asked_in_its_own_words(
    name: str, fields: dict[str, Any], body: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    exchange = open_(name, input=["a"], **fields)
    assert sent(exchange) == {"model": "m", "input": ["a"], **body}
    assert exchange.dropped == dropped


def test_cohere_is_asked_in_its_own_format() -> None:
    exchange = open_("cohere", input="a", dimensions=256, user="u", encoding_format="base64")
    assert sent(exchange) == {
        "model": "m",
        "texts": ["a"],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    assert exchange.dropped == ("user",)
    assert sent(open_("cohere", input="a", input_type="search_query"))["input_type"] == (
        "search_query"
    )


def test_google_is_asked_for_each_text_in_one_call() -> None:
    asked = sent(open_("google", input=["a", "b"], dimensions=256))["requests"]
    assert [x["content"]["parts"][0]["text"] for x in asked] == ["a", "b"]
    assert [x["outputDimensionality"] for x in asked] == [256, 256]
    assert {x["model"] for x in asked} == {"models/m"}


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("amazon.titan-embed-text-v1", Form.TITAN_V1),
        ("amazon.titan-embed-text-v2:0", Form.TITAN),
        ("cohere.embed-english-v3", Form.COHERE_ON_BEDROCK),
        ("us.cohere.embed-v4:0", Form.COHERE_ON_BEDROCK),
        ("amazon.nova-2-multimodal-embeddings-v1:0", Form.NOVA),
    ],
)
def test_model_on_bedrock_is_asked_in_its_makers_format(model: str, form: Form) -> None:
    operation = next(op for op in PROVIDERS["bedrock"].paths if op == "embeddings")
    assert PROVIDERS["bedrock"].form_of(operation, model) is form
    assert PROVIDERS["bedrock"].operations_of(model) == {operation}


@pytest.mark.parametrize(
    ("name", "model", "fields", "param"),
    [
        ("voyage", "m", {"input": [1, 2]}, "input"),
        ("mistral", "m", {"input": [[1], [2]]}, "input"),
        ("google", "m", {"input": [1]}, "input"),
        ("cohere", "m", {"input": [{"image": "x"}]}, "input"),
        ("cohere", "m", {"input": ["a", 1]}, "input"),
        ("google", "m", {"input": "a", "encoding_format": "odd"}, "encoding_format"),
        ("bedrock", "amazon.titan-embed-text-v1", {"input": "a", "dimensions": 9}, "dimensions"),
    ],
)
def test_what_would_change_the_answer_is_refused(
    name: str, model: str, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        open_(name, model, **fields)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == param


def test_inputs_beyond_the_limit_are_asked_for_in_several_calls_and_joined_in_order() -> None:
    exchange = open_("voyage", inputs_max=2, input=["a", "b", "c"])
    assert [json.loads(body)["input"] for body in exchange.bodies] == [["a", "b"], ["c"]]
    swapped = json.loads(answer([1.0], [2.0], usage={"total_tokens": 2}))
    swapped["data"].reverse()
    read = exchange.read([json.dumps(swapped).encode(), answer([3.0], usage={"total_tokens": 5})])
    said = json.loads(read.body)
    assert [(x["index"], x["embedding"]) for x in said["data"]] == [(0, [1]), (1, [2]), (2, [3])]
    assert said["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert read.usage is not None
    assert read.usage.quantities == {Meter.INPUT: 7}
    assert not read.usage.is_estimated


@pytest.mark.parametrize(
    ("name", "model", "item", "batches"),
    [
        # 16,384 tokens of two bytes each.
        ("mistral", "mistral-embed", "a" * 15_000, [2, 2, 1]),
        ("mistral", "mistral-embed", "a" * 40_000, [1, 1, 1, 1, 1]),
        ("voyage", "voyage-code-3", "a" * 100_000, [2, 2, 1]),
        ("voyage", "voyage-4", "a" * 100_000, [5]),
        ("openai", "text-embedding-3-small", [7] * 8_000, [5]),
        ("openai", "text-embedding-3-small", [7] * 100_000, [3, 2]),
    ],
)
def test_inputs_of_more_tokens_than_a_call_takes_are_asked_for_in_several_calls(
    name: str, model: str, item: Any, batches: list[int]
) -> None:
    exchange = open_(name, model, input=[item] * 5)
    assert [len(json.loads(body)["input"]) for body in exchange.bodies] == batches


def test_vertex_is_asked_as_googles_own_sdk_asks_it() -> None:
    newer = open_("vertex", "gemini-embedding-2", input=["a", "b"], dimensions=8, task_type="X")
    assert newer.places == {"verb": "embedContent"}
    assert [json.loads(body) for body in newer.bodies] == [
        {
            "content": {"parts": [{"text": text}]},
            "embedContentConfig": {"taskType": "X", "outputDimensionality": 8},
        }
        for text in ("a", "b")
    ]
    vector = {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 3}}
    read = newer.read([json.dumps(vector).encode()] * 2)
    assert read.usage is not None
    assert read.usage.quantities == {Meter.INPUT: 6}

    older = open_("vertex", "text-embedding-005", input=["a", "b"], dimensions=8, task_type="X")
    assert older.places == {"verb": "predict"}
    assert sent(older) == {
        "instances": [{"content": text, "task_type": "X"} for text in ("a", "b")],
        "parameters": {"outputDimensionality": 8},
    }
    counted = {"embeddings": {"values": [0.5], "statistics": {"token_count": 2.0}}}
    uncounted = {"embeddings": {"values": [0.25]}}
    read = older.read([json.dumps({"predictions": [counted, counted]}).encode()])
    assert read.usage is not None
    assert (read.usage.quantities, read.usage.is_estimated) == ({Meter.INPUT: 4}, False)
    read = older.read([json.dumps({"predictions": [counted, uncounted]}).encode()])
    assert read.usage is not None
    assert read.usage.is_estimated


def test_titan_is_asked_for_one_text_at_a_time() -> None:
    exchange = open_("bedrock", "amazon.titan-embed-text-v2:0", input=["a", "b"], dimensions=256)
    assert [json.loads(body) for body in exchange.bodies] == [
        {"inputText": "a", "dimensions": 256},
        {"inputText": "b", "dimensions": 256},
    ]


def test_more_calls_than_the_bound_are_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        open_("bedrock", "amazon.titan-embed-text-v2:0", input=["a"] * (CALLS_MAX + 1))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"embeddings":{"float":[]}}',
        b'{"embeddings":{"float":[[1],[2]]}}',
        b'{"embeddings":{"float":["x"]}}',
        b"{",
    ],
)
def test_answer_without_a_vector_for_each_input_is_an_error(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        open_("cohere", input="a").read([body])
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


@pytest.mark.parametrize("packed", ["!", "AAA=", PACKED[:4]])
def test_what_is_no_base64_of_floats_is_an_error(packed: str) -> None:
    exchange = open_("voyage", inputs_max=1, input=["a", "b"])
    with pytest.raises(GatewayError) as caught:
        exchange.read([answer(packed), answer(packed)])
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_tokens_that_nobody_counted_are_estimated() -> None:
    read = open_("cohere", input="a" * 38).read([b'{"embeddings":[[1]]}'])
    assert read.usage is not None
    assert read.usage.is_estimated
    assert read.usage.quantities == {Meter.INPUT: 10}


@needs_recordings
@pytest.mark.parametrize("name", ["bedrock", "cohere", "google", "voyage"])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_recorded_answers_are_given_in_openais_format(name: str, encoding: str) -> None:
    count = 0
    for recorded in read_recordings(name):
        parts = recorded.path.split("/")
        if "embed" not in recorded.path or recorded.status != 200:
            continue
        place = {"bedrock": 2, "google": 3}.get(name)
        model = "m" if place is None else parts[place].split(":batch")[0].replace("%3A", ":")
        said = json.loads(recorded.body)
        many = len(said.get("embeddings", [0])) if name == "google" else len(said.get("texts", "1"))
        exchange = open_(name, model, input=["hello"] * many, encoding_format=encoding)
        read = exchange.read([recorded.body] * len(exchange.bodies))
        given = json.loads(read.body)
        vectors = [item["embedding"] for item in given["data"]]
        assert len(vectors) == many
        size = [len(base64.b64decode(x)) // 4 if encoding == "base64" else len(x) for x in vectors]
        assert min(size) >= 128
        assert given["usage"]["prompt_tokens"] > 0
        count += 1
    assert count
