"""Gemini's models for transcripts: the audio in the request, and what each speaker said in turn.

Other models of its ignore that they are asked for a transcript, and are asked in words instead
(`google_asked.py`).

Sources: https://ai.google.dev/gemini-api/docs/generate-content/transcribe and the types of
https://github.com/googleapis/python-genai
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nagara.dialects.exchange import Aim, unreadable
from nagara.dialects.google_sound import Answer, Heard, Part, decode_answer
from nagara.dialects.images.pictures import name_place
from nagara.dialects.transcripts.request import FILE, TranscriptRequest
from nagara.dialects.transcripts.transcript import Segment, Transcript, Word
from nagara.dialects.transcripts.wire import Asked, Said
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter, Usage, make_usage

KNOWN: Final = frozenset[str]()
HAS_TIMES: Final = True
# https://ai.google.dev/gemini-api/docs/audio#supported-formats
MIME_TYPES: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}
"""By FFmpeg's name of the format."""


def encode(request: TranscriptRequest, aim: Aim) -> Asked:
    """A request for what was said, and when, where that is asked for."""
    wanted: dict[str, Any] = {}
    if request.language is not None:
        wanted["languageCodes"] = [request.language]
    if request.needs_times:
        wanted["wordTimestamp"] = True
    if request.needs_speakers:
        wanted["diarization"] = True
    config: dict[str, Any] = {"audioTranscriptionConfig": wanted}
    if request.temperature is not None:
        config["temperature"] = float(request.temperature)
    return ask([], config, request, aim)


def ask(
    parts: Sequence[dict[str, Any]],
    config: dict[str, Any],
    request: TranscriptRequest,
    aim: Aim,
) -> Asked:
    """The request with these parts before the audio. Raises `GatewayError` for other formats."""
    mime_type = MIME_TYPES.get(request.file.container)
    if mime_type is None:
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"{aim.provider} ({aim.model}) takes audio as {', '.join(MIME_TYPES)}, and this is "
            f"{request.file.container or 'something else'!r}. Convert it, or choose another model.",
            param=FILE,
        )
    audio = {"inlineData": {"mimeType": mime_type, "data": name_place(aim.seed, 0)}}
    contents = [{"role": "user", "parts": [*parts, audio]}]
    body = msgspec.json.encode({"generationConfig": config, "contents": contents})
    return Asked(body=body, is_form=False)


def decode(body: bytes, request: TranscriptRequest, aim: Aim) -> Transcript:
    """The answer."""
    hearing = Hearing(request, aim)
    hearing.take(body)
    heard = hearing.close()
    if heard is None:
        raise unreadable("it does not say that it is complete")
    return heard


def listen(request: TranscriptRequest, aim: Aim) -> "Hearing":
    """The reader of its events."""
    return Hearing(request, aim)


class Hearing:
    """One answer, whole or in events."""

    def __init__(self, request: TranscriptRequest, aim: Aim) -> None:
        self._request, self._aim = request, aim
        self._texts: list[str] = []
        self._words: list[Word] = []
        self._segments: list[Segment] = []
        self._language: str | None = None
        self._usage: Usage | None = None
        self._is_finished = False

    def take(self, data: bytes) -> Said:
        """What an event says."""
        answer = decode_answer(data, self._aim)
        self._usage = _read_usage(answer) or self._usage
        self._is_finished = self._is_finished or answer.finish_reason is not None
        before = len(self._texts)
        for part in answer.parts:
            self._hear(part)
        return Said(delta="".join(self._texts[before:]))

    def close(self) -> Transcript | None:
        """All that was heard."""
        if not self._is_finished:
            return None
        return Transcript(
            text="".join(self._texts).strip(),
            language=self._language,
            words=tuple(self._words),
            # Without speakers, segments that fit a subtitle are better than whole speeches.
            segments=tuple(self._segments) if self._request.needs_speakers else (),
            usage=self._usage,
        )

    def _hear(self, part: Part) -> None:
        heard = part.audio_transcription
        if heard is None:
            if part.text:
                self._texts.append(part.text)
            return
        self._language = heard.language_code or self._language
        if heard.text:
            # One speaker's turn, without space around it.
            self._texts.append(f" {heard.text}" if self._texts else heard.text)
        words = list(_read_words(heard, is_first=not self._words))
        self._words += words
        if words:
            begin, end = words[0].start_s, words[-1].end_s
            self._segments.append(Segment(heard.text, begin, end, heard.speaker_label))


def _read_words(heard: Heard, *, is_first: bool) -> Iterator[Word]:
    for number, each in enumerate(heard.words or ()):
        begin, end = read_offset(each.start_offset), read_offset(each.end_offset)
        lead = "" if is_first and number == 0 else " "
        speaker = each.speaker_label or heard.speaker_label
        yield Word(each.word, begin, max(begin, end), lead, speaker)


def read_offset(text: str | None) -> float:
    """Seconds, of `"1.2s"`; zero where it is left out. Raises `GatewayError`."""
    if text is None:
        return 0.0
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise unreadable(f"{text[:20]!r} is no time")
    return max(0.0, seconds)


def _read_usage(answer: Answer) -> Usage | None:
    usage = answer.usage_metadata.to_usage() if answer.usage_metadata else None
    if usage is None:
        return None
    audio = usage.quantities.get(Meter.INPUT_AUDIO, 0)
    return make_usage(
        (Meter.INPUT, usage.input_tokens - audio),
        (Meter.INPUT_AUDIO, audio),
        (Meter.OUTPUT, usage.output_tokens),
    )
