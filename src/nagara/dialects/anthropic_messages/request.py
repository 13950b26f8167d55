"""Messages requests: the fields the pass-through lane acts on, and the body it sends.

Counting tokens takes the same body without `max_tokens`.
"""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import Fields, encode_name, read_fields, write_fields
from nagara.dialects.plain_text import UNFIT, CapOrZero, ModelId, TextMessages
from nagara.dialects.request_fields import read_flag, read_model, read_tokens_max, require_kind

# The list of betas and the version are a contract between the caller and Anthropic.
forwarded_headers = frozenset({b"anthropic-beta", b"anthropic-version"})

SPECIAL = frozenset(
    {
        "tools",
        "mcp_servers",
        "container",
        "thinking",
        "context_management",
        "service_tier",
        "speed",
        "cache_control",
    }
)
"""Fields without which a message of text is no more than its bytes and its cap."""


class _Plain(msgspec.Struct, gc=False):
    """A conversation of text alone."""

    model: ModelId
    messages: TextMessages
    system: str | None = None
    stream: bool | None = None
    max_tokens: CapOrZero | None = None


_plain_decoder = msgspec.json.Decoder(_Plain)


def read_request(body: bytes) -> RequestView:
    """The view of a Messages request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    if not SPECIAL.isdisjoint(fields):
        return _read_any(fields)
    try:
        plain = _plain_decoder.decode(body)
    except UNFIT:
        return _read_any(fields)
    return RequestView(
        fields=fields,
        model=plain.model,
        is_streamed=plain.stream is True,
        output_tokens_max=plain.max_tokens,
        is_plain=True,
    )


def _read_any(fields: Fields) -> RequestView:
    model = read_model(fields)
    require_kind(fields, "messages", "array")
    return RequestView(
        fields=fields,
        model=model,
        is_streamed=read_flag(fields, "stream"),
        # Zero asks for the cache to be filled and nothing more.
        output_tokens_max=read_tokens_max(fields, "max_tokens", minimum=0),
    )


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    if model == view.model:
        return write_fields(view.fields)
    return write_fields(view.fields | {"model": encode_name(model)})
