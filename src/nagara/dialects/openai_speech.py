"""Speech as OpenAI's API streams it: bare audio, or events that carry it and end with usage.

Sources: https://platform.openai.com/docs/api-reference/audio/createSpeech
and https://platform.openai.com/docs/api-reference/audio/speech-audio-delta-event
"""

import base64
import binascii

import msgspec

from nagara.dialects.audio_length import AudioLength
from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import NULL
from nagara.dialects.openai_error import encode_error
from nagara.dialects.sse import encode_event
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Meter, Usage

DELTA = "speech.audio.delta"
LAST = "speech.audio.done"


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    audio: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Event)


class SpeechGauge:
    """How long the speech is that passes."""

    def __init__(self) -> None:
        self._length = AudioLength()

    def feed(self, data: bytes) -> None:
        """Some more of the file."""
        self._length.feed(data)

    @property
    def usage(self) -> Usage | None:
        """The time that it plays."""
        ms = self._length.ms
        return None if ms is None else Usage({Meter.AUDIO_MS: ms})


class SpeechStream(ForwardedStream):
    """Speech in events. The time that it plays counts as long as no usage was reported."""

    def __init__(self, event_bytes_max: int) -> None:
        super().__init__(event_bytes_max)
        self._gauge = SpeechGauge()

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Measure one event."""
        if not data or data == b"[DONE]":
            return event
        seen = read_view(data, _decoder, _Event)
        if seen.error and seen.error != NULL:
            self.has_failed = self.is_complete = True
        if seen.audio:
            self._hear(seen.audio)
        if seen.type == LAST:
            self.is_ended = self.is_complete = True
            if seen.usage is not None:
                self.usage = self._join(seen.usage)
        return event

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error event, which the SDKs raise."""
        return encode_event(encode_error(error, request_id))

    def _hear(self, audio: str) -> None:
        try:
            data = base64.b64decode(audio)
        except (binascii.Error, ValueError):
            return
        self.text_bytes += len(data)
        self._gauge.feed(data)
        self.usage = self._gauge.usage

    def _join(self, said: _Usage) -> Usage:
        counts = dict(self.usage.quantities) if self.usage is not None else {}
        for meter, count in (
            (Meter.INPUT, said.input_tokens),
            (Meter.OUTPUT_AUDIO, said.output_tokens),
        ):
            if count is not None and count >= 0:
                counts[meter] = count
        return Usage(counts)


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,  # noqa: ARG001 - no event names it
    *,
    hides_usage: bool,  # noqa: ARG001 - it always comes
) -> ForwardedStream:
    """The stream of one speech."""
    return SpeechStream(event_bytes_max)
