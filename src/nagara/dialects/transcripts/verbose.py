"""OpenAI's format at a server that writes no subtitles: it is asked for all that it knows.

Plain text and JSON are what it gives; subtitles are made of its segments.

Source: https://console.groq.com/docs/api-reference#audio-transcription
"""

from typing import Final, NoReturn

import msgspec

from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.openai_transcript import read_usage
from nagara.dialects.transcripts.form import write_form_fields
from nagara.dialects.transcripts.request import GRANULARITIES, TranscriptRequest
from nagara.dialects.transcripts.transcript import Segment, Transcript, Word, read_seconds
from nagara.dialects.transcripts.wire import Asked
from nagara.domain.errors import ErrorKind, GatewayError

KNOWN: Final = frozenset({"prompt"})
HAS_TIMES: Final = True


class _Segment(msgspec.Struct, gc=False):
    text: str
    start: float
    end: float
    avg_logprob: float | None = None


class _Word(msgspec.Struct, gc=False):
    word: str
    start: float
    end: float


class _Answer(msgspec.Struct, gc=False):
    text: str
    language: str | None = None
    duration: float | None = None
    segments: list[_Segment] | None = None
    words: list[_Word] | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode(request: TranscriptRequest, aim: Aim) -> Asked:
    """The form. Raises `GatewayError` for speakers, whom it does not tell apart."""
    if request.needs_speakers:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"{aim.provider} ({aim.model}) does not tell speakers apart, so it cannot answer in "
            "'diarized_json'. Ask for 'verbose_json', or choose another model.",
            param="response_format",
        )
    times = [name for name, is_wanted in _wanted(request) if is_wanted]
    fields = {
        "model": aim.model,
        "language": request.language,
        "prompt": request.prompt,
        "temperature": request.temperature,
        "response_format": "verbose_json" if request.needs_times else "json",
        GRANULARITIES: times if request.needs_times and not request.is_translation else None,
    }
    return Asked(body=write_form_fields(fields))


def _wanted(request: TranscriptRequest) -> tuple[tuple[str, bool], ...]:
    is_verbose = request.answer_format == "verbose_json"
    return (
        ("segment", request.has_segments or not is_verbose),
        ("word", request.has_words and is_verbose),
    )


def decode(body: bytes, request: TranscriptRequest, aim: Aim) -> Transcript:  # noqa: ARG001 - every format's signature
    """The answer."""
    answer = decode_answer(_decoder, body)
    return Transcript(
        text=answer.text,
        language=answer.language,
        duration_s=read_seconds(answer.duration),
        words=tuple(Word(x.word, x.start, x.end) for x in answer.words or ()),
        segments=tuple(
            Segment(x.text.strip(), x.start, x.end, logprob=x.avg_logprob)
            for x in answer.segments or ()
        ),
        usage=read_usage(body),
    )


def listen(request: TranscriptRequest, aim: Aim) -> NoReturn:  # noqa: ARG001 - every format's signature
    """Never: it answers whole."""
    raise AssertionError("it is never streamed")
