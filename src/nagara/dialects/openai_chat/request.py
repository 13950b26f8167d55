"""Chat Completions requests: the fields the pass-through lane acts on, and the body it sends."""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import Fields, encode_name, encode_raw, read_fields, write_fields
from nagara.dialects.plain_text import UNFIT, Cap, Count, ModelId, TextMessages
from nagara.dialects.request_fields import (
    read_count,
    read_flag,
    read_model,
    read_tokens_max,
    require_kind,
    wrong_field,
)

forwarded_headers = frozenset({b"openai-beta", b"x-client-request-id"})

# How one searches with other providers than OpenAI: OpenRouter, xAI, Alibaba, Perplexity, Groq.
SEARCHING = (
    "web_search_options",
    "plugins",
    "search_parameters",
    "enable_search",
    "compound_custom",
    "documents",
)

SPECIAL = frozenset(
    {*SEARCHING, "tools", "modalities", "audio", "service_tier", "cache_control", "prediction"}
)
"""Fields without which a chat of text is no more than its bytes and its cap."""


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Plain(msgspec.Struct, gc=False):
    """A chat of text alone."""

    model: ModelId
    messages: TextMessages
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: Cap | None = None
    max_tokens: Cap | None = None
    n: Count | None = None


_plain_decoder = msgspec.json.Decoder(_Plain)
_options_decoder = msgspec.json.Decoder(Fields | None)


def read_request(body: bytes) -> RequestView:
    """The view of a chat request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    if not SPECIAL.isdisjoint(fields):
        return _read_any(fields)
    try:
        plain = _plain_decoder.decode(body)
    except UNFIT:
        return _read_any(fields)
    cap, options = plain.max_completion_tokens, plain.stream_options
    return RequestView(
        fields=fields,
        model=plain.model,
        is_streamed=plain.stream is True,
        output_tokens_max=plain.max_tokens if cap is None else cap,
        choice_count=plain.n or 1,
        has_usage_request=options is not None and options.include_usage is True,
        is_plain=True,
    )


def _read_any(fields: Fields) -> RequestView:
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
    fields = view.fields
    if model != view.model:
        fields = fields | {"model": encode_name(model)}
    if asks_usage and view.is_streamed and not view.has_usage_request:
        options = read_stream_options(fields) | {"include_usage": encode_raw(True)}
        fields = fields | {"stream_options": encode_raw(options)}
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
