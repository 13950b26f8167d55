"""A transcript in OpenAI's formats, whole and in events.

What Whisper says of its own working, and no other model does, has the value that means nothing.

Source: https://platform.openai.com/docs/api-reference/audio/verbose-json-object and
https://platform.openai.com/docs/api-reference/audio/transcript-text-done-event
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from nagara.dialects.json_fields import encode_raw
from nagara.dialects.sse import encode_event
from nagara.dialects.transcripts.request import TranscriptRequest
from nagara.dialects.transcripts.subtitles import write_srt, write_vtt
from nagara.dialects.transcripts.transcript import Segment, Transcript
from nagara.domain.usage import Meter, Usage

DELTA: Final = "transcript.text.delta"
DONE: Final = "transcript.text.done"
UNKNOWN_SPEAKER: Final = "A"


def write_answer(transcript: Transcript, request: TranscriptRequest) -> bytes:
    """The body that the caller gets."""
    answer_format = request.answer_format
    if answer_format == "text":
        return (transcript.text + "\n").encode(errors="replace")
    if answer_format == "srt":
        return write_srt(transcript.find_segments()).encode(errors="replace")
    if answer_format == "vtt":
        return write_vtt(transcript.find_segments()).encode(errors="replace")
    duration_s = find_duration(transcript, request)
    answer: dict[str, Any] = {"text": transcript.text}
    if answer_format == "verbose_json":
        # Which counts by time alone.
        answer |= _describe(transcript, request, duration_s)
        return bytes(encode_raw(answer | {"usage": write_usage(None, duration_s)}))
    if answer_format == "diarized_json":
        spoken = [_name_speaker(n, x) for n, x in enumerate(transcript.find_segments())]
        answer |= {"task": "transcribe", "duration": duration_s, "segments": spoken}
    answer["usage"] = write_usage(transcript.usage, duration_s)
    return bytes(encode_raw(answer))


def find_duration(transcript: Transcript, request: TranscriptRequest) -> float:
    """How long the audio plays, by the provider or else by its file."""
    known = transcript.duration_s
    return request.file.ms / 1000 if known is None else known


def write_usage(usage: Usage | None, duration_s: float) -> dict[str, Any]:
    """What the provider counted: tokens, or else time."""
    counts = {} if usage is None else usage.quantities
    if not counts.keys() & {Meter.INPUT, Meter.INPUT_AUDIO, Meter.OUTPUT}:
        return {"type": "duration", "seconds": math.ceil(duration_s)}
    text, audio = counts.get(Meter.INPUT, 0), counts.get(Meter.INPUT_AUDIO, 0)
    written = counts.get(Meter.OUTPUT, 0)
    return {
        "type": "tokens",
        "input_tokens": text + audio,
        "input_token_details": {"text_tokens": text, "audio_tokens": audio},
        "output_tokens": written,
        "total_tokens": text + audio + written,
    }


def write_delta(text: str) -> bytes:
    """The event of some more text."""
    return encode_event(bytes(encode_raw({"type": DELTA, "delta": text})))


def write_done(transcript: Transcript, request: TranscriptRequest) -> bytes:
    """The event that ends a transcript."""
    usage = write_usage(transcript.usage, find_duration(transcript, request))
    event: dict[str, Any] = {"type": DONE, "text": transcript.text}
    if usage["type"] == "tokens":
        # Events have no other.
        event["usage"] = usage
    return encode_event(bytes(encode_raw(event)))


def _describe(
    transcript: Transcript, request: TranscriptRequest, duration_s: float
) -> dict[str, Any]:
    language = transcript.language or request.language or "unknown"
    task = "translate" if request.is_translation else "transcribe"
    found: dict[str, Any] = {"task": task, "language": language, "duration": duration_s}
    if request.has_segments:
        found["segments"] = _number(transcript.find_segments(), request)
    if request.has_words:
        found["words"] = [
            {"word": word.text, "start": word.start_s, "end": word.end_s}
            for word in transcript.words
        ]
    return found


def _number(segments: Sequence[Segment], request: TranscriptRequest) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "seek": 0,
            "start": segment.start_s,
            "end": segment.end_s,
            "text": segment.text,
            "tokens": [],
            "temperature": float(request.temperature or 0),
            "avg_logprob": segment.logprob or 0.0,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
        }
        for number, segment in enumerate(segments)
    ]


def _name_speaker(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "speaker": segment.speaker or UNKNOWN_SPEAKER,
    }
