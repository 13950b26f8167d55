"""Forms with files (`multipart/form-data`), read as they arrive and written anew.

Theory of operation. A `FormReader` is fed the body in pieces and gives events: a part began, some
of its data, it ended. Nothing of a part is held: files go where `nagara.media` puts them as they
come, and fields are gathered there. The bounds are on what a form can be made of without being
large: its parts, and their headers. What a form says is written again with a boundary of our own,
so that a provider's parser can find no part in it that ours did not.

The parser is python-multipart's, imported with the first form. Source: RFC 7578.
"""

from collections.abc import Mapping, Sequence

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError

MEDIA_TYPE = b"multipart/form-data"
DISPOSITION = "content-disposition"


class FormLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many parts a form may have, and how large the headers of each may be."""

    parts_max: int = 128
    header_bytes_max: int = 4096


class FileFields(msgspec.Struct, frozen=True):
    """The fields of a form that are files: their names, and how many there may be together.

    `first` is the name that errors give to a file which is missing.
    """

    first: str
    names: frozenset[str]
    files_max: int


class FileHere(msgspec.Struct, frozen=True):
    """In the fields of a form that is to be sent: the file of this place in the form that came."""

    file: int


class PartBegan(msgspec.Struct, frozen=True):
    """A field, or a file where there is a `filename`. `media_type` is empty where it says none."""

    name: str
    filename: str | None
    media_type: str


class PartData(msgspec.Struct, frozen=True):
    """Some of what is in the part that began last."""

    data: bytes


class PartEnded(msgspec.Struct, frozen=True):
    """All of that part was there."""


FormEvent = PartBegan | PartData | PartEnded


class Part(msgspec.Struct, frozen=True):
    """A whole part."""

    head: PartBegan
    data: bytes

    @property
    def is_file(self) -> bool:
        """Whether it has a file's name."""
        return self.head.filename is not None


class FormReader:
    """Reads one form. `feed` and `close` raise `GatewayError` (INVALID_REQUEST) for a bad one."""

    def __init__(self, content_type: bytes, limits: FormLimits) -> None:
        from python_multipart.multipart import MultipartParser

        self._limits = limits
        self._events: list[FormEvent] = []
        self._headers: dict[str, str] = {}
        self._field, self._value = b"", b""
        self._header_bytes = self._parts = 0
        self._is_ended = False
        self._parser = MultipartParser(
            read_boundary(content_type),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._take_field,
                "on_header_value": self._take_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            max_header_count=limits.header_bytes_max,
            max_header_size=limits.header_bytes_max,
        )

    def feed(self, data: bytes) -> list[FormEvent]:
        """What these bytes of the body say."""
        from python_multipart.exceptions import FormParserError

        try:
            self._parser.write(data)
        except FormParserError as error:
            raise bad_form(f"could not be read: {error}") from error
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """The body is at its end."""
        if not self._is_ended:
            raise bad_form("ends before its last boundary: not all of it arrived")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts_max:
            raise bad_form(f"has more than {self._limits.parts_max} parts (form_parts_max)")
        self._headers, self._header_bytes = {}, 0

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes_max:
            raise bad_form(
                f"has a part with more than {self._limits.header_bytes_max} bytes of headers "
                "(form_header_bytes_max)"
            )

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _end_header(self) -> None:
        name = self._field.decode("latin-1").strip().lower()
        if name in self._headers:
            raise bad_form(f"has a part with two headers {name[:60]!r}")
        self._headers[name] = self._value.decode(errors="replace").strip()
        self._field, self._value = b"", b""

    def _end_headers(self) -> None:
        kind, options = read_options(self._headers.get(DISPOSITION, ""))
        name = options.get("name")
        if kind != "form-data" or name is None:
            raise bad_form("has a part without a name (content-disposition: form-data; name=…)")
        if self._headers.get("content-transfer-encoding", "binary").lower() not in PLAIN:
            raise bad_form(f"has {name[:60]!r} encoded for mail; send its bytes as they are")
        media_type = self._headers.get("content-type", "")
        self._events.append(PartBegan(name, options.get("filename"), media_type))

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _end_part(self) -> None:
        self._events.append(PartEnded())

    def _end(self) -> None:
        self._is_ended = True


PLAIN = frozenset({"7bit", "8bit", "binary"})


def check_part(part: Part, seen: set[str]) -> Part:
    """The part. Raises `GatewayError` where it is a second one of its name, or no text."""
    name = part.head.name
    if part.is_file or name.endswith("[]"):
        return part
    if name in seen:
        raise bad_field(name, "is there more than once.")
    seen.add(name)
    try:
        part.data.decode()
    except UnicodeDecodeError:
        raise bad_field(name, "is not UTF-8.") from None
    return part


def read_boundary(content_type: bytes) -> bytes:
    """The boundary of a form's content type. Raises `GatewayError` for another content type."""
    kind, options = read_options(content_type.decode("latin-1"))
    boundary = options.get("boundary", "")
    if kind.encode() != MEDIA_TYPE or not boundary.isascii() or not 1 <= len(boundary) <= 70:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "This endpoint takes multipart/form-data with a boundary of 1 to 70 characters; the "
            f"content-type is {content_type[:100].decode('latin-1')!r}.",
        )
    return boundary.encode()


def read_options(value: str) -> tuple[str, Mapping[str, str]]:
    """A header's value and its parameters."""
    from python_multipart.multipart import parse_options_header

    # The library takes text for what it decodes from Latin-1.
    kind, options = parse_options_header(value.encode().decode("latin-1"))
    # It lowers names as Latin-1, which breaks one in UTF-8; none of those that are asked for is so.
    read = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in options.items()}
    return kind.decode("latin-1"), read


def write_form(parts: Sequence[Part], boundary: bytes) -> bytes:
    """The body of a form with these parts."""
    lines: list[bytes] = []
    for part in parts:
        head = part.head
        said = b'form-data; name="%b"' % _escape(head.name)
        if head.filename is not None:
            said += b'; filename="%b"' % _escape(head.filename)
        lines += (b"--", boundary, b"\r\ncontent-disposition: ", said)
        if head.media_type:
            lines += (b"\r\ncontent-type: ", _escape(head.media_type))
        lines += (b"\r\n\r\n", part.data, b"\r\n")
    return b"".join((*lines, b"--", boundary, b"--\r\n"))


def text_part(name: str, text: str) -> Part:
    """A field of our own."""
    return Part(PartBegan(name, None, ""), text.encode())


def _escape(text: str) -> bytes:
    """As browsers do: https://html.spec.whatwg.org/#multipart-form-data."""
    for character, code in (("\r", "%0D"), ("\n", "%0A"), ('"', "%22")):
        text = text.replace(character, code)
    return text.encode()


def bad_form(what: str) -> GatewayError:
    """The error of a body that is no good form."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"The form {what}.")


def bad_field(name: str, what: str) -> GatewayError:
    """The error of one field."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"{name[:60]!r} {what}", param=name[:60])
