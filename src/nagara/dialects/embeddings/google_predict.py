"""The older models of Vertex AI, which are asked to predict.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, encode_raw

INPUTS_MAX: int | None = 250
DIMENSIONS: str | None = "outputDimensionality"
EXTRAS: Mapping[str, str] = {
    "task_type": "task_type",
    "taskType": "task_type",
    "title": "title",
    "autoTruncate": "autoTruncate",
}
PLACES: Mapping[str, str] = {"verb": "predict"}

_OF_EACH = frozenset({"task_type", "title"})


class _Statistics(msgspec.Struct, gc=False):
    token_count: float | None = None


class _Vector(msgspec.Struct, gc=False):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct, gc=False):
    embeddings: _Vector


class _Answer(msgspec.Struct, gc=False):
    predictions: list[_Prediction]


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,  # noqa: ARG001 - every format's signature
) -> bytes:
    """An instance for each text."""
    each = {name: raw for name, raw in extras.items() if name in _OF_EACH}
    asked: dict[str, object] = {"instances": [{"content": text, **each} for text in inputs]}
    if rest := {name: raw for name, raw in extras.items() if name not in _OF_EACH}:
        asked["parameters"] = rest
    return bytes(encode_raw(asked))


def decode_call(body: bytes) -> Embedded:
    """Each vector says how many tokens it is of."""
    found = [prediction.embeddings for prediction in decode_answer(_decoder, body).predictions]
    counts = [each.statistics.token_count for each in found if each.statistics is not None]
    known = [int(count) for count in counts if count is not None]
    return Embedded(
        [each.values for each in found], sum(known) if len(known) == len(found) else None
    )
