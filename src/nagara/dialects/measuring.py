"""What dialects share in measuring a request: bytes, and what is not text.

Everything here errs upwards: what cannot be read for certain counts as something unseen, which is
held for by the whole context. Nothing raises.
"""

import re

import msgspec

from nagara.dialects.json_fields import Fields

_text = msgspec.json.Decoder(str | None)

_TYPES = re.compile(rb'"type"\s*:\s*"([^"\\]*)"')


def count_bytes(fields: Fields) -> int:
    """The bytes of a request with these fields."""
    return sum(map(len, fields.values())) + sum(map(len, fields)) + 4 * len(fields)


def read_text(fields: Fields, name: str) -> str | None:
    """A field of text; None for anything else."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        text: str | None = _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return text


def find_types(raw: msgspec.Raw) -> frozenset[bytes] | None:
    """The values of all fields called `type`, at any depth; None where escapes may hide some.

    No part of a conversation but text goes without a type, so this tells what there is without
    reading it. A name may be written with escapes (`"t\\u0079pe"`), which nobody does by chance.
    """
    data = bytes(raw)
    if b"\\u00" in data:
        return None
    return frozenset(_TYPES.findall(data))
