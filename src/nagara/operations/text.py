"""The endpoints of what is said about text: embeddings, rankings and moderations.

All but rankings are OpenAI's, take a `model` and an `input`, and are never streamed.

Sources: https://platform.openai.com/docs/api-reference/embeddings
and https://platform.openai.com/docs/api-reference/moderations

Moderations are not free in themselves: OpenAI's models have a price of zero, others' have not.
"""

from nagara.dialects import embeddings, rerank
from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, encode_raw, read_fields, write_fields
from nagara.dialects.openai_chat import read_usage
from nagara.dialects.openai_error import encode_error
from nagara.dialects.request_fields import read_model, require_kind
from nagara.domain.catalog import Operation
from nagara.domain.usage import INPUT_METERS, OUTPUT_METERS, Meter
from nagara.operations.endpoint import Endpoint

# OpenAI fills in a model here when the caller names none, and its SDK does not ask for one.
DEFAULT_MODERATION_MODEL = "omni-moderation-latest"


def read_moderation_request(body: bytes) -> RequestView:
    """The view of a moderations request, whose model may be left out."""
    fields = read_fields(body)
    if fields.get("model", NULL) == NULL:
        fields["model"] = encode_raw(DEFAULT_MODERATION_MODEL)
    model = read_model(fields)
    require_kind(fields, "input", "string", "array", "object")
    return RequestView(fields=fields, model=model)


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    return write_fields(view.fields | {"model": encode_raw(model)})


TEXT_METERS = INPUT_METERS | OUTPUT_METERS
"""What they may be charged by: some servers count an output too."""

TEXT_ENDPOINTS = (
    Endpoint(
        operation=Operation.EMBEDDINGS,
        path="/v1/embeddings",
        meters=TEXT_METERS,
        read_request=embeddings.read_request,
        write_request=embeddings.write_request,
        open_exchange=embeddings.open_exchange,
        read_usage=read_usage,
        encode_error=encode_error,
    ),
    Endpoint(
        operation=Operation.RERANK,
        path="/v1/rerank",
        meters=frozenset({Meter.SEARCHES, Meter.INPUT}),
        read_request=rerank.read_request,
        write_request=rerank.write_request,
        open_exchange=rerank.open_exchange,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=rerank.measure,
    ),
    Endpoint(
        operation=Operation.MODERATIONS,
        path="/v1/moderations",
        meters=TEXT_METERS,
        read_request=read_moderation_request,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
    ),
)
