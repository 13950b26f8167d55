"""A request for speech, as far as other formats than OpenAI's have words for it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim
from nagara.dialects.json_fields import NULL, Fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.errors import ErrorKind, GatewayError

MEDIA_TYPES: Final[Mapping[str, bytes]] = {
    "mp3": b"audio/mpeg",
    "opus": b"audio/opus",
    "aac": b"audio/aac",
    "flac": b"audio/flac",
    "wav": b"audio/wav",
    "pcm": b"audio/pcm",
}
EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
NAMED: Final = frozenset(
    {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}
)
"""The fields that are read here."""

_VOICE = "must be the name or the id of a voice, or an object with its 'id'."


class _Voice(msgspec.Struct):
    id: str


_text = msgspec.json.Decoder(str)
_number = msgspec.json.Decoder(float)
_voice = msgspec.json.Decoder(str | _Voice)


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `audio_format` of None leaves it to the provider."""

    text: str
    voice: str
    audio_format: str | None
    speed: float
    instructions: str | None
    is_events: bool
    fields: Fields


def decode_request(view: RequestView) -> SpeechRequest:
    """All of a request, whose fields were checked when it came. Raises `GatewayError`."""
    fields = view.fields
    return SpeechRequest(
        text=_text.decode(fields["input"]),
        voice=_read_voice(fields["voice"]),
        audio_format=_read_text(fields, "response_format"),
        speed=_number.decode(fields["speed"]) if "speed" in fields else 1.0,
        instructions=_read_text(fields, "instructions"),
        is_events=_read_text(fields, "stream_format") == "sse",
        fields=fields,
    )


def _read_text(fields: Fields, name: str) -> str | None:
    raw = fields.get(name, NULL)
    return None if raw == NULL else _text.decode(raw)


def _read_voice(raw: msgspec.Raw) -> str:
    try:
        said = _voice.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field("voice", _VOICE) from error
    name = said if isinstance(said, str) else said.id
    if not name:
        raise wrong_field("voice", _VOICE)
    return name


def lacks_format(aim: Aim, audio_format: str, known: str) -> GatewayError:
    """The error of a format that cannot be had there; `known` names those that can."""
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"{aim.provider} ({aim.model}) cannot speak in {audio_format!r}. "
        f"Ask for another 'response_format', of {known}, or choose another model.",
        param="response_format",
    )


def lacks_events(aim: Aim, why: str) -> GatewayError:
    """The error of speech in events where there are none."""
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"{aim.provider} ({aim.model}) {why}. Leave out 'stream_format': bare audio is streamed "
        "too. Or choose another model.",
        param="stream_format",
    )
