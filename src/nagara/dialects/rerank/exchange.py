"""One request for a ranking at one deployment.

Usage has both meters, searches and tokens, the provider's own count where it gives one: a model's
price names the one that is charged. Results are in order, best first, and no more than asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import (
    Aim,
    Exchange,
    cannot_be_given,
    decode_answer,
    find_names_without_place,
    unreadable,
)
from nagara.dialects.json_fields import Fields, decode_untyped, encode_raw, write_fields
from nagara.dialects.rerank.request import (
    NAMED,
    RerankRequest,
    decode_request,
    estimate_input,
    estimate_searches,
    write_request,
)
from nagara.dialects.rerank.wires import WIRES, Wire
from nagara.dialects.translation import Translated
from nagara.domain.usage import Meter, Usage


class _Result(msgspec.Struct, gc=False):
    index: int
    relevance_score: float


class _Units(msgspec.Struct, gc=False):
    search_units: float | None = None


class _Meta(msgspec.Struct, gc=False):
    billed_units: _Units | None = None


class _Usage(msgspec.Struct, gc=False):
    total_tokens: int | None = None
    prompt_tokens: int | None = None
    search_units: float | None = None


class _Answer(msgspec.Struct, gc=False):
    results: list[_Result] | None = None
    data: list[_Result] | None = None
    meta: _Meta | None = None
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Answer)


def open_exchange(view: RequestView, aim: Aim) -> Exchange:
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    return RerankExchange(view, aim)


class RerankExchange:
    """With any provider: all answer alike."""

    is_pass_through = False
    places: Mapping[str, str] = {}

    def __init__(self, view: RequestView, aim: Aim) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for documents that are no text where only text is."""
        self._request, self._aim = decode_request(view), aim
        self.dropped: Sequence[str] = ()
        if aim.form is None:
            self.bodies: Sequence[bytes] = [write_request(view, aim.model)]
            return
        wire = WIRES[aim.form]
        self.bodies = [write_fields(_encode_call(view.fields, self._request, wire, aim))]
        self.dropped = find_names_without_place(view.fields, NAMED | wire.extras)

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The caller's answer."""
        (body,) = answers
        answer = decode_answer(_decoder, body)
        usage = _find_usage(answer, self._request)
        results = _order(answer, len(self._request.documents))[: self._request.top_n]
        searches = usage.quantities[Meter.SEARCHES]
        tokens = usage.quantities[Meter.INPUT]
        said = {
            "id": f"rerank-{self._aim.seed}",
            "object": "list",
            "model": self._aim.caller_model,
            "results": [_show(result, self._request) for result in results],
            "meta": {"billed_units": {"search_units": searches}},
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return Translated(bytes(encode_raw(said)), usage)


def _encode_call(fields: Fields, request: RerankRequest, wire: Wire, aim: Aim) -> Fields:
    if memoryview(request.query)[0] != ord('"'):
        raise cannot_be_given(aim, "a query that is no text", "query")
    call = {name: encode_raw(value) for name, value in wire.fixed.items()}
    call |= {name: fields[name] for name in wire.extras & fields.keys()}
    if wire.has_model:
        call["model"] = encode_raw(aim.model)
    if request.top_n is not None:
        call[wire.top] = encode_raw(request.top_n)
    call["query"] = request.query
    call["documents"] = encode_raw([_as_text(document, aim) for document in request.documents])
    return call


def _as_text(document: msgspec.Raw, aim: Aim) -> msgspec.Raw:
    """A document as the text that a model reads; an object's fields a line each, without `text`."""
    if memoryview(document)[0] == ord('"'):
        return document
    fields = decode_untyped(bytes(document))
    if fields.keys() == {"text"} and isinstance(fields["text"], str):
        return encode_raw(fields["text"])
    if any(isinstance(value, dict | list) for value in fields.values()) or "image" in fields:
        raise cannot_be_given(aim, "a document that is no text", "documents")
    # https://docs.cohere.com/docs/reranking-with-cohere: structured documents are told as YAML.
    return encode_raw("\n".join(f"{name}: {value}" for name, value in fields.items()))


def _order(answer: _Answer, count: int) -> list[_Result]:
    results = answer.results if answer.results is not None else answer.data
    if results is None:
        raise unreadable("it has no results")
    indices = [result.index for result in results]
    if len(set(indices)) < len(indices) or not all(0 <= index < count for index in indices):
        raise unreadable("it ranks documents that it was not given")
    return sorted(results, key=lambda result: -result.relevance_score)


def _show(result: _Result, request: RerankRequest) -> Mapping[str, Any]:
    shown: dict[str, Any] = {"index": result.index, "relevance_score": result.relevance_score}
    if request.returns_documents:
        document = request.documents[result.index]
        is_text = memoryview(document)[0] == ord('"')
        shown["document"] = {"text": document} if is_text else document
    return shown


def _find_usage(answer: _Answer, request: RerankRequest) -> Usage:
    counts = answer.usage or _Usage()
    units = answer.meta.billed_units if answer.meta is not None else None
    searches = counts.search_units if units is None else units.search_units
    tokens = counts.prompt_tokens if counts.total_tokens is None else counts.total_tokens
    return Usage(
        {
            Meter.SEARCHES: estimate_searches(request) if searches is None else round(searches),
            Meter.INPUT: estimate_input(request) if tokens is None else tokens,
        },
        is_estimated=searches is None and tokens is None,
    )
