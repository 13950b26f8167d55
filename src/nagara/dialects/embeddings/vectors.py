"""Vectors as callers may have them: JSON numbers, or base64 of 32-bit floats, little-endian.

OpenAI's SDK asks for base64 by itself and unpacks it.
Source: https://github.com/openai/openai-python/blob/main/src/openai/resources/embeddings.py
"""

import base64
import binascii
import struct
from collections.abc import Sequence

from nagara.dialects.exchange import unreadable

Vector = Sequence[float] | str
FLOAT_BYTES = 4


def write_vector(vector: Vector, encoding: str) -> Vector:
    """The vector in that encoding. Raises `GatewayError` where it is not what it seems."""
    if encoding == "base64":
        return vector if isinstance(vector, str) else pack(vector)
    return unpack(vector) if isinstance(vector, str) else vector


def pack(vector: Sequence[float]) -> str:
    """Base64 of the numbers."""
    try:
        data = struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError) as error:
        raise unreadable("a number of a vector is too large") from error
    return base64.b64encode(data).decode("ascii")


def unpack(text: str) -> Sequence[float]:
    """The numbers of some base64."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise unreadable("a vector is no base64") from error
    if len(data) % FLOAT_BYTES:
        raise unreadable("a vector is no row of 32-bit floats")
    return struct.unpack(f"<{len(data) // FLOAT_BYTES}f", data)
