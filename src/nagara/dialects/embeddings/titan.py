"""Amazon's Titan on Bedrock: one text a call.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, write_fields

INPUTS_MAX: int | None = 1
DIMENSIONS: str | None = "dimensions"
EXTRAS: Mapping[str, str] = {"normalize": "normalize"}
PLACES: Mapping[str, str] = {}


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,  # noqa: ARG001 - every format's signature
) -> bytes:
    """The text."""
    return write_fields({"inputText": inputs[0]} | extras)


def decode_call(body: bytes) -> Embedded:
    """The one vector."""
    answer = decode_answer(_decoder, body)
    return Embedded([answer.embedding], answer.input_text_token_count)
