"""Moderations: OpenAI's pass as they are, Mistral's come in OpenAI's format."""

import json
from typing import Any

import pytest

from nagara.dialects.exchange import Aim, Exchange
from nagara.dialects.moderations import open_exchange, read_request
from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.providers import PROVIDERS

IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
MISTRALS = {
    "id": "x",
    "model": "m",
    "usage": {"prompt_tokens": 4, "completion_tokens": 0, "total_tokens": 4},
    "results": [
        {
            "categories": {"sexual": False, "criminal": True, "selfharm": False, "pii": False},
            "category_scores": {"sexual": 0.1, "criminal": 0.9, "selfharm": 0.2, "pii": 0.3},
        }
    ],
}


def open_(name: str, **fields: Any) -> Exchange:
    provider = PROVIDERS[name]
    form = provider.form_of(Operation.MODERATIONS, "m")
    aim = Aim(provider=name, model="m", caller_model="ours", seed="1", form=form)
    return open_exchange(read_request(json.dumps({"model": "ours", **fields}).encode()), aim)


def test_image_whose_address_is_flat_is_sent_as_openai_has_it() -> None:
    flat = {"type": "image_url", "url": IMAGE["image_url"]["url"]}
    exchange = open_("openai", input=[{"type": "text", "text": "a"}, flat])
    sent = json.loads(exchange.bodies[0])["input"]
    assert sent == [{"type": "text", "text": "a"}, IMAGE]


@pytest.mark.parametrize("given", ["a", ["a", "b"], [{"type": "text", "text": "a"}, IMAGE]])
def test_openai_is_sent_what_the_caller_sent(given: Any) -> None:
    exchange = open_("openai", input=given)
    assert exchange.is_pass_through
    assert [json.loads(body) for body in exchange.bodies] == [{"model": "m", "input": given}]
    read = exchange.read([b'{"model":"m","results":[{"flagged":false}]}'])
    assert json.loads(read.body) == {"model": "ours", "results": [{"flagged": False}]}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("a", "a"),
        (["a", "b"], ["a", "b"]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ["a\nb"]),
        ({"type": "text", "text": "a"}, ["a"]),
    ],
)
def test_mistral_is_asked_for_text(given: Any, asked: Any) -> None:
    exchange = open_("mistral", input=given, user="u")
    assert [json.loads(body) for body in exchange.bodies] == [{"model": "m", "input": asked}]
    assert exchange.dropped == ("user",)


def test_mistral_is_not_given_images() -> None:
    with pytest.raises(GatewayError) as caught:
        open_("mistral", input=[{"type": "text", "text": "a"}, IMAGE])
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == "input"


def test_mistrals_categories_have_openais_names_where_openai_has_them() -> None:
    read = open_("mistral", input="a").read([json.dumps(MISTRALS).encode()])
    said = json.loads(read.body)
    assert said["model"] == "ours"
    (result,) = said["results"]
    assert result["flagged"]
    assert result["categories"] == {
        "sexual": False,
        "illicit": True,
        "self-harm": False,
        "pii": False,
    }
    assert result["category_scores"]["illicit"] == 0.9
    assert result["category_applied_input_types"]["pii"] == ["text"]
    assert read.usage is not None
    assert read.usage.quantities == {Meter.INPUT: 4}


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"results":[{}]}'])
def test_answer_without_categories_is_an_error(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        open_("mistral", input="a").read([body])
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL
