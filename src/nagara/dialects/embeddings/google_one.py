"""Gemini's models on Vertex AI: one text a call, by the method that Google's own SDK takes there.

Source: https://github.com/googleapis/python-genai/blob/main/google/genai/models.py
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings import google
from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, encode_raw

INPUTS_MAX: int | None = 1
DIMENSIONS: str | None = google.DIMENSIONS
EXTRAS: Mapping[str, str] = {**google.EXTRAS, "autoTruncate": "autoTruncate"}
PLACES: Mapping[str, str] = {"verb": "embedContent"}


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    embedding: google.VectorWire
    usage_metadata: google.UsageWire | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,  # noqa: ARG001 - every format's signature
) -> bytes:
    """The text is a content of one part."""
    asked: dict[str, object] = {"content": {"parts": [{"text": inputs[0]}]}}
    if extras:
        asked["embedContentConfig"] = extras
    return bytes(encode_raw(asked))


def decode_call(body: bytes) -> Embedded:
    """The one vector."""
    answer = decode_answer(_decoder, body)
    usage = answer.usage_metadata
    return Embedded([answer.embedding.values], None if usage is None else usage.prompt_token_count)
