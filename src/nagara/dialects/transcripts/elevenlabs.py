"""ElevenLabs' Scribe: words with their times and speakers, and the length of the audio.

Sources: https://elevenlabs.io/docs/api-reference/speech-to-text/convert and the types of
https://github.com/elevenlabs/elevenlabs-python
"""

import math
from typing import Final, NoReturn

import msgspec

from nagara.dialects.exchange import Aim, decode_answer
from nagara.dialects.transcripts.form import write_form_fields
from nagara.dialects.transcripts.request import TranscriptRequest
from nagara.dialects.transcripts.transcript import Transcript, Word, read_seconds
from nagara.dialects.transcripts.wire import Asked
from nagara.domain.usage import Meter, Usage

KNOWN: Final = frozenset[str]()
HAS_TIMES: Final = True


class _Word(msgspec.Struct, gc=False):
    text: str
    type: str = "word"
    start: float | None = None
    end: float | None = None
    speaker_id: str | None = None
    logprob: float | None = None


class _Answer(msgspec.Struct, gc=False):
    text: str
    language_code: str | None = None
    words: list[_Word] | None = None
    audio_duration_secs: float | None = None


_decoder = msgspec.json.Decoder(_Answer)


def encode(request: TranscriptRequest, aim: Aim) -> Asked:
    """Speech alone, as OpenAI's models write it: no laughter, no steps."""
    fields = {
        "model_id": aim.model,
        "language_code": request.language,
        "temperature": request.temperature,
        "timestamps_granularity": "word" if request.needs_times else "none",
        "tag_audio_events": "false",
        "diarize": "true" if request.needs_speakers else None,
    }
    return Asked(body=write_form_fields(fields))


def decode(body: bytes, request: TranscriptRequest, aim: Aim) -> Transcript:  # noqa: ARG001 - every format's signature
    """The answer."""
    answer = decode_answer(_decoder, body)
    seconds = read_seconds(answer.audio_duration_secs)
    return Transcript(
        text=answer.text,
        language=answer.language_code,
        duration_s=seconds,
        words=_read_words(answer.words or []),
        usage=Usage({Meter.AUDIO_MS: math.ceil(seconds * 1000)}) if seconds else None,
    )


def _read_words(said: list[_Word]) -> tuple[Word, ...]:
    """The words; what is said to be spacing stands before the next one."""
    words, lead, at = list[Word](), "", 0.0
    for each in said:
        if each.type == "spacing":
            lead += each.text
            continue
        begin = at if each.start is None else each.start
        at = max(begin, begin if each.end is None else each.end)
        words.append(Word(each.text, begin, at, lead, each.speaker_id, each.logprob))
        lead = ""
    return tuple(words)


def listen(request: TranscriptRequest, aim: Aim) -> NoReturn:  # noqa: ARG001 - every format's signature
    """Never: it answers whole."""
    raise AssertionError("it is never streamed")
