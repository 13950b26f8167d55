"""Amazon's first Titan on Bedrock: one text a call, and nothing else can be asked for.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from collections.abc import Mapping

from nagara.dialects.embeddings.titan import decode_call, encode_call

__all__ = ["DIMENSIONS", "EXTRAS", "INPUTS_MAX", "PLACES", "decode_call", "encode_call"]

INPUTS_MAX: int | None = 1
DIMENSIONS: str | None = None
EXTRAS: Mapping[str, str] = {}
PLACES: Mapping[str, str] = {}
