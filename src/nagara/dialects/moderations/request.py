"""A request for moderations, whose model may be left out."""

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, encode_raw, read_fields, write_fields
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
    return RequestView(fields=fields, model=model)


def write_request(view: RequestView, model: str, *, asks_usage: bool = False) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    return write_fields(view.fields | {"model": encode_raw(model)})
