"""OpenAI's own format, which most providers speak, some of them with other words in places."""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.traits import Trait
from nagara.dialects.embeddings.wire import Embedded
from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.json_fields import Fields, encode_raw, write_fields


class _Item(msgspec.Struct, gc=False):
    embedding: list[float] | str
    index: int | None = None


class _Usage(msgspec.Struct, gc=False):
    """Voyage counts the total alone, and there is nothing else in it."""

    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct, gc=False):
    data: list[_Item]
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Answer)

INPUTS_MAX: int | None = None
DIMENSIONS: str | None = "dimensions"
EXTRAS: Mapping[str, str] = {}
PLACES: Mapping[str, str] = {}


def encode_call(
    inputs: Sequence[msgspec.Raw], request: EmbeddingRequest, extras: Fields, aim: Aim
) -> bytes:
    """The caller's fields, of which `extras` go as they are."""
    fields = adapt_fields(request, aim)
    if len(inputs) < len(request.inputs):
        fields["input"] = encode_raw(list(inputs))
    return write_fields(fields | extras | {"model": encode_raw(aim.model)})


def adapt_fields(request: EmbeddingRequest, aim: Aim) -> Fields:
    """The caller's fields in the provider's words."""
    fields = dict(request.fields)
    if Trait.NO_USER in aim.traits:
        fields.pop("user", None)
    if Trait.FLOAT_UNSAID in aim.traits and request.encoding == "float":
        fields.pop("encoding_format", None)
    if Trait.OUTPUT_DIMENSION in aim.traits:
        fields.pop("dimensions", None)
        if request.dimensions is not None:
            fields["output_dimension"] = request.dimensions
    return fields


def decode_call(body: bytes) -> Embedded:
    """The vectors in the order of their inputs, which need not be that of the answer."""
    answer = decode_answer(_decoder, body)
    items = answer.data
    if all(item.index is not None for item in items):
        items.sort(key=lambda item: item.index or 0)
    usage = answer.usage or _Usage()
    tokens = usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    return Embedded([item.embedding for item in items], tokens)
