"""A request for moderations, whose model may be left out."""

from typing import Any

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, decode_untyped, encode_raw, read_fields, write_fields
from nagara.dialects.request_fields import read_model, require_kind

# OpenAI fills in a model here when the caller names none, and its SDK does not ask for one.
DEFAULT_MODEL = "omni-moderation-latest"


def read_request(body: bytes) -> RequestView:
    """The view of a request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    if fields.get("model", NULL) == NULL:
        fields["model"] = encode_raw(DEFAULT_MODEL)
    model = read_model(fields)
    require_kind(fields, "input", "string", "array", "object")
    fields["input"] = _nest_images(fields["input"])
    return RequestView(fields=fields, model=model)


def _nest_images(given: msgspec.Raw) -> msgspec.Raw:
    """Images as OpenAI has them; NagaAI's clients of its first months put the address flat."""
    raw = bytes(given)
    if not raw.startswith(b"[") or b'"image_url"' not in raw:
        return given
    try:
        parts = decode_untyped(raw)
    except ValueError:
        return given
    if not any(map(_is_flat, parts)):
        return given
    nested = [
        {"type": "image_url", "image_url": {"url": part["url"]}} if _is_flat(part) else part
        for part in parts
    ]
    return encode_raw(nested)


def _is_flat(part: Any) -> bool:
    is_image = isinstance(part, dict) and part.get("type") == "image_url"
    return is_image and "url" in part and "image_url" not in part


def write_request(view: RequestView, model: str, *, asks_usage: bool = False) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    return write_fields(view.fields | {"model": encode_raw(model)})
