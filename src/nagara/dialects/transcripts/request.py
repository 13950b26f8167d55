"""A form that asks for a transcript, as far as other formats than OpenAI's have words for it.

The form comes as JSON in which every field is text, or an array of texts, and its file is described
(`nagara.media.upload`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim
from nagara.dialects.json_fields import NULL, Fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.errors import ErrorKind, GatewayError

FILE: Final = "file"
FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
FLAGS: Final[Mapping[str, bool]] = {
    "true": True, "True": True, "1": True, "false": False, "False": False, "0": False,
}  # fmt: skip
TIMED: Final = frozenset({"srt", "vtt", "verbose_json", "diarized_json"})
"""Formats that say when something was said."""
STREAMED: Final = frozenset({"json", "text"})
"""Formats that events stand in for."""
PLAIN_TEXT: Final = b"text/plain; charset=utf-8"
JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
GRANULARITIES: Final = "timestamp_granularities[]"
NAMED: Final = frozenset(
    {"model", FILE, "language", "temperature", "response_format", "stream", GRANULARITIES}
)
"""The fields that every format has a word for."""


class FileFacts(msgspec.Struct, frozen=True):
    """What is said of the file. `container` is FFmpeg's name of its format."""

    ms: int
    bytes: int = 0
    container: str = ""


class TranscriptRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; each text is the form's own."""

    answer_format: str
    language: str | None
    prompt: str | None
    temperature: str | None
    is_streamed: bool
    has_words: bool
    has_segments: bool
    file: FileFacts
    fields: Fields
    is_translation: bool = False

    @property
    def needs_times(self) -> bool:
        """Whether the answer says when something was said."""
        return self.answer_format in TIMED

    @property
    def needs_speakers(self) -> bool:
        """Whether the answer says who said it."""
        return self.answer_format == "diarized_json"


_text = msgspec.json.Decoder(str)
_texts = msgspec.json.Decoder(list[str])
_file = msgspec.json.Decoder(FileFacts)


def read_flag(text: str) -> bool | None:
    """A form's true or false; None for anything else."""
    return FLAGS.get(text)


def read_file(fields: Fields) -> FileFacts:
    """What is said of the file."""
    return _file.decode(fields[FILE])


def decode_request(view: RequestView, *, is_translation: bool = False) -> TranscriptRequest:
    """All of a request, whose fields were checked when it came. Raises `GatewayError`."""
    fields = view.fields
    raw = fields.get(GRANULARITIES, NULL)
    wanted = [] if raw == NULL else _texts.decode(raw)
    for name in wanted:
        if name not in ("word", "segment"):
            raise wrong_field("timestamp_granularities", "must be of 'word' and 'segment'.")
    return TranscriptRequest(
        answer_format=_read_text(fields, "response_format") or FORMATS[0],
        language=_read_text(fields, "language"),
        prompt=_read_text(fields, "prompt"),
        temperature=_read_text(fields, "temperature"),
        is_streamed=view.is_streamed,
        has_words="word" in wanted,
        has_segments="segment" in wanted or not wanted,
        file=read_file(fields),
        fields=fields,
        is_translation=is_translation,
    )


def _read_text(fields: Fields, name: str) -> str | None:
    raw = fields.get(name, NULL)
    return None if raw == NULL else _text.decode(raw) or None


def choose_media_type(request: TranscriptRequest) -> bytes:
    """What kind of answer is given."""
    if request.is_streamed:
        return EVENT_STREAM
    return JSON if "json" in request.answer_format else PLAIN_TEXT


def check_stream(request: TranscriptRequest) -> None:
    """Raise `GatewayError` for a format that cannot come in events."""
    if request.is_streamed and request.answer_format not in STREAMED:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"A transcript in {request.answer_format!r} cannot be streamed. Leave out 'stream', or "
            "ask for 'json'.",
            param="stream",
        )


def lacks_times(request: TranscriptRequest, aim: Aim) -> GatewayError:
    """The error of a format that says more than the provider knows."""
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"{aim.provider} ({aim.model}) gives no times, so it cannot answer in "
        f"{request.answer_format!r}. Ask for 'json' or 'text', or choose another model.",
        param="response_format",
    )


def check_file(request: TranscriptRequest, aim: Aim) -> None:
    """Raise `GatewayError` for a file that is larger than the provider takes."""
    most = aim.file_bytes_max
    if most is not None and request.file.bytes > most:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"{aim.provider} ({aim.model}) takes files of at most {most} bytes, and this one has "
            f"{request.file.bytes}. Send it in parts or more compressed, or choose another model.",
            param=FILE,
            code="file_too_large",
            status=413,
        )
