"""Gemini's speech: an answer in audio, which is samples of 16 bits at 24 kHz in base64.

A header makes a WAV file of them, which is what comes where no format is asked for; all other
formats are encoded by the gateway. Pace has no word of its own there.

Sources: https://ai.google.dev/gemini-api/docs/speech-generation and
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/speech/text-to-speech
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nagara.dialects.base import ForwardedStream
from nagara.dialects.collected_stream import CollectedStream
from nagara.dialects.exchange import Aim, find_names_without_place, unreadable
from nagara.dialects.google_sound import Answer, decode_answer
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_error import encode_error
from nagara.dialects.openai_speech import DELTA, LAST
from nagara.dialects.speech.request import (
    EVENT_STREAM,
    MEDIA_TYPES,
    NAMED,
    SpeechRequest,
    lacks_format,
)
from nagara.dialects.speech.wav import BYTES_PER_SAMPLE, RATE, Samples, make_streamed_header
from nagara.dialects.sse import encode_event
from nagara.dialects.translation import Translated
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Meter, Usage

BARE: Final = frozenset({"wav", "pcm"})
DEFAULT_FORMAT: Final = "wav"
_RATE = re.compile(r"rate=(\d+)")


class GoogleSpeech:
    """One request for speech."""

    sends_form: bool = False

    def __init__(
        self, request: SpeechRequest, aim: Aim, *, is_styled: bool = False, can_stream: bool = True
    ) -> None:
        """Raises `GatewayError` for an encoded format in events."""
        self._aim, self._request = aim, request
        audio_format = request.audio_format or DEFAULT_FORMAT
        if request.is_events and audio_format not in BARE:
            raise lacks_format(aim, audio_format, "wav and pcm where it is in events")
        self.encoding: str | None = None if audio_format in BARE else audio_format
        self.media_type = EVENT_STREAM if request.is_events else MEDIA_TYPES[audio_format]
        self._begin = make_streamed_header() if audio_format == "wav" else b""
        verb = ("streamGenerateContent", "sse") if can_stream else ("generateContent", "json")
        self.places: Mapping[str, str] = dict(zip(("verb", "alt"), verb, strict=True))
        self.body = write_body(request, is_styled=is_styled)
        known = NAMED - {"speed"} if request.speed != 1 else NAMED
        self.dropped: Sequence[str] = find_names_without_place(request.fields, known)

    def check_media_type(self, said: bytes, *, is_event_stream: bool) -> None:
        """Whatever it says, its JSON is looked into."""

    def read(self, answer: bytes) -> Translated:  # noqa: ARG002 - the exchanges' signature
        """Never: speech is always streamed."""
        raise AssertionError("speech is never whole")

    def open_stream(
        self,
        event_bytes_max: int,
        response_bytes_max: int,
        *,
        is_event_stream: bool,
    ) -> ForwardedStream | CollectedStream:
        """The speech as it comes, or at once where the model does not stream."""
        voice = Voice(self._begin, self._aim, is_events=self._request.is_events)
        if is_event_stream:
            # One event may be all of it.
            return GoogleSpeechStream(max(event_bytes_max, response_bytes_max), voice)
        return CollectedStream(
            response_bytes_max, voice.speak_whole, breaks_off=not self._request.is_events
        )


def write_body(request: SpeechRequest, *, is_styled: bool) -> bytes:
    """The request, in the words of the models from 3.8 on (`is_styled`) or of those before."""
    part: dict[str, Any] = {"text": request.text}
    if request.instructions and is_styled:
        part["speechMetadata"] = {"style": request.instructions}
    elif request.instructions:
        part["text"] = f"{request.instructions}: {request.text}"
    name = request.voice
    voice = {"voice": name} if is_styled else {"prebuiltVoiceConfig": {"voiceName": name}}
    config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": voice}}
    contents = [{"role": "user", "parts": [part]}]
    return bytes(encode_raw({"contents": contents, "generationConfig": config}))


class Voice:
    """What goes out for what comes in, whole or in pieces."""

    def __init__(self, begin: bytes, aim: Aim, *, is_events: bool) -> None:
        self._begin = begin
        self._aim = aim
        self._samples = Samples()
        self._size = 0
        self._counts: dict[Meter, int] = {}
        self.is_events = is_events
        self.is_finished = False

    @property
    def usage(self) -> Usage:
        """The time that it plays, and tokens where they were counted."""
        ms = self._size * 1000 // (RATE * BYTES_PER_SAMPLE)
        return Usage({Meter.AUDIO_MS: ms, **self._counts})

    @property
    def size(self) -> int:
        """The bytes of all samples so far."""
        return self._size

    def speak(self, data: bytes) -> bytes:
        """The bytes for one answer or event. Raises `GatewayError`."""
        answer = decode_answer(data, self._aim)
        self._count(answer)
        said = b"".join(self._samples.feed(piece) for piece in _read_audio(answer))
        self._size += len(said)
        if answer.finish_reason is not None:
            self.is_finished = True
            if not self._size:
                raise unreadable("it has no audio")
        if not said:
            return b""
        said, self._begin = self._begin + said, b""
        if not self.is_events:
            return said
        audio = base64.b64encode(said).decode()
        return encode_event(bytes(encode_raw({"type": DELTA, "audio": audio})))

    def end(self) -> bytes:
        """What comes after the last of it: in events, the usage."""
        if not self.is_events:
            return b""
        told, spoken = self._counts.get(Meter.INPUT, 0), self._counts.get(Meter.OUTPUT_AUDIO, 0)
        counts = {"input_tokens": told, "output_tokens": spoken, "total_tokens": told + spoken}
        return encode_event(bytes(encode_raw({"type": LAST, "usage": counts})))

    def speak_whole(self, body: bytes) -> Translated:
        """All of an answer that came at once. Raises `GatewayError`."""
        said = self.speak(body)
        if not self._size:
            raise unreadable("it has no audio")
        return Translated(said + self.end(), self.usage)

    def _count(self, answer: Answer) -> None:
        usage = answer.usage_metadata.to_usage() if answer.usage_metadata else None
        if usage is not None:
            # All that it says is sound, whether it tells so or not.
            self._counts = {
                Meter.INPUT: usage.input_tokens,
                Meter.OUTPUT_AUDIO: usage.output_tokens,
            }


def _read_audio(answer: Answer) -> list[bytes]:
    pieces = []
    for part in answer.parts:
        blob = part.inline_data
        if blob is None:
            continue
        rate = _RATE.search(blob.mime_type or "")
        if rate is not None and int(rate[1]) != RATE:
            raise unreadable(f"its samples are at {rate[1][:9]} Hz")
        try:
            pieces.append(base64.b64decode(blob.data, validate=True))
        except (binascii.Error, ValueError) as error:
            raise unreadable("its audio is not base64") from error
    return pieces


class GoogleSpeechStream(ForwardedStream):
    """Speech in Google's events."""

    def __init__(self, event_bytes_max: int, voice: Voice) -> None:
        super().__init__(event_bytes_max)
        self._voice = voice
        self.breaks_off = not voice.is_events

    def take_event(self, event: bytes, data: bytes) -> bytes:  # noqa: ARG002 - it is written anew
        """The bytes for one event. Raises `GatewayError`."""
        if not data:
            return b""
        said = self._voice.speak(data)
        self.usage, self.text_bytes = self._voice.usage, self._voice.size
        self.is_complete = self._voice.is_finished
        return said

    def terminator(self) -> bytes:
        """The usage, in events."""
        return self._voice.end()

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error event, or nothing where that would be taken for audio."""
        return encode_event(encode_error(error, request_id)) if self._voice.is_events else b""
