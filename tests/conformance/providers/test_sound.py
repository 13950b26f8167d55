"""Every provider that speaks or listens is asked in its own format, and callers get theirs."""

import json
from urllib.parse import quote

import pytest
from tests.conformance.providers.conftest import (
    REMOTE,
    THEIR_EAR,
    THEIR_TRANSLATOR,
    THEIR_VOICE,
    Stage,
    base_path,
)
from tests.conformance.providers.sound import HEARD, SAMPLES, make_wav, read_form
from tests.conformance.providers.test_providers import check_credential
from tests.conformance.providers.upstream import RETRY_AFTER_S, Asked, Scene
from tests.conformance.providers.wires import SAID
from tests.system.wire import WireAnswer, WireConnection, encode_request

from nagara.domain.catalog import Operation, Provider

SPEAKING = [p for p in REMOTE if Operation.SPEECH in p.paths]
LISTENING = [p for p in REMOTE if Operation.TRANSCRIPTIONS in p.paths]
TRANSLATING = [p for p in REMOTE if Operation.TRANSLATIONS in p.paths]
VOICE = "JBFqnCBsd6RMkjVDRZzb"
BOUNDARY = "the-boundary"
WAV_HEADER_BYTES = 44
SRT_BEGIN = "1\n00:00:00,000 --> 00:00:0"

speaking = pytest.mark.parametrize("provider", SPEAKING, ids=lambda p: p.name)
listening = pytest.mark.parametrize("provider", LISTENING, ids=lambda p: p.name)


def is_own_format(provider: Provider, operation: Operation, model: str) -> bool:
    return provider.form_of(operation, model) is not None


def speak(stage: Stage, provider: Provider, **fields: object) -> WireAnswer:
    gateway = stage.gateway
    asked = {"model": f"voice-{provider.name}", "input": "Hello.", "voice": VOICE, **fields}
    headers = [("authorization", f"Bearer {gateway.key}"), ("content-type", "application/json")]
    with WireConnection(gateway.port) as connection:
        body = json.dumps(asked).encode()
        connection.send(encode_request("POST", "/v1/audio/speech", headers, body))
        return connection.read_answer()


def send_file(
    stage: Stage, provider: Provider, kind: str = "ear", path: str = "transcriptions", **fields: str
) -> WireAnswer:
    gateway = stage.gateway
    lines = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"model": f"{kind}-{provider.name}", **fields}.items()
    ]
    lines.append(
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n'
        "content-type: audio/wav\r\n\r\n"
    )
    body = "".join(lines).encode() + make_wav() + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = [
        ("authorization", f"Bearer {gateway.key}"),
        ("content-type", f"multipart/form-data; boundary={BOUNDARY}"),
    ]
    with WireConnection(gateway.port) as connection:
        connection.send(encode_request("POST", f"/v1/audio/{path}", headers, body))
        return connection.read_answer()


def check_path(
    asked: Asked, provider: Provider, operation: Operation, model: str, *, is_streamed: bool = False
) -> None:
    path = provider.paths[operation]
    if is_streamed:
        path = provider.stream_paths.get(operation, path)
    for name, value in {
        "model": quote(model, safe=""),
        "voice": VOICE,
        "output_format": "pcm_24000",
        "verb": "streamGenerateContent",
        "alt": "sse",
    }.items():
        path = path.replace(f"{{{name}}}", value)
    base = base_path(provider)
    while path.startswith("/../"):
        base, path = base.rpartition("/")[0], path.removeprefix("/..")
    assert asked.path == base + path


@speaking
def test_speech_is_asked_for_where_the_file_says(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    answer = speak(stage, provider, response_format="pcm")
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.SPEECH, THEIR_VOICE)
    check_credential(asked, provider, stage.gateway.key)
    assert answer.header("content-type") == "audio/pcm"
    assert answer.body == SAMPLES
    body = json.loads(asked.body)
    if not is_own_format(provider, Operation.SPEECH, THEIR_VOICE):
        assert body == {
            "model": THEIR_VOICE,
            "input": "Hello.",
            "voice": VOICE,
            "response_format": "pcm",
        }
    else:
        assert "Hello." in json.dumps(body)


OWN_VOICES = [p for p in SPEAKING if is_own_format(p, Operation.SPEECH, THEIR_VOICE)]


@pytest.mark.parametrize("provider", OWN_VOICES, ids=lambda p: p.name)
def test_file_is_made_of_samples(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    answer = speak(stage, provider, response_format="wav")
    assert answer.header("content-type") == "audio/wav"
    assert answer.body.startswith(b"RIFF")
    assert answer.body[WAV_HEADER_BYTES:] == SAMPLES


@speaking
@pytest.mark.parametrize(
    ("scene", "status"), [(Scene.REFUSES, 400), (Scene.IS_BUSY, 429), (Scene.FAILS, 502)]
)
def test_refused_speech_is_an_error_of_openais_dialect(
    stage: Stage, provider: Provider, scene: Scene, status: int
) -> None:
    stage.play(scene)
    answer = speak(stage, provider)
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert (error["message"] == SAID) is (scene is Scene.REFUSES), error
    if scene is Scene.IS_BUSY:
        assert answer.header("retry-after") == str(RETRY_AFTER_S)


@listening
@pytest.mark.parametrize("answer_format", ["json", "srt"])
def test_transcripts_are_asked_for_where_the_file_says(
    stage: Stage, provider: Provider, answer_format: str
) -> None:
    stage.play(Scene.WELL)
    answer = send_file(stage, provider, response_format=answer_format, language="en")
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.TRANSCRIPTIONS, THEIR_EAR)
    check_credential(asked, provider, stage.gateway.key)
    if answer_format == "json":
        assert answer.json()["text"] == HEARD
        assert answer.header("content-type") == "application/json"
    else:
        assert answer.body.decode().startswith(SRT_BEGIN)
        assert HEARD in answer.body.decode()
        assert (answer.header("content-type") or "").startswith("text/plain")
    if asked.headers["content-type"].startswith("multipart/"):
        form = read_form(asked.headers["content-type"], asked.body)
        names = {"model", "model_id"} & form.keys()
        assert [form[name] for name in names] == [[THEIR_EAR.encode()]]


@listening
def test_transcripts_are_streamed_in_openais_events(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    answer = send_file(stage, provider, stream="true")
    assert answer.status == 200, answer.body
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.TRANSCRIPTIONS, THEIR_EAR, is_streamed=True)
    events = [json.loads(line[6:]) for line in answer.body.splitlines() if line]
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0]["delta"] == events[1]["text"] == HEARD


@listening
@pytest.mark.parametrize(("scene", "status"), [(Scene.REFUSES, 400), (Scene.IS_BUSY, 429)])
def test_refused_transcripts_are_an_error_of_openais_dialect(
    stage: Stage, provider: Provider, scene: Scene, status: int
) -> None:
    stage.play(scene)
    answer = send_file(stage, provider)
    assert answer.status == status, answer.body
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("provider", TRANSLATING, ids=lambda p: p.name)
def test_translations_are_asked_for_where_the_file_says(stage: Stage, provider: Provider) -> None:
    stage.play(Scene.WELL)
    answer = send_file(stage, provider, "translator", "translations")
    assert answer.status == 200, answer.body
    (asked,) = stage.upstream.asked
    check_path(asked, provider, Operation.TRANSLATIONS, THEIR_TRANSLATOR)
    check_credential(asked, provider, stage.gateway.key)
    assert answer.json()["text"] == HEARD
