"""The endpoint that speaks: JSON in, audio out as it is made.

The answer is the provider's bytes; with `"stream_format": "sse"` its events. Which voices there are
and how fast these speak is the provider's to know. Those that do not speak OpenAI's format are in
`nagara.dialects.speech`.

Source: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from typing import Final

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, Fields, encode_raw, read_fields, write_fields
from nagara.dialects.measuring import count_bytes
from nagara.dialects.openai_error import encode_error
from nagara.dialects.openai_speech import SpeechGauge, forward_stream
from nagara.dialects.raw_stream import RawStream
from nagara.dialects.request_fields import read_model, require_kind, wrong_field
from nagara.dialects.speech import MEDIA_TYPES, open_speech
from nagara.domain.catalog import Operation
from nagara.domain.demand import Demand, Sound
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter, Usage
from nagara.operations.endpoint import Endpoint

INPUT_CHARACTERS_MAX: Final = 32_768
SPOKEN_MS_PER_CHARACTER_MAX: Final = 250
SPOKEN_MS_OVERHEAD: Final = 10_000
SPEED_MIN: Final = 0.1
SPEECH_METERS: Final = frozenset(
    {Meter.CHARACTERS, Meter.AUDIO_MS, Meter.INPUT, Meter.OUTPUT_AUDIO}
)
DEFAULT_FORMAT: Final = "mp3"
STREAM_FORMATS: Final = ("audio", "sse")
OPTIONAL: Final = ("response_format", "speed", "instructions", "stream_format")

# What servers say that do not know, or do not say, what they send.
_VAGUE_TYPES = frozenset({b"", b"application/octet-stream", b"binary/octet-stream"})
_NO_SOUND = (b"application/json", b"text/")

_text_decoder = msgspec.json.Decoder(str)
_number_decoder = msgspec.json.Decoder(float)


def read_request(body: bytes) -> RequestView:
    """The view of a request for speech. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    text = _read_text(fields, "input")
    if not 1 <= len(text) <= INPUT_CHARACTERS_MAX:
        raise wrong_field("input", f"must have 1 to {INPUT_CHARACTERS_MAX} characters.")
    require_kind(fields, "voice", "string", "object")
    # Null is the same as nothing to us and to OpenAI, and not to everybody.
    for name in OPTIONAL:
        if fields.get(name) == NULL:
            del fields[name]
    _check_choice(fields, "response_format", tuple(MEDIA_TYPES))
    _check_choice(fields, "stream_format", STREAM_FORMATS)
    if "instructions" in fields:
        _read_text(fields, "instructions")
    if read_speed(fields) <= 0:
        raise wrong_field("speed", "must be a number above 0.")
    return RequestView(fields=fields, model=model, is_streamed=True)


def _read_text(fields: Fields, name: str) -> str:
    raw = fields.get(name)
    if raw is None:
        raise wrong_field(name, "is missing.")
    try:
        return _text_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field(name, "must be of type string.") from error


def _check_choice(fields: Fields, name: str, choices: tuple[str, ...]) -> None:
    if name in fields and _read_text(fields, name) not in choices:
        raise wrong_field(name, f"must be one of {', '.join(choices)}.")


def read_speed(fields: Fields) -> float:
    """How fast it is to be spoken, as a multiple. Raises `GatewayError`."""
    raw = fields.get("speed")
    if raw is None:
        return 1.0
    try:
        return _number_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field("speed", "must be a number above 0.") from error


def write_request(view: RequestView, model: str, *, asks_usage: bool) -> bytes:  # noqa: ARG001 - see `read_usage`
    """The caller's body with the deployment's model."""
    return write_fields(view.fields | {"model": encode_raw(model)})


def read_usage(body: bytes) -> Usage | None:  # noqa: ARG001 - the endpoints' signature
    """Nothing: an answer is streamed, and bare audio says nothing of usage."""
    return None


def measure(view: RequestView) -> Demand:
    """The characters to be spoken, and longer than that can take."""
    characters = len(_read_text(view.fields, "input"))
    slowness = 1 / min(1.0, max(SPEED_MIN, read_speed(view.fields)))
    ms = characters * SPOKEN_MS_PER_CHARACTER_MAX + SPOKEN_MS_OVERHEAD
    return Demand(
        text_bytes=count_bytes(view.fields),
        has_media_output=True,
        sound=Sound(characters=characters, spoken_ms_max=int(ms * slowness)),
    )


def choose_media_type(view: RequestView, said: bytes) -> bytes:
    """The provider's own type of an answer; by the request where it says none that says anything.

    Raises `GatewayError` (UPSTREAM_PROTOCOL) for what is no sound.
    """
    media_type = said.lower().partition(b";")[0].strip()
    if media_type.startswith(_NO_SOUND):
        raise GatewayError(
            ErrorKind.UPSTREAM_PROTOCOL,
            f"The provider answered with {media_type.decode('latin-1')[:60]!r} in place of audio.",
        )
    if media_type not in _VAGUE_TYPES:
        return said
    raw = view.fields.get("response_format")
    return MEDIA_TYPES[DEFAULT_FORMAT if raw is None else _text_decoder.decode(raw)]


def forward_bytes(view: RequestView) -> RawStream:  # noqa: ARG001 - the bytes say what they are
    """The stream of one speech in bare audio."""
    return RawStream(SpeechGauge())


AUDIO_ENDPOINTS = (
    Endpoint(
        operation=Operation.SPEECH,
        path="/v1/audio/speech",
        meters=SPEECH_METERS,
        read_request=read_request,
        write_request=write_request,
        read_usage=read_usage,
        encode_error=encode_error,
        measure=measure,
        open_sound=open_speech,
        forward_stream=forward_stream,
        forward_bytes=forward_bytes,
        choose_media_type=choose_media_type,
    ),
)
