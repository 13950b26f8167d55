"""What is asked of an ear: read to the field, measured, and told what it is."""

import json
from typing import Any

import pytest

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim
from nagara.dialects.images.pictures import name_place
from nagara.domain.catalog import Deployment, Operation
from nagara.domain.demand import Sound
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking, Bounds, PassThrough, choose_lane
from nagara.operations.sound_lane import SoundLane
from nagara.providers import PROVIDERS

PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")
TRANSCRIPTIONS = ENDPOINTS[PATHS[0]]
FILE = {"name": "a.mp3", "media_type": "audio/mpeg", "bytes": 9, "ms": 1_500, "container": "mp3"}
BOUNDS = Bounds(1_000, 10_000)


def read(**fields: Any) -> RequestView:
    return TRANSCRIPTIONS.read_request(json.dumps({"model": "m", "file": FILE, **fields}).encode())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"language": "de", "prompt": "A prompt.", "temperature": "0.5"},
        {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]},
        {"something_new": "1"},
    ],
)
def test_form_reaches_the_provider_with_its_model_and_without_the_description_of_its_file(
    path: str, fields: dict[str, Any]
) -> None:
    written = ENDPOINTS[path].write_request(read(**fields), "theirs", asks_usage=False)
    assert json.loads(written) == {"model": "theirs", **fields}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"response_format": "xml"}, "response_format"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(**fields)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("said", "is_streamed"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("False", False), ("0", False)],
)
def test_stream_is_asked_for_in_any_spelling(said: str, is_streamed: bool) -> None:
    assert read(stream=said).is_streamed is is_streamed
    assert read().is_streamed is False


def test_what_is_heard_is_what_was_measured() -> None:
    demand = TRANSCRIPTIONS.measure(read(prompt="x" * 100))
    assert demand.sound == Sound(heard_ms=1_500)
    assert demand.has_media_input
    assert 100 <= demand.text_bytes < 200


@pytest.mark.parametrize(
    ("answer_format", "said", "media_type"),
    [
        ("json", b"", b"application/json"),
        ("verbose_json", b"", b"application/json"),
        ("srt", b"", b"text/plain; charset=utf-8"),
        ("vtt", b"text/vtt", b"text/vtt"),
        ("text", b"", b"text/plain; charset=utf-8"),
    ],
)
def test_media_type_is_the_providers_or_else_that_of_the_format(
    answer_format: str, said: bytes, media_type: bytes
) -> None:
    assert TRANSCRIPTIONS.choose_media_type is not None
    assert TRANSCRIPTIONS.choose_media_type(read(response_format=answer_format), said) == media_type


def test_answer_of_a_provider_that_does_not_stream_passes_as_it_is() -> None:
    assert TRANSCRIPTIONS.forward_bytes is not None
    stream = TRANSCRIPTIONS.forward_bytes(read(stream="true"))
    assert stream.feed(b'{"text"') + stream.feed(b':"x"}') + stream.close() == b'{"text":"x"}'
    assert stream.usage is None


@pytest.mark.parametrize(
    ("answer", "quantities"),
    [
        (b'{"text": "x", "usage": {"type": "duration", "seconds": 2}}', {Meter.AUDIO_MS: 2_000}),
        (
            b'{"text": "x", "usage": {"type": "tokens", "input_tokens": 12, "output_tokens": 3,'
            b' "input_token_details": {"audio_tokens": 10, "text_tokens": 2}}}',
            {Meter.INPUT: 2, Meter.INPUT_AUDIO: 10, Meter.OUTPUT: 3},
        ),
        (b"1\n00:00:00,000 --> 00:00:01,000\nx\n", None),
        (b'{"text": "x"}', None),
        (b"{", None),
    ],
)
def test_usage_is_read_where_it_is_told(answer: bytes, quantities: Any) -> None:
    usage = TRANSCRIPTIONS.read_usage(answer)
    assert (usage.quantities if usage else None) == quantities


def lane_to(name: str, model: str, path: str = PATHS[0], **fields: Any) -> Any:
    endpoint = ENDPOINTS[path]
    asking = Asking(
        endpoint=endpoint,
        view=read(**fields),
        request_id="r",
        seed="0",
        now_s=0,
        is_enveloped=False,
        recall=lambda key: None,
    )
    return choose_lane(asking, Deployment(name=name, provider=PROVIDERS[name], model=model))


def test_who_speaks_openais_format_is_passed_the_form() -> None:
    lane = lane_to("openai", "whisper-1", response_format="srt")
    assert isinstance(lane, PassThrough)
    assert lane.choose_media_type(b"text/vtt", is_event_stream=False) == b"text/vtt"
    assert lane.choose_media_type(b"text/event-stream", is_event_stream=True) is None


@pytest.mark.parametrize(
    ("name", "model"),
    [("elevenlabs", "scribe_v2"), ("mistral", "voxtral-mini-latest"), ("groq", "whisper-large-v3")],
)
def test_who_has_a_format_of_its_own_is_sent_that(name: str, model: str) -> None:
    lane = lane_to(name, model)
    assert isinstance(lane, SoundLane)
    assert not lane.is_pass_through
    whole = lane.read_whole(b'{"text": "x"}', BOUNDS, is_event_stream=False)
    assert json.loads(whole.body)["text"] == "x"
    assert lane.choose_media_type(b"", is_event_stream=False) == b"application/json"


def test_file_of_a_json_document_goes_into_its_middle() -> None:
    lane = lane_to("google", "gemini-3.5-transcribe")
    assert not lane.sends_form
    parts = json.loads(lane.body)["contents"][0]["parts"]
    assert parts[-1]["inlineData"]["data"] == name_place("0", 0)


@pytest.mark.parametrize(
    ("name", "model", "operation", "is_there"),
    [
        ("elevenlabs", "scribe_v2", Operation.TRANSCRIPTIONS, True),
        ("elevenlabs", "scribe_v2", Operation.SPEECH, False),
        ("elevenlabs", "eleven_v3", Operation.SPEECH, True),
        ("elevenlabs", "eleven_v3", Operation.TRANSCRIPTIONS, False),
        ("google", "gemini-3.8-flash-tts", Operation.SPEECH, True),
        ("google", "gemini-3.8-flash-tts", Operation.TRANSCRIPTIONS, False),
        ("google", "gemini-2.5-flash", Operation.TRANSCRIPTIONS, True),
        ("google", "gemini-2.5-flash", Operation.TRANSLATIONS, True),
        ("google", "gemini-2.5-flash", Operation.SPEECH, False),
        ("google", "gemini-2.5-flash-image", Operation.TRANSCRIPTIONS, False),
        ("google", "gemini-embedding-001", Operation.TRANSCRIPTIONS, False),
        ("google", "gemini-3.5-transcribe", Operation.TRANSCRIPTIONS, True),
        ("google", "gemini-3.5-transcribe", Operation.TRANSLATIONS, False),
        ("google", "gemma-3-27b-it", Operation.TRANSCRIPTIONS, False),
    ],
)
def test_model_is_asked_for_what_it_can_do(
    name: str, model: str, operation: Operation, is_there: bool
) -> None:
    deployment = Deployment(name=name, provider=PROVIDERS[name], model=model)
    assert deployment.has(operation) is is_there


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("gemini-2.5-pro-preview-tts", "speech.google_whole"),
        ("gemini-3.1-flash-tts-preview", "speech.google_unstyled"),
        ("gemini-3.8-flash-lite-tts", "speech.google"),
        ("gemini-4-tts", "speech.google"),
    ],
)
def test_models_differ_in_how_they_are_asked_to_speak(model: str, form: str) -> None:
    assert PROVIDERS["google"].form_of(Operation.SPEECH, model) == form
    assert PROVIDERS["vertex"].form_of(Operation.SPEECH, model) == form


def test_aim_says_how_large_a_file_may_be() -> None:
    to = Aim(provider="p", model="m", caller_model="c", file_bytes_max=3)
    assert to.file_bytes_max == 3
    assert PROVIDERS["google"].file_bytes_max[Operation.TRANSCRIPTIONS] < 100_000_000
