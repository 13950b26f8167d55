"""Providers' sound, in any split and of any shape: the same comes out, or one clear error."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.exchange import Aim
from nagara.dialects.speech import Form as SpeechForm
from nagara.dialects.speech import open_speech
from nagara.dialects.transcripts import Form, open_transcript
from nagara.dialects.transcripts.transcript import (
    SEGMENT_CHARACTERS_MAX,
    SEGMENT_S_MAX,
    Word,
    group_words,
)
from nagara.domain.errors import GatewayError
from nagara.operations import ENDPOINTS

BOUND = 100_000
CUTS = st.lists(st.integers(0, 4000), max_size=20)
FILE = {"name": "a", "media_type": "", "bytes": 9, "ms": 2_000, "container": "wav"}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e306, -1.0, 0.5])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "text", "words", "segments", "start", "end", "type", "usage", "candidates",
                    "content", "parts", "inlineData", "data", "mimeType", "audioTranscription",
                    "finishReason", "startOffset", "word", "promptFeedback", "usageMetadata",
                    "error", "audio_duration_secs", "prompt_audio_seconds", "duration",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


def open_voice(audio_format: str = "wav", stream_format: str = "audio") -> AnswerStream:
    body = {
        "model": "m", "input": "x", "voice": "v", "response_format": audio_format,
        "stream_format": stream_format,
    }  # fmt: skip
    view = ENDPOINTS["/v1/audio/speech"].read_request(json.dumps(body).encode())
    to = Aim(provider="They", model="theirs", caller_model="m", form=SpeechForm.GOOGLE)
    return open_speech(view, to).open_stream(BOUND, BOUND, is_event_stream=True)


def open_ear(form: Form) -> AnswerStream:
    body = {"model": "m", "file": FILE, "stream": "true"}
    view = ENDPOINTS["/v1/audio/transcriptions"].read_request(json.dumps(body).encode())
    to = Aim(provider="They", model="theirs", caller_model="m", form=form)
    return open_transcript(view, to).open_stream(BOUND, BOUND, is_event_stream=True)


def events_of(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


def audio(data: bytes, reason: str | None = None) -> Any:
    blob = {"mimeType": "audio/L16;rate=24000", "data": base64.b64encode(data).decode()}
    return {"candidates": [{"content": {"parts": [{"inlineData": blob}]}, "finishReason": reason}]}


def heard(text: str, reason: str | None = None) -> Any:
    part = {"audioTranscription": {"text": text}}
    return {"candidates": [{"content": {"parts": [part]}, "finishReason": reason}]}


SPOKEN = events_of(audio(b"abcdef"), audio(b"gh" * 50), audio(b"ij", "STOP"))
HEARD = events_of(heard("Ä one."), heard("Two."), heard("Three.", "STOP"))
VOXTRAL = events_of(
    {"type": "transcription.text.delta", "text": "Ä one. "},
    {"type": "transcription.text.delta", "text": "Two."},
    {"type": "transcription.done", "text": "Ä one. Two.", "usage": {"prompt_audio_seconds": 2}},
)
CASES: list[tuple[Callable[[], AnswerStream], bytes]] = [
    (open_voice, SPOKEN),
    (lambda: open_voice("pcm", "sse"), SPOKEN),
    (lambda: open_ear(Form.GOOGLE), HEARD),
    (lambda: open_ear(Form.MISTRAL), VOXTRAL),
]


def play(stream: AnswerStream, pieces: list[bytes]) -> bytes:
    said = b""
    for piece in pieces:
        said += stream.feed(piece)
        if stream.failure is not None:
            raise stream.failure
        if stream.is_ended:
            return said + stream.terminator()
    return said + stream.close()


@pytest.mark.parametrize("case", CASES, ids=["wav", "events", "gemini", "voxtral"])
@given(cuts=CUTS)
@settings(deadline=None)
def test_any_split_says_the_same(
    case: tuple[Callable[[], AnswerStream], bytes], cuts: list[int]
) -> None:
    open_stream, whole = case
    at = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    streams = open_stream(), open_stream()
    said = [
        play(streams[0], [whole]),
        play(streams[1], [whole[a:b] for a, b in itertools.pairwise(at)]),
    ]
    assert said[0] == said[1]
    assert said[0]
    assert streams[0].usage == streams[1].usage
    assert streams[0].output_bytes == streams[1].output_bytes


@given(
    form=st.sampled_from(list(Form)),
    answer_format=st.sampled_from(["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]),
    answer=JSON,
)
@settings(deadline=None, max_examples=400)
def test_no_answer_makes_a_transcript_fail_otherwise_than_clearly(
    form: Form, answer_format: str, answer: Any
) -> None:
    body = {"model": "m", "file": FILE, "response_format": answer_format}
    view = ENDPOINTS["/v1/audio/transcriptions"].read_request(json.dumps(body).encode())
    to = Aim(provider="They", model="theirs", caller_model="m", form=form)
    try:
        exchange = open_transcript(view, to)
        told = exchange.read(json.dumps(answer).encode()).body
    except GatewayError:
        return
    if "json" in answer_format:
        assert isinstance(msgspec.json.decode(told)["text"], str)


@given(st.lists(JSON, max_size=4))
@settings(deadline=None, max_examples=300)
def test_no_events_make_speech_fail_otherwise_than_clearly(answers: list[Any]) -> None:
    try:
        play(open_voice(), [events_of(answer) for answer in answers])
    except GatewayError:
        return


TIMES = st.sampled_from([0, 1, 2.5, -1, 1e7, 1e8, 1e306])


@given(
    form=st.sampled_from([Form.ELEVENLABS, Form.MISTRAL, Form.VERBOSE]),
    answer_format=st.sampled_from(["json", "srt", "vtt", "verbose_json"]),
    start=TIMES,
    end=TIMES,
    length=TIMES,
)
@settings(deadline=None, max_examples=300)
def test_no_time_makes_a_transcript_fail_otherwise_than_clearly(
    form: Form, answer_format: str, start: float, end: float, length: float
) -> None:
    body = {"model": "m", "file": FILE, "response_format": answer_format}
    view = ENDPOINTS["/v1/audio/transcriptions"].read_request(json.dumps(body).encode())
    to = Aim(provider="They", model="theirs", caller_model="m", form=form)
    timed = {"text": "x", "start": start, "end": end}
    answer = {
        "text": "x", "words": [{"word": "x", **timed}], "segments": [timed], "duration": length,
        "audio_duration_secs": length, "usage": {"prompt_audio_seconds": length, "seconds": length},
    }  # fmt: skip
    try:
        whole = open_transcript(view, to).read(json.dumps(answer).encode())
    except GatewayError:
        return
    assert whole.usage is None or whole.usage.is_possible()


WORDS = st.lists(
    st.builds(
        lambda text, gap, length: (text, gap, length),
        st.text("abc.?", min_size=1, max_size=60),
        st.floats(0, 3),
        st.floats(0, 4),
    ),
    max_size=40,
)


@given(WORDS)
@settings(deadline=None)
def test_segments_have_every_word_in_order_and_fit(said: list[tuple[str, float, float]]) -> None:
    words, now_s = [], 0.0
    for text, gap, length in said:
        now_s += gap
        words.append(Word(text, now_s, now_s + length, " "))
        now_s += length
    segments = list(group_words(words))
    assert " ".join(segment.text for segment in segments) == " ".join(text for text, _, _ in said)
    ends = [0.0, *(segment.end_s for segment in segments)]
    for segment, earlier_s in zip(segments, ends, strict=False):
        assert earlier_s <= segment.start_s <= segment.end_s
        is_one_word = " " not in segment.text
        assert is_one_word or len(segment.text) <= SEGMENT_CHARACTERS_MAX
        assert is_one_word or segment.end_s - segment.start_s <= SEGMENT_S_MAX
