"""Mistral's Voxtral: one JSON answer, with times where they are asked for, or events of its own.

Of segments and words it times one: of words, segments can be made.

Sources: https://docs.mistral.ai/api/endpoint/audio/transcriptions and the types of
https://github.com/mistralai/client-python
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.transcripts.form import write_form_fields
from nagara.dialects.transcripts.request import TranscriptRequest
from nagara.dialects.transcripts.transcript import Segment, Transcript, Word, read_seconds
from nagara.dialects.transcripts.wire import Asked, Said
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter, Usage

KNOWN: Final = frozenset[str]()
HAS_TIMES: Final = True


class _Segment(msgspec.Struct, gc=False):
    text: str
    start: float
    end: float
    speaker_id: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_audio_seconds: float | None = None


class _Answer(msgspec.Struct, gc=False):
    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None


_decoder = msgspec.json.Decoder(_Answer)
_events = msgspec.json.Decoder(_Event)


def encode(request: TranscriptRequest, aim: Aim) -> Asked:
    """The form, without OpenAI's formats, which it does not know."""
    times = "word" if request.has_words else "segment"
    fields = {
        "model": aim.model,
        "language": request.language,
        "temperature": request.temperature,
        "timestamp_granularities": [times] if request.needs_times else None,
        "diarize": "true" if request.needs_speakers else None,
        "stream": "true" if request.is_streamed else None,
    }
    return Asked(body=write_form_fields(fields))


def decode(body: bytes, request: TranscriptRequest, aim: Aim) -> Transcript:  # noqa: ARG001 - every format's signature
    """The answer."""
    return _read(decode_answer(_decoder, body), has_words=request.has_words)


def _read(answer: _Answer, *, has_words: bool) -> Transcript:
    seconds = read_seconds(answer.usage.prompt_audio_seconds if answer.usage else None)
    said = answer.segments or []
    return Transcript(
        text=answer.text,
        language=answer.language,
        words=_read_words(said) if has_words else (),
        segments=() if has_words else _read_segments(said),
        usage=Usage({Meter.AUDIO_MS: math.ceil(seconds * 1000)}) if seconds else None,
    )


def _read_words(said: Sequence[_Segment]) -> tuple[Word, ...]:
    words = list[Word]()
    for each in said:
        text = each.text.strip()
        lead = each.text[: len(each.text) - len(each.text.lstrip())] or (" " if words else "")
        words.append(Word(text, each.start, each.end, lead, each.speaker_id))
    return tuple(words)


def _read_segments(said: Sequence[_Segment]) -> tuple[Segment, ...]:
    return tuple(Segment(x.text.strip(), x.start, x.end, x.speaker_id) for x in said)


class _Listening:
    """Events: pieces of the text, and at the end all of it."""

    def take(self, data: bytes) -> Said:
        """What an event says; those of languages and segments say nothing here."""
        event = decode_answer(_events, data)
        if event.type == "transcription.text.delta":
            return Said(delta=event.text or "")
        if event.type == "transcription.done":
            return Said(whole=_read(decode_answer(_decoder, data), has_words=False))
        if not event.type:
            raise GatewayError(
                ErrorKind.UPSTREAM_ERROR, "The provider failed while it transcribed."
            )
        return Said()

    def close(self) -> None:
        """Its last event never came."""


def listen(request: TranscriptRequest, aim: Aim) -> _Listening:  # noqa: ARG001 - every format's signature
    """The reader of its events."""
    return _Listening()
