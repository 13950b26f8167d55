"""Gemini's requests in the pass-through lane: the fields it acts on, and the body it sends.

The model and the wish for a stream are in the path, so the view has neither, and the body goes on
as it came.
"""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.google_gemini.wire import read
from nagara.dialects.json_fields import NULL, Fields, read_fields, write_fields
from nagara.dialects.request_fields import read_count, read_tokens_max, require_kind, wrong_field

forwarded_headers: frozenset[bytes] = frozenset({b"x-goog-user-project"})

_fields_decoder = msgspec.json.Decoder(Fields)


def read_request(body: bytes) -> RequestView:
    """The view of a request, its model left empty. Raises `GatewayError` for a wrong field."""
    fields = read_fields(body)
    require_kind(fields, "contents", "array", "object")
    config = read_config(fields)
    cap = read_tokens_max(config, "maxOutputTokens")
    return RequestView(
        fields=fields,
        model="",
        output_tokens_max=cap if cap is not None else read_tokens_max(config, "max_output_tokens"),
        choice_count=read_count(config, _choose(config, "candidateCount", "candidate_count")),
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - the dialects' signature
    """The caller's body: the model is in the path, and usage always comes."""
    return write_fields(view.fields)


def _choose(fields: Fields, name: str, other: str) -> str:
    """Which of the two spellings of a field is there. Raises `GatewayError` where both are.

    Google takes either, and nobody says which one counts: what is held for and what is sent could
    be told different things.
    """
    is_other = fields.get(other, NULL) != NULL
    if is_other and fields.get(name, NULL) != NULL:
        raise wrong_field(name, f"is there as {other!r} too. Send one of the two.")
    return other if is_other else name


def read_config(fields: Fields) -> Fields:
    """The fields of `generationConfig`, by either of its names; none when absent or null."""
    raw = fields.get(_choose(fields, "generationConfig", "generation_config"), NULL)
    if raw == NULL:
        return {}
    try:
        return read(raw, _fields_decoder)
    except msgspec.DecodeError as error:
        raise wrong_field("generationConfig", "must be an object.") from error
