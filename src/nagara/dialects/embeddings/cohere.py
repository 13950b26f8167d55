"""Cohere's own format: its newer models have no default for what an input is meant for.

Source: https://docs.cohere.com/reference/embed
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, encode_raw, write_fields

INPUT_TYPE = encode_raw("search_document")
"""What a text is taken for, unless the caller says it: one of many that are to be found."""

INPUTS_MAX: int | None = 96
DIMENSIONS: str | None = "output_dimension"
EXTRAS: Mapping[str, str] = {name: name for name in ("input_type", "truncate", "max_tokens")}
PLACES: Mapping[str, str] = {}


class _ByType(msgspec.Struct, gc=False):
    float: list[list[float]]


class _BilledUnits(msgspec.Struct, gc=False):
    input_tokens: float | None = None


class _Meta(msgspec.Struct, gc=False):
    billed_units: _BilledUnits | None = None


class _Answer(msgspec.Struct, gc=False):
    embeddings: _ByType | list[list[float]]
    meta: _Meta | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode_call(
    inputs: Sequence[msgspec.Raw],
    request: EmbeddingRequest,  # noqa: ARG001 - every format's signature
    extras: Fields,
    aim: Aim,
) -> bytes:
    """Floats are asked for, whatever the caller wants of them."""
    fields = {
        "model": encode_raw(aim.model),
        "texts": encode_raw(list(inputs)),
        "input_type": INPUT_TYPE,
        "embedding_types": encode_raw(["float"]),
    }
    return write_fields(fields | extras)


def decode_call(body: bytes) -> Embedded:
    """Its first models answer the vectors alone, its later ones by their types."""
    answer = decode_answer(_decoder, body)
    vectors = answer.embeddings
    units = answer.meta.billed_units if answer.meta is not None else None
    tokens = units.input_tokens if units is not None else None
    return Embedded(
        vectors.float if isinstance(vectors, _ByType) else vectors,
        None if tokens is None else round(tokens),
    )
