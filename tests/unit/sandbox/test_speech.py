"""The sandbox's speech plays in every format, and says its text through lossy codecs too."""

import base64
import io
import json
from typing import Any

import av
import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox import sound_files
from nagara.sandbox.modem import HEARD_RATE, hear, measure_ms
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Script
from nagara.sandbox.sound_files import decode, make_wav_header
from nagara.sandbox.speech import MEDIA_TYPES

TEXT = "The sandbox says: 42 äöü 你好!"
PADDING_MS = 120


def ask(**body: Any) -> Script:
    fields = {"model": "tts-1", "voice": "alloy", "input": TEXT, **body}
    content = json.dumps(fields).encode()
    return write_script(Operation.SPEECH, "tts-1", content, now_s=1, request_id="r")


def read_audio(script: Script) -> bytes:
    return b"".join(step for step in script.steps if isinstance(step, bytes))


def playable(data: bytes, audio_format: str) -> io.BytesIO:
    header = make_wav_header(len(data) // 2, 24_000) if audio_format == "pcm" else b""
    return io.BytesIO(header + data)


@pytest.mark.parametrize("audio_format", MEDIA_TYPES)
def test_speech_plays_and_says_its_text(audio_format: str) -> None:
    script = ask(response_format=audio_format)
    assert (b"content-type", MEDIA_TYPES[audio_format].encode()) in script.headers
    data = read_audio(script)
    assert data == read_audio(ask(response_format=audio_format))
    samples = decode(playable(data, audio_format), HEARD_RATE)
    ms = len(samples) * 1000 // HEARD_RATE
    assert measure_ms(TEXT) <= ms <= measure_ms(TEXT) + PADDING_MS
    assert hear(samples) == TEXT


@pytest.mark.parametrize(
    ("audio_format", "codec"),
    [("mp3", "mp3"), ("opus", "opus"), ("aac", "aac"), ("flac", "flac"), ("wav", "pcm_s16le")],
)
def test_file_is_of_the_kind_that_was_asked_for(audio_format: str, codec: str) -> None:
    data = read_audio(ask(response_format=audio_format))
    with av.open(io.BytesIO(data)) as container:
        found = container.streams.audio[0].codec_context.name
    assert found.removesuffix("float") == codec


def test_default_is_mp3() -> None:
    assert read_audio(ask()) == read_audio(ask(response_format="mp3"))


def test_longer_text_takes_longer_and_other_text_sounds_otherwise() -> None:
    short, long = (read_audio(ask(input=text, response_format="pcm")) for text in ("ab", "abab"))
    assert len(long) - len(short) == 2 * 60 * 24 * 2
    assert read_audio(ask(input="ba", response_format="pcm")) != short


def test_silence_and_noise_say_nothing() -> None:
    assert hear([0] * HEARD_RATE) is None
    assert hear([]) is None
    assert hear([(place * 7919) % 20_011 - 10_000 for place in range(2 * HEARD_RATE)]) is None


def test_speech_that_is_cut_says_nothing() -> None:
    data = read_audio(ask(response_format="pcm"))
    assert hear(decode(playable(data[: len(data) // 2], "pcm"), HEARD_RATE)) is None


def test_events_carry_the_file_and_end_with_usage() -> None:
    events = [
        json.loads(step.removeprefix(b"data: "))
        for step in ask(stream_format="sse", response_format="wav").steps
        if isinstance(step, bytes)
    ]
    *deltas, done = events
    audio = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert audio == read_audio(ask(response_format="wav"))
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert 0 < usage["input_tokens"] < usage["output_tokens"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 4_097}, "input"),
        ({"input": 3}, "input"),
        ({"voice": ""}, "voice"),
        ({"voice": {}}, "voice.id"),
        ({"response_format": "midi"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"stream_format": "x"}, "stream_format"),
        ({"instructions": 3}, "instructions"),
    ],
)
def test_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    script = ask(**body)
    assert script.status == 400
    assert json.loads(read_audio(script))["error"]["param"] == param


def test_without_codecs_wav_is_spoken_and_the_rest_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise sound_files.NoCodecsError

    monkeypatch.setattr(sound_files, "_import_av", fail)
    assert read_audio(ask()) == read_audio(ask(response_format="wav"))
    refused = ask(response_format="mp3")
    assert refused.status == 400
    assert "nagara[media]" in json.loads(read_audio(refused))["error"]["message"]


def test_a_failure_is_asked_for_in_the_text() -> None:
    assert ask(input="Please sandbox:fail-429 now").status == 429
