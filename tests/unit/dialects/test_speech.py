"""Speech at providers with formats of their own: what they are sent, and what is made of it."""

import base64
import json
import struct
from typing import Any

import pytest

from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.exchange import Aim, SoundExchange
from nagara.dialects.speech import Form, open_speech
from nagara.dialects.speech.wav import RATE, make_streamed_header
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS

SPEECH = ENDPOINTS["/v1/audio/speech"]
BOUND = 2**20
SAMPLES = bytes(range(256)) * 10


def open_exchange(form: Form, model: str = "theirs", **fields: Any) -> SoundExchange:
    body = {"model": "ours", "input": "Hello.", "voice": "Kore", **fields}
    view = SPEECH.read_request(json.dumps(body).encode())
    return open_speech(view, Aim(provider="They", model=model, caller_model="ours", form=form))


def eleven(**fields: Any) -> SoundExchange:
    return open_exchange(Form.ELEVENLABS, "eleven_v3", **{"voice": "JBFqnCBsd6RM", **fields})


def google(form: Form = Form.GOOGLE, **fields: Any) -> SoundExchange:
    return open_exchange(form, **fields)


def answer_of(
    audio: bytes | None, kind: str = "audio/L16;codec=pcm;rate=24000", **more: Any
) -> Any:
    parts = [] if audio is None else [
        {"inlineData": {"mimeType": kind, "data": base64.b64encode(audio).decode()}}
    ]  # fmt: skip
    return {"candidates": [{"content": {"parts": parts}, **more.pop("candidate", {})}], **more}


def event_of(answer: Any) -> bytes:
    return b"data: " + json.dumps(answer).encode() + b"\r\n\r\n"


STOPS = {"finishReason": "STOP"}
COUNTS = {"promptTokenCount": 3, "candidatesTokenCount": 40}


def play(stream: AnswerStream, *pieces: bytes) -> bytes:
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.close()])


def stream_of(exchange: SoundExchange, *, is_event_stream: bool = True) -> AnswerStream:
    return exchange.open_stream(BOUND, BOUND, is_event_stream=is_event_stream)


# ElevenLabs


@pytest.mark.parametrize(
    ("audio_format", "output_format", "media_type"),
    [
        (None, "mp3_44100_128", b"audio/mpeg"),
        ("mp3", "mp3_44100_128", b"audio/mpeg"),
        ("opus", "opus_48000_128", b"audio/opus"),
        ("wav", "pcm_24000", b"audio/wav"),
        ("pcm", "pcm_24000", b"audio/pcm"),
    ],
)
def test_elevenlabs_is_asked_in_its_path_for_the_format(
    audio_format: str | None, output_format: str, media_type: bytes
) -> None:
    exchange = eleven(response_format=audio_format)
    assert exchange.places == {"voice": "JBFqnCBsd6RM", "output_format": output_format}
    assert exchange.media_type == media_type
    assert json.loads(exchange.body) == {"text": "Hello.", "model_id": "eleven_v3"}


def test_elevenlabs_is_told_the_speed_and_its_own_options() -> None:
    exchange = eleven(speed=1.1, language_code="de", seed=7, instructions="Low.", user="u")
    assert json.loads(exchange.body) == {
        "text": "Hello.",
        "model_id": "eleven_v3",
        "voice_settings": {"speed": 1.1},
        "language_code": "de",
        "seed": 7,
    }
    assert exchange.dropped == ("instructions", "user")


def test_elevenlabs_own_settings_win_over_the_speed_which_is_told() -> None:
    exchange = eleven(speed=1.1, voice_settings={"stability": 0.5})
    assert json.loads(exchange.body)["voice_settings"] == {"stability": 0.5}
    assert exchange.dropped == ("speed",)


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"response_format": "aac"}, "response_format", ErrorKind.UNSUPPORTED),
        ({"response_format": "flac"}, "response_format", ErrorKind.UNSUPPORTED),
        ({"stream_format": "sse"}, "stream_format", ErrorKind.UNSUPPORTED),
        ({"voice": "alloy"}, "voice", ErrorKind.INVALID_REQUEST),
        ({"voice": "../voices"}, "voice", ErrorKind.INVALID_REQUEST),
        ({"voice": ".."}, "voice", ErrorKind.INVALID_REQUEST),
        ({"voice": {"id": ""}}, "voice", ErrorKind.INVALID_REQUEST),
        ({"voice": {"name": "x"}}, "voice", ErrorKind.INVALID_REQUEST),
    ],
)
def test_what_elevenlabs_has_not_is_refused_by_name(
    fields: dict[str, Any], param: str, kind: ErrorKind
) -> None:
    with pytest.raises(GatewayError) as caught:
        eleven(**fields)
    assert (caught.value.param, caught.value.kind) == (param, kind)


def test_voice_may_be_an_object() -> None:
    assert eleven(voice={"id": "abc"}).places["voice"] == "abc"


def test_elevenlabs_audio_passes_as_it_comes() -> None:
    stream = stream_of(eleven(), is_event_stream=False)
    assert play(stream, b"ID3", b"rest") == b"ID3rest"
    assert stream.breaks_off


def test_elevenlabs_samples_get_a_header_and_are_measured() -> None:
    stream = stream_of(eleven(response_format="wav"), is_event_stream=False)
    assert play(stream, bytes(24_000), bytes(24_000)) == make_streamed_header() + bytes(48_000)
    assert stream.usage is not None
    assert stream.usage.quantities == {Meter.AUDIO_MS: 1_000}


@pytest.mark.parametrize("said", [b"application/json", b"text/html; charset=utf-8"])
def test_what_is_no_sound_is_an_error_of_the_provider(said: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        eleven().check_media_type(said, is_event_stream=False)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


# Google


def test_styled_models_are_told_the_style_beside_the_text() -> None:
    exchange = google(instructions="Whisper.", speed=1.5)
    assert json.loads(exchange.body) == {
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "Hello.", "speechMetadata": {"style": "Whisper."}}],
            }
        ],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"voice": "Kore"}},
        },
    }
    assert exchange.places == {"verb": "streamGenerateContent", "alt": "sse"}
    assert exchange.dropped == ("speed",)


def test_earlier_models_are_told_it_in_the_text() -> None:
    exchange = google(Form.GOOGLE_WHOLE, instructions="Whisper")
    body = json.loads(exchange.body)
    assert body["contents"][0]["parts"] == [{"text": "Whisper: Hello."}]
    assert body["generationConfig"]["speechConfig"] == {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}
    }
    assert exchange.places == {"verb": "generateContent", "alt": "json"}


@pytest.mark.parametrize(
    ("audio_format", "media_type", "encoding", "begin"),
    [
        (None, b"audio/wav", None, make_streamed_header()),
        ("wav", b"audio/wav", None, make_streamed_header()),
        ("pcm", b"audio/pcm", None, b""),
        ("mp3", b"audio/mpeg", "mp3", b""),
        ("flac", b"audio/flac", "flac", b""),
    ],
)
def test_samples_go_out_as_they_come(
    audio_format: str | None, media_type: bytes, encoding: str | None, begin: bytes
) -> None:
    exchange = google(response_format=audio_format)
    assert (exchange.media_type, exchange.encoding) == (media_type, encoding)
    stream = stream_of(exchange)
    first = stream.feed(event_of(answer_of(SAMPLES)))
    assert first == begin + SAMPLES
    last = stream.feed(event_of(answer_of(SAMPLES, candidate=STOPS, usageMetadata=COUNTS)))
    assert last + stream.close() == SAMPLES
    assert stream.breaks_off
    assert stream.usage is not None
    assert stream.usage.quantities == {
        Meter.AUDIO_MS: 2 * len(SAMPLES) // 48,
        Meter.INPUT: 3,
        Meter.OUTPUT_AUDIO: 40,
    }


def test_events_carry_the_audio_and_end_with_the_usage() -> None:
    exchange = google(response_format="pcm", stream_format="sse")
    assert exchange.media_type.startswith(b"text/event-stream")
    stream = stream_of(exchange)
    finished = answer_of(None, candidate=STOPS, usageMetadata=COUNTS)
    said = play(stream, event_of(answer_of(SAMPLES)), event_of(finished))
    events = [json.loads(line[6:]) for line in said.splitlines() if line]
    assert events == [
        {"type": "speech.audio.delta", "audio": base64.b64encode(SAMPLES).decode()},
        {
            "type": "speech.audio.done",
            "usage": {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43},
        },
    ]
    assert not stream.breaks_off


def test_encoded_formats_are_not_had_in_events() -> None:
    with pytest.raises(GatewayError) as caught:
        google(response_format="mp3", stream_format="sse")
    assert caught.value.param == "response_format"


@pytest.mark.parametrize("kind", ["audio/L16;rate=24000", "audio/wav"])
def test_answer_that_comes_whole_is_spoken_at_its_end(kind: str) -> None:
    audio = SAMPLES if "L16" in kind else make_wav(RATE)
    body = json.dumps(answer_of(audio, kind, candidate=STOPS)).encode()
    stream = stream_of(google(Form.GOOGLE_WHOLE, response_format="pcm"), is_event_stream=False)
    assert stream.feed(body[:50]) == b""
    assert play(stream, body[50:]) == SAMPLES
    assert stream.breaks_off


def make_wav(rate: int) -> bytes:
    shape = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + shape + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    data = b"data" + struct.pack("<I", len(SAMPLES)) + SAMPLES
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(data)) + b"WAVE" + chunks + data


def test_header_of_a_file_is_taken_off_in_any_split() -> None:
    stream = stream_of(google(response_format="pcm"))
    wav = make_wav(RATE)
    pieces = [event_of(answer_of(wav[i : i + 7], "audio/wav")) for i in range(0, len(wav), 7)]
    end = event_of(answer_of(None, candidate=STOPS))
    assert play(stream, *pieces, end) == SAMPLES


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([answer_of(None, candidate=STOPS)], ErrorKind.UPSTREAM_PROTOCOL),
        ([answer_of(SAMPLES, "audio/L16;rate=16000")], ErrorKind.UPSTREAM_PROTOCOL),
        ([answer_of(make_wav(16_000), "audio/wav")], ErrorKind.UPSTREAM_PROTOCOL),
        ([answer_of(None, candidate={"finishReason": "SAFETY"})], ErrorKind.INVALID_REQUEST),
        ([{"promptFeedback": {"blockReason": "OTHER"}}], ErrorKind.INVALID_REQUEST),
        ([answer_of(None, candidate={"finishReason": "OTHER"})], ErrorKind.UPSTREAM_ERROR),
        ([{"error": {"code": 429, "message": "x"}}], ErrorKind.UPSTREAM_RATE_LIMIT),
        ([answer_of(SAMPLES)], ErrorKind.UPSTREAM_CUT),
        ([["no object"]], ErrorKind.UPSTREAM_PROTOCOL),
    ],
)
def test_answer_that_is_none_is_an_error(answers: list[Any], kind: ErrorKind) -> None:
    with pytest.raises(GatewayError) as caught:
        play(stream_of(google(response_format="pcm")), *map(event_of, answers))
    assert caught.value.kind is kind


def test_audio_that_is_not_base64_is_an_error() -> None:
    part = {"inlineData": {"mimeType": "audio/L16", "data": "%%"}}
    stream = stream_of(google())
    with pytest.raises(GatewayError, match="base64"):
        stream.feed(event_of({"candidates": [{"content": {"parts": [part]}}]}))
