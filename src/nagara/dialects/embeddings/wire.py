"""What a wire format of embeddings offers, as a module that has these names."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from nagara.dialects.embeddings.request import EmbeddingRequest
from nagara.dialects.embeddings.vectors import Vector
from nagara.dialects.exchange import Aim
from nagara.dialects.json_fields import Fields


class Embedded(msgspec.Struct, frozen=True):
    """What one call gave: a vector for each input, and how many tokens it says they were."""

    vectors: Sequence[Vector]
    tokens: int | None


class Wire(Protocol):
    """One wire format. `EXTRAS` are fields beside OpenAI's own that it has too, by that name.

    `PLACES` stand in the provider's path.
    """

    INPUTS_MAX: int | None
    DIMENSIONS: str | None
    EXTRAS: Mapping[str, str]
    PLACES: Mapping[str, str]

    def encode_call(
        self, inputs: Sequence[msgspec.Raw], request: EmbeddingRequest, extras: Fields, aim: Aim
    ) -> bytes:
        """The body of one call. `extras` have the length that was asked for too."""

    def decode_call(self, body: bytes) -> Embedded:
        """What a call gave. Raises `GatewayError`."""
