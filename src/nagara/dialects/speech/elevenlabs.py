"""ElevenLabs' format: the voice in the path, the encoding in the query, and bare audio back.

WAV is made of its samples; AAC and FLAC it has not. There is no usage in what it streams, so
speech in events, which end with it, is refused.

Source: https://elevenlabs.io/docs/api-reference/text-to-speech/stream and
https://github.com/elevenlabs/elevenlabs-python/blob/main/src/elevenlabs/text_to_speech/client.py
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nagara.dialects.exchange import Aim, find_names_without_place, take_present, unreadable
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_speech import SpeechGauge
from nagara.dialects.raw_stream import RawStream
from nagara.dialects.request_fields import wrong_field
from nagara.dialects.speech.request import (
    MEDIA_TYPES,
    NAMED,
    SpeechRequest,
    lacks_events,
    lacks_format,
)
from nagara.dialects.speech.wav import make_streamed_header
from nagara.dialects.translation import Translated

OUTPUT_FORMATS: Final[Mapping[str, str]] = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_128",
    "wav": "pcm_24000",
    "pcm": "pcm_24000",
}
DEFAULT_FORMAT: Final = "mp3"
EXTRAS: Final[Mapping[str, str]] = {
    name: name
    for name in (
        "voice_settings",
        "language_code",
        "seed",
        "previous_text",
        "next_text",
        "pronunciation_dictionary_locators",
        "apply_text_normalization",
        "apply_language_text_normalization",
    )
}
"""What it has beyond OpenAI's fields, which a caller may say in its words."""

# They are no ids there, and no voice of its own is the same on every account.
OPENAI_VOICES: Final = frozenset(
    {
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx",
        "sage", "shimmer", "verse",
    }
)  # fmt: skip
_VOICE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NO_SOUND: Final = (b"application/json", b"text/")


class ElevenLabsSpeech:
    """One request for speech."""

    sends_form: bool = False
    encoding: str | None = None

    def __init__(self, request: SpeechRequest, aim: Aim) -> None:
        """Raises `GatewayError` for a voice or a format that it has not."""
        if request.is_events:
            raise lacks_events(aim, "has no speech in events")
        audio_format = request.audio_format or DEFAULT_FORMAT
        if audio_format not in OUTPUT_FORMATS:
            raise lacks_format(aim, audio_format, "mp3, opus, wav and pcm")
        self._audio_format = audio_format
        self.media_type = MEDIA_TYPES[audio_format]
        self.places: Mapping[str, str] = {
            "voice": _check_voice(request.voice, aim),
            "output_format": OUTPUT_FORMATS[audio_format],
        }
        body: dict[str, Any] = {"text": request.text, "model_id": aim.model}
        if request.speed != 1:
            body["voice_settings"] = {"speed": request.speed}
        self.body = bytes(encode_raw(body | take_present(request.fields, EXTRAS)))
        known = (NAMED | EXTRAS.keys()) - {"instructions"}
        if "voice_settings" in request.fields:
            # The speed is among them.
            known -= {"speed"} if request.speed != 1 else frozenset()
        self.dropped: Sequence[str] = find_names_without_place(request.fields, known)

    def check_media_type(self, said: bytes, *, is_event_stream: bool) -> None:
        """Raise `GatewayError` for what is no sound."""
        if is_event_stream or said.lower().startswith(_NO_SOUND):
            raise unreadable("it is no audio")

    def read(self, answer: bytes) -> Translated:  # noqa: ARG002 - the exchanges' signature
        """Never: speech is always streamed."""
        raise AssertionError("speech is never whole")

    def open_stream(
        self,
        event_bytes_max: int,  # noqa: ARG002 - bare audio has no events
        response_bytes_max: int,  # noqa: ARG002 - and is not held
        *,
        is_event_stream: bool,  # noqa: ARG002 - checked
    ) -> RawStream:
        """The audio as it comes, behind a header where that makes a file of it."""
        begin = make_streamed_header() if self._audio_format == "wav" else b""
        return RawStream(SpeechGauge(), begin)


def _check_voice(voice: str, aim: Aim) -> str:
    if voice in OPENAI_VOICES:
        raise wrong_field(
            "voice",
            f"{voice!r} is a voice of OpenAI's; {aim.provider} takes the id of one of its own, "
            "such as 'JBFqnCBsd6RMkjVDRZzb' (GET /v1/voices lists them there).",
        )
    if not _VOICE_ID.fullmatch(voice):
        raise wrong_field("voice", f"must be the id of a voice at {aim.provider}.")
    return voice
