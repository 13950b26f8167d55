"""Cohere's models on Bedrock: its own format without the model, which stands in the path.

The tokens are counted in a header alone, so they are estimated here.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings import cohere
from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim
from nagara.dialects.json_fields import Fields, encode_raw, write_fields

INPUTS_MAX: int | None = cohere.INPUTS_MAX
DIMENSIONS: str | None = cohere.DIMENSIONS
EXTRAS: Mapping[str, str] = cohere.EXTRAS
PLACES: Mapping[str, str] = {}


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,  # noqa: ARG001 - every format's signature
) -> bytes:
    """Floats are the default."""
    fields = {"texts": encode_raw(list(inputs)), "input_type": cohere.INPUT_TYPE}
    return write_fields(fields | extras)


def decode_call(body: bytes) -> Embedded:
    """As Cohere's own."""
    return cohere.decode_call(body)
