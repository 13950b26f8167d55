"""Rankings: what each provider is asked, what its answer becomes, and what it may cost."""

import json
from typing import Any

import pytest

from nagara.billing import BoundLimits, bound_charge, price
from nagara.dialects.exchange import Aim, Exchange
from nagara.dialects.rerank import measure, open_exchange, read_request
from nagara.dialects.rerank.request import count_searches
from nagara.domain.catalog import Model, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter
from nagara.providers import PROVIDERS

ASKED: dict[str, Any] = {"model": "ours", "query": "q", "documents": ["a", "b", "c"]}
MODEL = Model(id="ours", startup="s", display_name="Ours")


def open_(name: str, model: str = "m", **fields: Any) -> Exchange:
    """The exchange of a request with a provider, by its own file."""
    provider = PROVIDERS[name]
    aim = Aim(
        provider=provider.display_name,
        model=model,
        caller_model="ours",
        seed="1",
        form=provider.form_of(Operation.RERANK, model),
        traits=provider.traits,
    )
    return open_exchange(read_request(json.dumps(ASKED | fields).encode()), aim)


def sent(exchange: Exchange) -> Any:
    (body,) = exchange.bodies
    return json.loads(body)


def ranked(*pairs: tuple[int, float], **rest: Any) -> bytes:
    results = [{"index": index, "relevance_score": score} for index, score in pairs]
    return json.dumps({"results": results, **rest}).encode()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("compatible", {"model": "m", "top_n": 2, "odd": 1}),
        ("cohere", {"model": "m", "top_n": 2}),
        ("voyage", {"model": "m", "top_k": 2}),
        ("bedrock", {"top_n": 2, "api_version": 2}),
    ],
)
def test_provider_is_asked_in_its_own_words(name: str, body: dict[str, Any]) -> None:
    exchange = open_(name, top_n=2, return_documents=True, odd=1)
    assert sent(exchange) == {"query": "q", "documents": ["a", "b", "c"], **body}
    assert exchange.dropped == (() if name == "compatible" else ("odd",))


def test_results_are_in_order_and_no_more_than_asked_for_with_the_callers_documents() -> None:
    exchange = open_(
        "compatible", documents=["a", {"text": "b"}, "c"], top_n=2, return_documents=True
    )
    read = exchange.read([ranked((0, 0.1), (2, 0.7), (1, 0.9), usage={"total_tokens": 9})])
    said = json.loads(read.body)
    assert said["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 2, "relevance_score": 0.7, "document": {"text": "c"}},
    ]
    assert said["model"] == "ours"
    assert said["usage"]["total_tokens"] == 9
    assert read.usage is not None
    assert read.usage.quantities == {Meter.SEARCHES: 1, Meter.INPUT: 9}


def test_voyages_results_are_read_too() -> None:
    body = ranked((1, 0.9)).replace(b"results", b"data")
    said = json.loads(open_("voyage").read([body]).body)
    assert said["results"] == [{"index": 1, "relevance_score": 0.9}]


def test_searches_are_those_that_the_provider_bills() -> None:
    body = ranked((0, 0.5), meta={"billed_units": {"search_units": 3}})
    read = open_("cohere").read([body])
    assert read.usage is not None
    assert read.usage.quantities[Meter.SEARCHES] == 3
    assert not read.usage.is_estimated
    assert json.loads(read.body)["meta"] == {"billed_units": {"search_units": 3}}


def test_what_nobody_counted_is_estimated() -> None:
    read = open_("bedrock", documents=["a" * 50] * 250).read([ranked((0, 0.5))])
    assert read.usage is not None
    assert read.usage.is_estimated
    assert read.usage.quantities[Meter.SEARCHES] == 3


@pytest.mark.parametrize(
    ("document", "text"),
    [({"text": "a"}, "a"), ({"title": "T", "year": 1999}, "title: T\nyear: 1999")],
)
def test_object_is_told_as_text_where_only_text_is_taken(
    document: dict[str, Any], text: str
) -> None:
    assert sent(open_("cohere", documents=[document]))["documents"] == [text]
    assert sent(open_("compatible", documents=[document]))["documents"] == [document]


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"documents": [{"image": "https://x"}]}, "documents"), ({"query": {"image": "x"}}, "query")],
)
def test_what_is_no_text_is_refused_where_only_text_is_taken(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        open_("voyage", **fields)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": [1]}, "documents"),
        ({"documents": "a"}, "documents"),
        ({"query": 1}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "2"}, "top_n"),
        ({"return_documents": 1}, "return_documents"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        open_("compatible", **fields)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body", [ranked((3, 0.5)), ranked((-1, 0.5)), ranked((0, 0.5), (0, 0.4)), b"{}", b"{"]
)
def test_answer_that_ranks_other_documents_is_an_error(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        open_("compatible").read([body])
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


@pytest.mark.parametrize(
    ("query", "documents", "searches"),
    [(10, [10], 1), (10, [10] * 100, 1), (10, [10] * 101, 2), (0, [1001] * 100, 3)],
)
def test_search_is_a_hundred_documents_of_500_tokens(
    query: int, documents: list[int], searches: int
) -> None:
    assert count_searches(query, documents) == searches


@pytest.mark.parametrize("meter", [Meter.SEARCHES, Meter.INPUT])
def test_what_is_held_covers_the_charge_by_either_meter(meter: Meter) -> None:
    view = read_request(json.dumps(ASKED | {"documents": ["word " * 400] * 150}).encode())
    card = RateCard(rates_pico={meter: 1_000_000})
    held = bound_charge(measure(view), MODEL, card, BoundLimits())
    assert not held.unpriced
    read = open_("bedrock", documents=["word " * 400] * 150).read([ranked((0, 0.5))])
    assert read.usage is not None
    assert 0 < price(read.usage, card).amount_nano <= held.needed_nano


def test_ranking_without_any_price_is_not_free() -> None:
    view = read_request(json.dumps(ASKED).encode())
    card = RateCard(rates_pico={Meter.OUTPUT: 1})
    held = bound_charge(measure(view), MODEL, card, BoundLimits())
    assert set(held.unpriced) == {Meter.INPUT, Meter.SEARCHES}
