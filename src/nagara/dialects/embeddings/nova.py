"""Amazon's Nova embeddings on Bedrock: one text a call, and no tokens are counted.

Source: https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import NULL, Fields, encode_raw

INPUTS_MAX: int | None = 1
DIMENSIONS: str | None = "embeddingDimension"
EXTRAS: Mapping[str, str] = {"embeddingPurpose": "embeddingPurpose", "truncate": "truncate"}
PLACES: Mapping[str, str] = {}


class _Vector(msgspec.Struct, gc=False):
    embedding: list[float]


class _Answer(msgspec.Struct, gc=False):
    embeddings: list[_Vector]


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,  # noqa: ARG001 - every format's signature
) -> bytes:
    """The text, to be found among others unless the caller says it is for something else."""
    others = dict(extras)
    mode = others.pop("truncate", NULL)
    text = {"value": inputs[0], "truncationMode": encode_raw("NONE") if mode == NULL else mode}
    params = {"embeddingPurpose": "GENERIC_INDEX", **others, "text": text}
    asked = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}
    return bytes(encode_raw(asked))


def decode_call(body: bytes) -> Embedded:
    """The one vector."""
    answer = decode_answer(_decoder, body)
    return Embedded([vector.embedding for vector in answer.embeddings], None)
