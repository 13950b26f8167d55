"""`countTokens`: what it takes, how it goes on to Google, and an estimate for everybody else.

A request is the `contents` alone, or a whole `generateContentRequest`, which names the model again.

Source: https://ai.google.dev/api/tokens
"""

from typing import Any

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.google_gemini.wire import read
from nagara.dialects.json_fields import (
    Fields,
    decode_untyped,
    encode_raw,
    read_fields,
    write_fields,
)
from nagara.dialects.request_fields import require_kind, wrong_field
from nagara.dialects.token_estimate import (
    TOKENS_PER_IMAGE,
    estimate_document,
    estimate_tokens,
)

_WHOLE = ("generateContentRequest", "generate_content_request")
_COUNTED = ("contents", "systemInstruction", "system_instruction", "tools")
_NOT_READ = frozenset({"thoughtSignature", "thought_signature", "role"})
_fields_decoder = msgspec.json.Decoder(Fields)


def read_count_request(body: bytes) -> RequestView:
    """The view of a request, its model left empty. Raises `GatewayError` for a wrong field."""
    fields = read_fields(body)
    name, whole = _find_whole(fields)
    require_kind(fields if whole is None else whole, "contents", "array", "object")
    if name is not None and "contents" in fields:
        raise wrong_field(name, "stands in the place of 'contents': send one of the two.")
    return RequestView(fields=fields, model="")


def write_count_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - nothing is used
    """The caller's body, with the deployment's model where it is named again."""
    name, whole = _find_whole(view.fields)
    if name is None or whole is None or "model" not in whole:
        return write_fields(view.fields)
    named = whole | {"model": encode_raw(f"models/{model}")}
    return write_fields(view.fields | {name: msgspec.Raw(write_fields(named))})


def encode_count_estimate(view: RequestView) -> bytes:
    """The body of the answer where no provider can be asked."""
    _, whole = _find_whole(view.fields)
    said = view.fields if whole is None else whole
    try:
        request = decode_untyped(write_fields({n: said[n] for n in _COUNTED if n in said}))
    except ValueError as error:
        raise wrong_field("contents", "cannot be read as JSON.") from error
    tokens = estimate_tokens(request, _estimate_media, _NOT_READ)
    return msgspec.json.encode({"totalTokens": tokens})


def _find_whole(fields: Fields) -> tuple[str | None, Fields | None]:
    """The name and the fields of a whole request within."""
    for name in _WHOLE:
        if name in fields:
            try:
                return name, read(fields[name], _fields_decoder)
            except msgspec.DecodeError as error:
                raise wrong_field(name, "must be an object.") from error
    return None, None


def _estimate_media(part: dict[str, Any]) -> int | None:
    """The tokens of a file: an image's by its number, another's by its size; None if it is none."""
    if "fileData" in part or "file_data" in part:
        return TOKENS_PER_IMAGE
    held = part.get("inlineData", part.get("inline_data"))
    if not isinstance(held, dict):
        return None
    kind, data = held.get("mimeType", held.get("mime_type")), held.get("data")
    if isinstance(kind, str) and kind.startswith("image/"):
        return TOKENS_PER_IMAGE
    return estimate_document(data) if isinstance(data, str) else None
