"""Transcripts as OpenAI's API gives them: usage by tokens or by time, whole or in events.

Subtitles and plain text say nothing of usage. Mistral says its own way how long it listened.

Sources: https://platform.openai.com/docs/api-reference/audio/json-object,
https://platform.openai.com/docs/api-reference/audio/transcript-text-done-event and
https://docs.mistral.ai/api/#tag/audio.transcriptions
"""

import math

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import NULL
from nagara.dialects.openai_error import encode_error
from nagara.dialects.sse import encode_event
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Meter, Usage, make_usage

SECONDS_MAX = 1e7
"""More than any audio lasts."""
LAST = ("transcript.text.done", "transcription.done")


class _InputDetails(msgspec.Struct, gc=False):
    audio_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _InputDetails | None = None
    seconds: float | None = None
    prompt_audio_seconds: float | None = None


class _Answer(msgspec.Struct, gc=False):
    type: str | None = None
    delta: str | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """What a whole answer says of usage; None for one that is text."""
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        return _read(read_view(body, _decoder, _Answer).usage)
    except GatewayError:
        return None


def _read(said: _Usage | None) -> Usage | None:
    if said is None:
        return None
    audio = said.input_token_details.audio_tokens if said.input_token_details else None
    total, audio = said.input_tokens or 0, min(audio or 0, said.input_tokens or 0)
    seconds = said.seconds if said.prompt_audio_seconds is None else said.prompt_audio_seconds
    is_told = seconds is not None and 0 <= seconds <= SECONDS_MAX
    ms = math.ceil(seconds * 1000) if is_told and seconds else 0
    usage = make_usage(
        (Meter.INPUT, total - audio),
        (Meter.INPUT_AUDIO, audio),
        (Meter.OUTPUT, said.output_tokens or 0),
        (Meter.AUDIO_MS, ms),
    )
    return usage if usage.quantities else None


class TranscriptStream(ForwardedStream):
    """A transcript in events."""

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Note one event."""
        if not data or data == b"[DONE]":
            return event
        seen = read_view(data, _decoder, _Answer)
        if seen.error and seen.error != NULL:
            self.has_failed = self.is_complete = True
        if seen.delta:
            self.text_bytes += len(seen.delta.encode(errors="replace"))
        self.usage = _read(seen.usage) or self.usage
        if seen.type in LAST:
            self.is_ended = self.is_complete = True
        return event

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error event, which the SDKs raise."""
        return encode_event(encode_error(error, request_id))


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,  # noqa: ARG001 - no event names it
    *,
    hides_usage: bool,  # noqa: ARG001 - it always comes
) -> ForwardedStream:
    """The stream of one transcript."""
    return TranscriptStream(event_bytes_max)
