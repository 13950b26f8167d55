"""Messages requests: the fields the pass-through lane acts on, and the body it sends.

Counting tokens takes the same body without `max_tokens`.
"""

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import encode_name, read_fields, write_fields
from nagara.dialects.request_fields import read_flag, read_model, read_tokens_max, require_kind

# The list of betas and the version are a contract between the caller and Anthropic.
forwarded_headers = frozenset({b"anthropic-beta", b"anthropic-version"})


def read_request(body: bytes) -> RequestView:
    """The view of a Messages request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
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
    return write_fields(view.fields | {"model": encode_name(model)})
