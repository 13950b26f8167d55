"""Chat Completions requests: the fields the pass-through lane acts on, and the body it sends."""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import Fields, encode_raw, read_fields, write_fields
from nagara.dialects.request_fields import (
    read_count,
    read_flag,
    read_model,
    read_tokens_max,
    require_kind,
    wrong_field,
)

forwarded_headers = frozenset({b"openai-beta", b"x-client-request-id"})

_options_decoder = msgspec.json.Decoder(Fields | None)


def read_request(body: bytes) -> RequestView:
    """The view of a chat request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    require_kind(fields, "messages", "array")
    options = read_stream_options(fields)
    cap = read_tokens_max(fields, "max_completion_tokens")
    return RequestView(
        fields=fields,
        model=model,
        is_streamed=read_flag(fields, "stream"),
        output_tokens_max=cap if cap is not None else read_tokens_max(fields, "max_tokens"),
        choice_count=read_count(fields, "n"),
        has_usage_request=read_flag(options, "include_usage"),
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:
    """The caller's body with the deployment's model, and usage asked for where it may be."""
    fields = view.fields | {"model": encode_raw(model)}
    if asks_usage and view.is_streamed and not view.has_usage_request:
        options = read_stream_options(fields) | {"include_usage": encode_raw(True)}
        fields["stream_options"] = encode_raw(options)
    return write_fields(fields)


def read_stream_options(fields: Fields) -> Fields:
    """The fields of `stream_options`; none when it is absent or null."""
    raw = fields.get("stream_options")
    if raw is None:
        return {}
    try:
        return _options_decoder.decode(raw) or {}
    except msgspec.DecodeError as error:
        raise wrong_field("stream_options", "must be an object.") from error
