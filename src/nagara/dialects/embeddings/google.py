"""Gemini's own format: a request for each text, many in one call.

Source: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, encode_raw

INPUTS_MAX: int | None = 100
DIMENSIONS: str | None = "outputDimensionality"
EXTRAS: Mapping[str, str] = {"task_type": "taskType", "taskType": "taskType", "title": "title"}
PLACES: Mapping[str, str] = {}


class VectorWire(msgspec.Struct, gc=False):
    """A vector."""

    values: list[float]


class UsageWire(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata`, as far as it is counted."""

    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    embeddings: list[VectorWire]
    usage_metadata: UsageWire | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,
) -> bytes:
    """Each text is a content of one part."""
    model = encode_raw(f"models/{aim.model}")
    asked = [{"model": model, "content": {"parts": [{"text": x}]}, **extras} for x in inputs]
    return bytes(encode_raw({"requests": asked}))


def decode_call(body: bytes) -> Embedded:
    """Older models count no tokens."""
    answer = decode_answer(_decoder, body)
    usage = answer.usage_metadata
    vectors = [vector.values for vector in answer.embeddings]
    return Embedded(vectors, None if usage is None else usage.prompt_token_count)
