"""Responses requests: the fields the pass-through lane acts on, and the body it sends."""

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, encode_name, read_fields, write_fields
from nagara.dialects.request_fields import (
    read_flag,
    read_model,
    read_tokens_max,
    require_kind,
)

forwarded_headers = frozenset({b"openai-beta", b"x-client-request-id"})

# Any of these stands in for `input`: it refers to what the provider keeps.
_INPUT_SUBSTITUTES = ("previous_response_id", "prompt", "conversation")


def read_request(body: bytes) -> RequestView:
    """The view of a Responses request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    if fields.get("input", NULL) != NULL or not any(name in fields for name in _INPUT_SUBSTITUTES):
        require_kind(fields, "input", "string", "array")
    return RequestView(
        fields=fields,
        model=model,
        is_streamed=read_flag(fields, "stream"),
        output_tokens_max=read_tokens_max(fields, "max_output_tokens"),
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    if model == view.model:
        return write_fields(view.fields)
    return write_fields(view.fields | {"model": encode_name(model)})
