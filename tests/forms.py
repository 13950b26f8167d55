"""Forms as tests see them: whole, and read by the gateway's own reader."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from nagara.operations.forms import (
    FormLimits,
    FormReader,
    Part,
    PartBegan,
    PartData,
    PartEnded,
    check_part,
)

PIECE_BYTES: Final = 65_536


class Form(msgspec.Struct, frozen=True):
    """A whole form. `digest` is of what it says, whatever stood between its parts."""

    parts: tuple[Part, ...]
    digest: str

    def files(self, *names: str) -> Sequence[Part]:
        """The files of these names, in their order."""
        return [part for part in self.parts if part.is_file and part.head.name in names]

    @property
    def texts(self) -> Mapping[str, str]:
        """The fields that are no files, by name; of a list (`name[]`) the last."""
        return {p.head.name: p.data.decode() for p in self.parts if not p.is_file}


def read_form(content_type: bytes, body: bytes, limits: FormLimits) -> Form:
    """The form that is a whole body. Raises `GatewayError`, also for a field that is there twice.

    Who reads the one and who reads the other would not agree on what was asked for.
    """
    reader, parts, seen = FormReader(content_type, limits), list[Part](), set[str]()
    head, pieces = None, list[bytes]()
    for start in range(0, len(body), PIECE_BYTES):
        for event in reader.feed(body[start : start + PIECE_BYTES]):
            match event:
                case PartBegan():
                    head, pieces = event, []
                case PartData(data):
                    pieces.append(data)
                case PartEnded() if head is not None:
                    parts.append(check_part(Part(head, b"".join(pieces)), seen))
    reader.close()
    digest = hashlib.blake2b(digest_size=24)
    for part in parts:
        digest.update(msgspec.json.encode([part.head, len(part.data)]))
        digest.update(part.data)
    return Form(tuple(parts), digest.hexdigest())
