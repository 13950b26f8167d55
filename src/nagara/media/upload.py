"""A form whose file is too large for memory: its fields, and the file where it was put.

The file is temporary: nothing of it has a name on the disk, so nothing is left there however the
request ends. It is sent to a provider from there, as often as one is tried, and in the provider's
form the fields come first.
"""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO, Final

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.forms import (
    FormEvent,
    Part,
    PartBegan,
    PartData,
    PartEnded,
    bad_field,
    check_part,
    text_part,
    write_form,
)

PIECE_BYTES: Final = 65_536
FIELDS_BYTES_MAX: Final = 2**20

_fields_decoder = msgspec.json.Decoder(dict[str, str | list[str]])


class Upload:
    """One form on its way through. `take` is given what a `FormReader` finds; `close` ends it."""

    def __init__(self, file_name: str, memory_bytes_max: int) -> None:
        """`file_name` is that of the one field which may be, and has to be, a file."""
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(memory_bytes_max)  # noqa: SIM115 - `close` closes it
        self.ms = 0
        """How long the file plays; whoever finds out sets it."""
        self._file_name = file_name
        self._file_head: PartBegan | None = None
        self._size = 0
        self._digest = hashlib.blake2b(digest_size=24)
        self._texts: list[Part] = []
        self._seen: set[str] = set()
        self._head: PartBegan | None = None
        self._pieces: list[bytes] = []
        self._fields_bytes = 0

    def take(self, event: FormEvent) -> None:
        """What came of the form. Raises `GatewayError` for what does not belong there."""
        match event:
            case PartBegan():
                self._head, self._pieces = event, []
                if event.filename is not None:
                    self._begin_file(event)
            case PartData(data) if self._head is self._file_head:
                self.file.write(data)
                self._size += len(data)
                self._digest.update(data)
            case PartData(data):
                self._fields_bytes += len(data)
                if self._fields_bytes > FIELDS_BYTES_MAX:
                    raise bad_field(self._name, f"is too long: all fields have {FIELDS_BYTES_MAX}.")
                self._pieces.append(data)
            case PartEnded() if self._head is not None and self._head is not self._file_head:
                part = Part(self._head, b"".join(self._pieces))
                self._texts.append(check_part(part, self._seen))

    def check_file(self) -> None:
        """Raise `GatewayError` unless a file was there."""
        if self._file_head is None:
            raise bad_field(self._file_name, "is missing. Send a file, with a filename.")
        if not self._size:
            raise bad_field(self._file_name, "is empty.")

    def describe(self) -> bytes:
        """The form as JSON: its fields, and of the file what there is to say of it."""
        assert self._file_head is not None
        fields: dict[str, object] = dict(self._read_texts())
        fields[self._file_name] = {
            "name": self._file_head.filename,
            "media_type": self._file_head.media_type,
            "bytes": self._size,
            "digest": self._digest.hexdigest(),
            "ms": self.ms,
        }
        return msgspec.json.encode(fields)

    def encode(self, fields: bytes) -> tuple[bytes, int, AsyncIterator[bytes]]:
        """The content type, the length and the pieces of the form with these fields (JSON)."""
        assert self._file_head is not None
        boundary = b"nagara-" + self._digest.hexdigest().encode()
        texts = [
            text_part(name, value)
            for name, values in _fields_decoder.decode(fields).items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        form = write_form([*texts, Part(self._file_head, b"")], boundary)
        end = b"\r\n--" + boundary + b"--\r\n"
        begin = form[: -len(end)]
        length = len(begin) + self._size + len(end)
        content_type = b"multipart/form-data; boundary=" + boundary
        return content_type, length, self._pieces_of(begin, end)

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    async def _pieces_of(self, begin: bytes, end: bytes) -> AsyncIterator[bytes]:
        yield begin
        at = 0
        while at < self._size:
            # Another attempt may have read it meanwhile.
            self.file.seek(at)
            piece = self.file.read(PIECE_BYTES)
            at += len(piece)
            yield piece
        yield end

    @property
    def _name(self) -> str:
        return "" if self._head is None else self._head.name

    def _begin_file(self, head: PartBegan) -> None:
        if head.name != self._file_name:
            raise bad_field(head.name, f"is a file; {self._file_name!r} is the only one here.")
        if self._file_head is not None:
            raise bad_field(head.name, "is there more than once.")
        self._file_head = head

    def _read_texts(self) -> Mapping[str, str | Sequence[str]]:
        fields: dict[str, str | list[str]] = {}
        for part in self._texts:
            name, text = part.head.name, part.data.decode()
            if not name.endswith("[]"):
                fields[name] = text
                continue
            listed = fields.setdefault(name, [])
            assert isinstance(listed, list)
            listed.append(text)
        return fields


def too_large(limit: int) -> GatewayError:
    """The error of a form that is larger than may be."""
    return GatewayError(
        ErrorKind.BODY_TOO_LARGE,
        f"The form is larger than the {limit} bytes that this gateway takes (upload_bytes_max).",
        headers={"connection": "close"},
    )
