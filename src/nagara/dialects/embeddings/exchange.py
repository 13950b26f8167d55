"""One request for embeddings at one deployment.

OpenAI's format is passed on where nothing has to change, and so is an answer that is as it was
asked for. Otherwise the vectors are read, joined in the order of their inputs, and written anew in
the encoding that the caller wants, whatever the provider chose.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from nagara.dialects.base import RequestView
from nagara.dialects.embeddings import (
    cohere,
    cohere_on_bedrock,
    google,
    google_one,
    google_predict,
    nova,
    openai,
    titan,
    titan_v1,
)
from nagara.dialects.embeddings.request import (
    NAMED,
    EmbeddingRequest,
    Kind,
    decode_request,
    write_request,
)
from nagara.dialects.embeddings.traits import Form, Trait
from nagara.dialects.embeddings.vectors import Vector, write_vector
from nagara.dialects.embeddings.wire import Wire
from nagara.dialects.exchange import (
    Aim,
    Exchange,
    cannot_be_given,
    find_names_without_place,
    split_inputs,
    sum_input,
    take_present,
    unreadable,
)
from nagara.dialects.json_fields import encode_raw, replace_model
from nagara.dialects.openai_chat import read_usage
from nagara.dialects.translation import Translated
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage

WIRES: Final[Mapping[str, Wire]] = {
    Form.COHERE: cohere,
    Form.COHERE_ON_BEDROCK: cohere_on_bedrock,
    Form.GOOGLE: google,
    Form.GOOGLE_ONE: google_one,
    Form.GOOGLE_PREDICT: google_predict,
    Form.NOVA: nova,
    Form.TITAN: titan,
    Form.TITAN_V1: titan_v1,
}
"""The wire format of each form that is not OpenAI's."""

_FIRST_VECTOR = re.compile(rb'"embedding"\s*:\s*(["\[])')
_STARTS = {"float": b"[", "base64": b'"'}


def open_exchange(view: RequestView, aim: Aim) -> Exchange:
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    request = decode_request(view)
    if aim.form is None:
        return OpenAIExchange(view, request, aim)
    return WireExchange(request, aim, WIRES[aim.form])


def _check_kind(request: EmbeddingRequest, aim: Aim) -> None:
    if request.kind is not Kind.TEXT:
        raise cannot_be_given(aim, request.kind.value, "input")


def _join(
    answers: Sequence[bytes],
    batches: Sequence[Sequence[object]],
    wire: Wire,
    request: EmbeddingRequest,
    aim: Aim,
) -> Translated:
    """The caller's answer, of those to all calls."""
    found = [wire.decode_call(answer) for answer in answers]
    for embedded, batch in zip(found, batches, strict=True):
        if len(embedded.vectors) != len(batch):
            raise unreadable(f"it has {len(embedded.vectors)} vectors for {len(batch)} inputs")
    vectors = [vector for embedded in found for vector in embedded.vectors]
    usage = sum_input([embedded.tokens for embedded in found], request.inputs)
    return Translated(_write_answer(vectors, usage, request, aim), usage)


def _write_answer(
    vectors: Sequence[Vector], usage: Usage, request: EmbeddingRequest, aim: Aim
) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": write_vector(x, request.encoding)}
        for index, x in enumerate(vectors)
    ]
    tokens = usage.input_tokens
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": aim.caller_model, "usage": counts}
    return bytes(encode_raw(answer))


class OpenAIExchange:
    """With a provider that speaks OpenAI's format, in its own words where it has some."""

    places: Mapping[str, str] = {}

    def __init__(self, view: RequestView, request: EmbeddingRequest, aim: Aim) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for token ids where only text is taken."""
        if Trait.TEXT_ONLY in aim.traits:
            _check_kind(request, aim)
        self._request, self._aim = request, aim
        self._batches = split_inputs(request.inputs, aim.inputs_max, aim.tokens_max)
        is_same = openai.adapt_fields(request, aim) == request.fields
        self.is_pass_through = is_same and len(self._batches) == 1
        if self.is_pass_through:
            self.bodies: Sequence[bytes] = [write_request(view, aim.model)]
        else:
            self.bodies = [openai.encode_call(x, request, {}, aim) for x in self._batches]
        lacks = frozenset({"user"} if Trait.NO_USER in aim.traits else ())
        known = frozenset(request.fields) - lacks
        self.dropped: Sequence[str] = find_names_without_place(request.fields, known)

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The provider's answer as it is, if it is what was asked for, and else written anew."""
        if len(answers) == 1:
            passed = self._pass_on(answers[0])
            if passed is not None:
                return passed
        return _join(answers, self._batches, openai, self._request, self._aim)

    def _pass_on(self, body: bytes) -> Translated | None:
        usage, wanted = read_usage(body), _STARTS.get(self._request.encoding)
        first = _FIRST_VECTOR.search(body)
        is_as_wanted = first is not None and wanted in (None, first[1])
        if not (is_as_wanted and usage is not None) and self._can_read(body):
            return None
        if self._aim.caller_model != self._aim.model:
            body = replace_model(body, self._aim.caller_model)
        return Translated(body, usage)

    def _can_read(self, body: bytes) -> bool:
        # A server of one's own may answer what no page says, and its user wants just that.
        try:
            embedded = openai.decode_call(body)
            for vector in embedded.vectors:
                write_vector(vector, self._request.encoding)
        except GatewayError:
            return False
        return len(embedded.vectors) == len(self._batches[0])


class WireExchange:
    """With a provider that speaks another format."""

    is_pass_through = False

    def __init__(self, request: EmbeddingRequest, aim: Aim, wire: Wire) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for what the format has no place for and matters."""
        _check_kind(request, aim)
        if request.encoding not in _STARTS:
            raise cannot_be_given(aim, f"{request.encoding!r}", "encoding_format")
        if wire.DIMENSIONS is None and request.dimensions is not None:
            raise cannot_be_given(aim, "a length", "dimensions")
        self._request, self._aim, self._wire = request, aim, wire
        self.places: Mapping[str, str] = wire.PLACES
        extras = take_present(request.fields, wire.EXTRAS)
        if wire.DIMENSIONS is not None and request.dimensions is not None:
            extras[wire.DIMENSIONS] = request.dimensions
        limits = [limit for limit in (wire.INPUTS_MAX, aim.inputs_max) if limit is not None]
        self._batches = split_inputs(request.inputs, min(limits, default=None), aim.tokens_max)
        self.bodies: Sequence[bytes] = [
            wire.encode_call(batch, request, extras, aim) for batch in self._batches
        ]
        known = NAMED | wire.EXTRAS.keys()
        self.dropped: Sequence[str] = find_names_without_place(request.fields, known)

    def read(self, answers: Sequence[bytes]) -> Translated:
        """The caller's answer, in OpenAI's format."""
        return _join(answers, self._batches, self._wire, self._request, self._aim)
