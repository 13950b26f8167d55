"""A form whose files are too large for memory: its fields, and the files where they were put.

All files of a form lie one after the other in one temporary file, of which nothing has a name on
the disk, so nothing is left there however the request ends. They are sent to a provider from there,
as often as one is tried: as parts of a form, in which the fields come first, or as base64 in the
middle of JSON, for providers that take no forms. Neither way holds a file in memory.
"""

import base64
import hashlib
import io
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import IO, Any, Final

import msgspec

from nagara.dialects.images.pictures import name_place
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.media.audio_file import AudioFacts
from nagara.operations.forms import (
    FileFields,
    FileHere,
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
BASE64_PIECE_BYTES: Final = 49_152
"""A whole number of threes: what is encoded piece by piece has no padding in its middle."""
FIELDS_BYTES_MAX: Final = 2**20
BEGINNING_BYTES: Final = 64
"""What is said of a file's content: enough to tell what kind of file it is."""

_Value = str | FileHere | list[str | FileHere]
_fields_decoder: msgspec.json.Decoder[dict[str, _Value]] = msgspec.json.Decoder(dict[str, _Value])


class UploadedFile:
    """One file of a form, and where it lies."""

    def __init__(self, head: PartBegan, start: int) -> None:
        self.head = head
        self.start = start
        self.size = 0
        self.beginning = b""
        self._digest = hashlib.blake2b(digest_size=24)

    def take(self, data: bytes) -> None:
        """More of it."""
        self.size += len(data)
        self._digest.update(data)
        if len(self.beginning) < BEGINNING_BYTES:
            self.beginning = (self.beginning + data)[:BEGINNING_BYTES]

    def describe(self) -> dict[str, Any]:
        """What there is to say of it; `beginning` is its first bytes as base64."""
        return {
            "name": self.head.filename,
            "media_type": self.head.media_type,
            "bytes": self.size,
            "digest": self._digest.hexdigest(),
            "beginning": base64.b64encode(self.beginning).decode(),
        }


class Section(io.RawIOBase):
    """A part of a file as a file of its own, which can be read but not closed for others."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        """And from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read on from there."""
        view = memoryview(buffer)
        length = max(0, min(len(view), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(length)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class Upload:
    """One form on its way through. `take` is given what a `FormReader` finds; `close` ends it."""

    def __init__(self, accepted: str | FileFields, memory_bytes_max: int) -> None:
        """`accepted` says which fields may be files; of a name alone, that one has to be there."""
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(memory_bytes_max)  # noqa: SIM115 - `close` closes it
        self.files: list[UploadedFile] = []
        self.facts = AudioFacts(0, "")
        """What the one file is; whoever finds out sets it."""
        self._is_single = isinstance(accepted, str)
        if isinstance(accepted, str):
            accepted = FileFields(accepted, frozenset({accepted}), 1)
        self._accepted = accepted
        self._size = 0
        self._texts: list[Part] = []
        self._seen: set[str] = set()
        self._head: PartBegan | None = None
        self._pieces: list[bytes] = []
        self._fields_bytes = 0

    def take(self, event: FormEvent) -> None:
        """What came of the form. Raises `GatewayError` for what does not belong there."""
        is_file = self._head is not None and self._head.filename is not None
        match event:
            case PartBegan():
                self._head, self._pieces = event, []
                if event.filename is not None:
                    self._begin_file(event)
                elif not self._is_single and event.name in self._accepted.names:
                    raise bad_field(event.name, "must be a file: give it a filename.")
            case PartData(data) if is_file:
                self.file.write(data)
                self._size += len(data)
                self.files[-1].take(data)
            case PartData(data):
                self._fields_bytes += len(data)
                if self._fields_bytes > FIELDS_BYTES_MAX:
                    raise bad_field(self._name, f"is too long: all fields have {FIELDS_BYTES_MAX}.")
                self._pieces.append(data)
            case PartEnded() if self._head is not None and not is_file:
                part = Part(self._head, b"".join(self._pieces))
                self._texts.append(check_part(part, self._seen))

    def check_file(self) -> None:
        """Raise `GatewayError` unless the one file was there, and not empty."""
        if not self.files:
            raise bad_field(self._accepted.first, "is missing. Send a file, with a filename.")
        if not self.files[0].size:
            raise bad_field(self._accepted.first, "is empty.")

    def describe(self) -> bytes:
        """The form as JSON: its fields, and of the files what there is to say of them.

        Of several each has its `index`, and they are a list under their field's name.
        """
        fields: dict[str, Any] = dict(self._read_texts())
        for index, file in enumerate(self.files):
            name = file.head.name
            if self._is_single:
                facts = {"ms": self.facts.ms, "container": self.facts.container}
                fields[name] = {**file.describe(), **facts}
            else:
                fields.setdefault(name, []).append({"index": index, **file.describe()})
        return msgspec.json.encode(fields)

    def open_file(self, index: int) -> IO[bytes]:
        """One of the files, to be read by one reader at a time."""
        file = self.files[index]
        return io.BufferedReader(Section(self.file, file.start, file.size), PIECE_BYTES)

    def encode(self, fields: bytes) -> tuple[bytes, int, AsyncIterator[bytes]]:
        """The content type, the length and the pieces of the form with these fields (JSON).

        Files stand where the fields say so (`FileHere`), behind all texts, under the fields' names;
        those of a form with a single file need not say so.
        """
        texts: list[Part] = []
        placed: list[tuple[str, UploadedFile]] = []
        for name, values in _fields_decoder.decode(fields).items():
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, str):
                    texts.append(text_part(name, value))
                else:
                    placed.append((name, self.files[value.file]))
        if not placed:
            placed = [(file.head.name, file) for file in self.files]
        boundary = self._name_boundary()
        return (
            b"multipart/form-data; boundary=" + boundary,
            *self._join(_split_form(texts, placed, boundary), lambda file: file.size, self._read),
        )

    def encode_json(self, body: bytes, seed: str) -> tuple[int, AsyncIterator[bytes]]:
        """The length and the pieces of JSON in which each `name_place` of the seed is a file."""
        places = re.split(re.escape(name_place(seed, "")).encode() + rb"(\d{1,4});", body)
        parts: list[bytes | UploadedFile] = [
            self.files[int(piece)] if number % 2 else piece for number, piece in enumerate(places)
        ]
        return self._join(parts, lambda file: -(-file.size // 3) * 4, self._read_base64)

    def close(self) -> None:
        """Let go of the files."""
        self.file.close()

    def _join(
        self,
        parts: Sequence[bytes | UploadedFile],
        measure: Callable[[UploadedFile], int],
        read: Callable[[UploadedFile], AsyncIterator[bytes]],
    ) -> tuple[int, AsyncIterator[bytes]]:
        length = sum(len(x) if isinstance(x, bytes) else measure(x) for x in parts)

        async def pieces() -> AsyncIterator[bytes]:
            for part in parts:
                if isinstance(part, bytes):
                    yield part
                    continue
                async for piece in read(part):
                    yield piece

        return length, pieces()

    async def _read(
        self, file: UploadedFile, piece_bytes: int = PIECE_BYTES
    ) -> AsyncIterator[bytes]:
        at = 0
        while at < file.size:
            # Another attempt may have read it meanwhile.
            self.file.seek(file.start + at)
            piece = self.file.read(min(piece_bytes, file.size - at))
            at += len(piece)
            yield piece

    async def _read_base64(self, file: UploadedFile) -> AsyncIterator[bytes]:
        async for piece in self._read(file, BASE64_PIECE_BYTES):
            yield base64.b64encode(piece)

    @property
    def _name(self) -> str:
        return "" if self._head is None else self._head.name

    def _name_boundary(self) -> bytes:
        """A boundary that cannot stand in the form: it is made of a digest of all its files."""
        digest = hashlib.blake2b(self.describe(), digest_size=24)
        return b"nagara-" + digest.hexdigest().encode()

    def _begin_file(self, head: PartBegan) -> None:
        accepted = self._accepted
        if head.name not in accepted.names:
            raise bad_field(head.name, f"is a file; files go under {accepted.first!r} here.")
        if len(self.files) >= accepted.files_max:
            most = "once" if self._is_single else f"{accepted.files_max} files"
            raise bad_field(head.name, f"is there too often: a form may have it {most}.")
        self.files.append(UploadedFile(head, self._size))

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


def _split_form(
    texts: Sequence[Part], placed: Sequence[tuple[str, UploadedFile]], boundary: bytes
) -> list[bytes | UploadedFile]:
    """A form as the bytes around its files, and the files."""
    end = b"\r\n--" + boundary + b"--\r\n"
    parts: list[bytes | UploadedFile] = []
    if texts:
        parts.append(write_form(texts, boundary)[: -len(b"--" + boundary + b"--\r\n")])
    for name, file in placed:
        head = msgspec.structs.replace(file.head, name=name)
        parts += (write_form([Part(head, b"")], boundary)[: -len(end)], file, b"\r\n")
    return [*parts, b"--" + boundary + b"--\r\n"]


def too_large(limit: int) -> GatewayError:
    """The error of a form that is larger than may be."""
    return GatewayError(
        ErrorKind.BODY_TOO_LARGE,
        f"The form is larger than the {limit} bytes that this gateway takes (upload_bytes_max).",
        headers={"connection": "close"},
    )
