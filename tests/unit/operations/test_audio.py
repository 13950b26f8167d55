"""What is asked of a voice: read to the field, measured, and told what it is."""

import json
from typing import Any

import pytest

from nagara.dialects.base import RequestView
from nagara.domain.demand import Sound
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS

SPEECH = ENDPOINTS["/v1/audio/speech"]
BODY = {"model": "tts-1", "input": "Grüße", "voice": "alloy"}


def read(**fields: Any) -> RequestView:
    return SPEECH.read_request(json.dumps({**BODY, **fields}).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"voice": {"id": "voice_1"}},
        {"response_format": "pcm", "speed": 0.25, "instructions": "Whisper."},
        {"response_format": None, "speed": None, "instructions": None, "stream_format": None},
        {"input": "x" * 32_768},
        {"something_new": [1]},
    ],
)
def test_request_reaches_the_provider_with_its_model_and_without_nulls(
    fields: dict[str, Any],
) -> None:
    written = json.loads(SPEECH.write_request(read(**fields), "theirs", asks_usage=False))
    said = {name: value for name, value in fields.items() if value is not None}
    assert written == {**BODY, **said, "model": "theirs"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"input": ""}, "input"),
        ({"input": "x" * 32_769}, "input"),
        ({"input": ["x"]}, "input"),
        ({"voice": None}, "voice"),
        ({"voice": 3}, "voice"),
        ({"response_format": "midi"}, "response_format"),
        ({"response_format": 3}, "response_format"),
        ({"stream_format": "avi"}, "stream_format"),
        ({"speed": 0}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"instructions": 3}, "instructions"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID_REQUEST, param)


def test_characters_are_counted_and_slow_speech_takes_longer() -> None:
    assert SPEECH.measure(read()).sound == Sound(characters=5, spoken_ms_max=11_250)
    assert SPEECH.measure(read(speed=0.5)).sound == Sound(characters=5, spoken_ms_max=22_500)
    assert SPEECH.measure(read(speed=4)).sound == Sound(characters=5, spoken_ms_max=11_250)


@pytest.mark.parametrize(
    ("said", "fields", "expected"),
    [
        (b"audio/mpeg", {}, b"audio/mpeg"),
        (b"audio/L16; rate=24000", {"response_format": "pcm"}, b"audio/L16; rate=24000"),
        (b"", {}, b"audio/mpeg"),
        (b"application/octet-stream", {"response_format": "opus"}, b"audio/opus"),
        (b"", {"response_format": "flac"}, b"audio/flac"),
        (b"", {"response_format": "aac"}, b"audio/aac"),
        (b"", {"response_format": "wav"}, b"audio/wav"),
        (b"", {"response_format": "pcm"}, b"audio/pcm"),
    ],
)
def test_media_type_is_the_providers_and_else_that_of_the_format(
    said: bytes, fields: dict[str, Any], expected: bytes
) -> None:
    assert SPEECH.choose_media_type is not None
    assert SPEECH.choose_media_type(read(**fields), said) == expected


@pytest.mark.parametrize("said", [b"application/json", b"text/html; charset=utf-8"])
def test_what_is_no_sound_is_a_mistake_of_the_provider(said: bytes) -> None:
    assert SPEECH.choose_media_type is not None
    with pytest.raises(GatewayError) as caught:
        SPEECH.choose_media_type(read(), said)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL
