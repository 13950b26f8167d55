"""The endpoints of what is said about text: embeddings, rankings and moderations.

All but rankings are OpenAI's, take a `model` and an `input`, and are never streamed.

Sources: https://platform.openai.com/docs/api-reference/embeddings
and https://platform.openai.com/docs/api-reference/moderations

Moderations are not free in themselves: OpenAI's models have a price of zero, others' have not.
"""

import msgspec

from nagara.dialects import embeddings, moderations, rerank
from nagara.dialects.openai_chat import read_usage
from nagara.dialects.openai_error import encode_error
from nagara.domain.catalog import Operation
from nagara.domain.usage import INPUT_METERS, OUTPUT_METERS, Meter
from nagara.operations.endpoint import Endpoint

TEXT_METERS = INPUT_METERS | OUTPUT_METERS
"""What they may be charged by: some servers count an output too."""

_RERANK = Endpoint(
    operation=Operation.RERANK,
    path="/v1/rerank",
    meters=frozenset({Meter.SEARCHES, Meter.INPUT}),
    read_request=rerank.read_request,
    write_request=rerank.write_request,
    open_exchange=rerank.open_exchange,
    read_usage=read_usage,
    encode_error=encode_error,
    measure=rerank.measure,
)

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
    _RERANK,
    # Cohere's clients of today ask there. https://docs.cohere.com/reference/rerank
    msgspec.structs.replace(_RERANK, path="/v2/rerank"),
    Endpoint(
        operation=Operation.MODERATIONS,
        path="/v1/moderations",
        meters=TEXT_METERS,
        read_request=moderations.read_request,
        write_request=moderations.write_request,
        open_exchange=moderations.open_exchange,
        read_usage=read_usage,
        encode_error=encode_error,
    ),
)
