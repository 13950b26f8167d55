"""Transcripts by an ear that understands the sandbox's own speech, and says so of all else.

What was heard comes with the request as `heard` (see `sandbox.listening`), so this is pure. A
translation is the same text: the sandbox knows no language. Times are shared out by the bytes of
the text, as the sandbox speaks it. The API is
https://platform.openai.com/docs/api-reference/audio/createTranscription.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.request import Field
from nagara.sandbox.script import (
    Answered,
    Script,
    encode_event,
    encode_headers,
    make_json_script,
    make_stream_script,
)
from nagara.sandbox.text import count_tokens, split_deltas

FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
GRANULARITIES: Final = ("word", "segment")
TOKENS_PER_S: Final = 10
SENTENCE: Final = re.compile(r"[^.!?]+[.!?]*|[.!?]+")
WORD: Final = re.compile(r"\S+")

Timed = tuple[float, float, str]
"""When it begins and ends, in seconds, and what was said."""


def answer_transcription(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for a transcript. Raises `BadRequest`."""
    return _answer(body, model, ids, "transcribe")


def answer_translation(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for a translation. Raises `BadRequest`."""
    return _answer(body, model, ids, "translate")


def _answer(body: Field, model: str, ids: Ids, task: str) -> Answered:
    heard = body["heard"]
    ms = heard["ms"].read_integer(0)
    said = heard["text"].find_text()
    text = describe(ms) if said is None else said
    wanted = body["response_format"]
    answer_format = "json" if wanted.is_absent else wanted.read_choice(FORMATS)
    check_temperature(body["temperature"])
    granularities = body["timestamp_granularities[]"]
    if not granularities.is_absent:
        for item in granularities.read_items():
            item.read_choice(GRANULARITIES)
    headers = [("x-request-id", ids.make("req_"))]
    usage = count_usage(model, body["prompt"].find_text() or "", text, ms)
    # OpenAI's Whisper ignores it.
    is_streamed = body["stream"].find_text() in ("true", "True", "1")
    if is_streamed and not model.startswith("whisper"):
        script = make_stream_script(make_events(text, usage), headers)
    elif answer_format in ("text", "srt", "vtt"):
        script = make_text_script(write_subtitles(answer_format, text, ms), headers)
    else:
        answer: dict[str, Any] = {"text": text, "usage": usage}
        if answer_format != "json":
            answer |= {"task": task, "duration": ms / 1000}
            segments = list(share_time(SENTENCE, text, ms))
            answer |= make_details(answer_format, segments, text, ms, granularities.value or ())
        script = make_json_script(answer, headers=headers)
    return Answered(script, text)


def check_temperature(field: Field) -> None:
    """A number from 0 to 1, which a form has as text."""
    if field.is_absent:
        return
    try:
        is_fit = 0 <= float(field.read_text()) <= 1
    except ValueError:
        is_fit = False
    if not is_fit:
        raise field.refuse("it must be a number from 0 to 1")


def describe(ms: int) -> str:
    """What is said of audio that is not the sandbox's own."""
    return (
        "This is the Nagara sandbox: it understands only its own speech, and this is other audio. "
        f"It plays for {ms / 1000:.1f} seconds."
    )


def count_usage(model: str, prompt: str, text: str, ms: int) -> dict[str, Any]:
    """By tokens for OpenAI's models that count them, else by time."""
    if not model.startswith("gpt-4o"):
        return {"type": "duration", "seconds": math.ceil(ms / 1000)}
    audio, asked, said = ms * TOKENS_PER_S // 1000, count_tokens(prompt), count_tokens(text)
    return {
        "type": "tokens",
        "input_tokens": audio + asked,
        "input_token_details": {"audio_tokens": audio, "text_tokens": asked},
        "output_tokens": said,
        "total_tokens": audio + asked + said,
    }


def make_events(text: str, usage: dict[str, Any]) -> Iterator[bytes]:
    """The transcript in pieces, and whole at the end."""
    for piece in split_deltas(text):
        yield encode_event({"type": "transcript.text.delta", "delta": piece})
    # Events know no usage but tokens.
    counts = {"usage": usage} if usage["type"] == "tokens" else {}
    yield encode_event({"type": "transcript.text.done", "text": text, **counts})


def make_text_script(text: str, headers: Sequence[tuple[str, str]]) -> Script:
    """An answer that is text."""
    content = text.encode("utf-8", "replace") or b"\n"
    head = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(content)))]
    return Script(200, encode_headers([*head, *headers]), (content,))


def share_time(pattern: re.Pattern[str], text: str, ms: int) -> Iterator[Timed]:
    """The pieces of a text that match, each with its share of the time."""
    total = max(1, len(text.encode("utf-8", "replace")))
    for found in pattern.finditer(text):
        if not found[0].strip():
            continue
        begin, end = (
            round(ms * len(text[:at].encode("utf-8", "replace")) / total) / 1000
            for at in found.span()
        )
        yield begin, end, found[0].strip()


def write_subtitles(answer_format: str, text: str, ms: int) -> str:
    """Plain text, or subtitles with a sentence each."""
    if answer_format == "text":
        return text + "\n"
    point = "," if answer_format == "srt" else "."
    blocks = ["WEBVTT"] if answer_format == "vtt" else []
    for number, (begin, end, said) in enumerate(share_time(SENTENCE, text, ms), 1):
        times = f"{write_time(begin, point)} --> {write_time(end, point)}\n{said}"
        blocks.append(f"{number}\n{times}" if answer_format == "srt" else times)
    return "\n\n".join(blocks) + "\n"


def write_time(seconds: float, point: str) -> str:
    """A time as subtitles have it."""
    ms = round(seconds * 1000)
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def make_details(
    answer_format: str, segments: Sequence[Timed], text: str, ms: int, granularities: Sequence[str]
) -> dict[str, Any]:
    """What the longer formats have beside the text."""
    if answer_format == "diarized_json":
        spoken = [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{number}",
                "start": begin,
                "end": end,
                "text": said,
                "speaker": "A",
            }
            for number, (begin, end, said) in enumerate(segments)
        ]
        return {"segments": spoken}
    details: dict[str, Any] = {"language": "english"}
    if not granularities or "segment" in granularities:
        details["segments"] = [
            make_segment(number, segment) for number, segment in enumerate(segments)
        ]
    if "word" in granularities:
        details["words"] = [
            {"word": said, "start": begin, "end": end}
            for begin, end, said in share_time(WORD, text, ms)
        ]
    return details


def make_segment(number: int, segment: Timed) -> dict[str, Any]:
    """A segment as Whisper gives it."""
    begin, end, said = segment
    return {
        "id": number,
        "seek": 0,
        "start": begin,
        "end": end,
        "text": said,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
