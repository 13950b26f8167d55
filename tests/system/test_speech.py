"""Speech from the client to the provider and back: as it is made, paid for, and never half of it.

The official SDK against the sandbox, whose files PyAV and FFmpeg's programs decode, and a provider
played by the test.
"""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import av
import openai
import pytest
import requests

from tests.fakes import Peer
from tests.system.caller import Caller, call
from tests.system.decoders import find_decoders
from tests.system.gateway import GatewayProcess
from tests.system.stage import Stage, is_request, staged_by
from tests.system.test_charges import wait_for_row

SPEECH = "/v1/audio/speech"
VOICED = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "theirs"

[models.by-characters]
prices = {{ mchars = "15" }}
deployments = [{{ provider = "theirs", model = "tts" }}]

[models.by-time]
prices = {{ audio_hour = "3.6" }}
deployments = [{{ provider = "theirs", model = "tts" }}]

[models.by-tokens]
prices = {{ input_mtok = "1", output_audio_mtok = "10" }}
deployments = [{{ provider = "theirs", model = "tts" }}]
"""
TEXT = "Hello there."
SECOND = bytes(48_000)
"""A second of silence in PCM."""
Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[Format, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("sandbox")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_by(VOICED, tmp_path_factory.mktemp("speech"), {}) as stage:
        yield stage


@pytest.fixture
def client(sandbox: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{sandbox.url}/v1", api_key=sandbox.key, max_retries=0, timeout=30
    ) as client:
        yield client


def measure_ms(data: bytes) -> int:
    with av.open(io.BytesIO(data), "r") as container:
        frames = container.decode(audio=0)
        return sum(1000 * frame.samples // frame.sample_rate for frame in frames)


def ask(model: str = "by-characters", **fields: Any) -> dict[str, Any]:
    return {"model": model, "voice": "any", "input": TEXT, "response_format": "pcm", **fields}


async def begin(peer: Peer, *pieces: bytes, kind: bytes = b"audio/pcm") -> None:
    await peer.read_request()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
    await peer.send(head % kind)
    await peer.send_chunks(*pieces)


# The sandbox


@pytest.mark.parametrize("audio_format", FORMATS)
def test_sdk_is_given_a_file_that_plays(client: openai.OpenAI, audio_format: Format) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, response_format=audio_format
    ) as response:
        data = response.read()
        assert response.headers["content-type"].startswith("audio/")
        assert response.headers["x-nagara-provider"] == "sandbox"
    if audio_format == "pcm":
        assert len(data) // 48 > 500
    else:
        assert measure_ms(data) > 500


CODECS = {"mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le"}


@pytest.mark.parametrize("audio_format", FORMATS)
def test_another_program_finds_what_was_asked_for_as_long_as_its_text(
    client: openai.OpenAI, audio_format: Format
) -> None:
    decoders, lengths_s = find_decoders(), []
    for text in (TEXT, TEXT * 2, TEXT * 3):
        data = client.audio.speech.create(
            model="tts-1", voice="alloy", input=text, response_format=audio_format
        ).content
        if audio_format == "pcm":
            lengths_s.append(len(data) / len(SECOND))
            continue
        decoders.decode(data)
        (stream,) = decoders.describe(data)["streams"]
        assert (stream["codec_type"], stream["codec_name"]) == ("audio", CODECS[audio_format])
        assert stream["channels"] == 1
        lengths_s.append(decoders.measure_s(data))
    one, two, three = lengths_s
    # What is before the text and after it is always the same.
    assert two - one > 0.3
    assert three - two == pytest.approx(two - one, abs=0.1)


def test_sdk_is_given_events_with_usage(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts",
        voice="coral",
        input=TEXT,
        instructions="Whisper.",
        response_format="wav",
        stream_format="sse",
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    audio = b"".join(base64.b64decode(event.get("audio", "")) for event in events)
    assert measure_ms(audio) > 500
    assert events[-1]["usage"]["output_tokens"] > 0


def test_sdk_raises_the_refusal_of_a_wrong_field(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="tts-1", voice="alloy", input="")
    assert caught.value.param == "input"


def test_what_speaks_does_not_converse_and_what_converses_does_not_speak(
    client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/audio/speech"):
        client.responses.create(model="tts-1", input="Hi")
    with pytest.raises(openai.BadRequestError, match="/v1/responses"):
        client.audio.speech.create(model="gpt-4.1-mini", voice="alloy", input="Hi")


def test_same_key_gives_the_same_speech_and_one_charge(client: openai.OpenAI) -> None:
    said = [
        client.audio.speech.with_raw_response.create(
            model="tts-1",
            voice="alloy",
            input=TEXT,
            extra_headers={"idempotency-key": "speech-1"},
        )
        for _ in range(2)
    ]
    assert said[0].content == said[1].content
    assert said[1].headers["x-nagara-idempotent-replay"] == "true"
    assert said[1].headers["content-type"] == "audio/mpeg"


def test_speech_that_is_cut_is_an_error_and_no_short_file(sandbox: GatewayProcess) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.post(
            sandbox.url + SPEECH,
            headers={"x-api-key": sandbox.key},
            json=ask("tts-1", input="sandbox:cut-stream", response_format="wav"),
            timeout=30,
        )


# A provider that the test plays


async def test_bytes_go_out_as_they_come_and_the_end_when_it_is_paid(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask(), x_request_id="as-it-comes")
        peer = await upstream.accept()
        await begin(peer, b"first")
        head = await caller.read_head()
        assert (head.status, head.header("content-type")) == (200, "audio/pcm")
        assert await caller.read_piece() == b"first"
        await peer.send_chunks(b"second")
        assert await caller.read_piece() == b"second"
        await peer.send_chunks(b"")
        assert await caller.read_piece() == b""
    row = wait_for_row(stage.gateway, "as-it-comes")
    assert (row.status, row.outcome, row.is_estimated) == (200, "ok", 0)
    assert row.charge_nano == row.held_nano == len(TEXT) * 15_000


async def test_provider_is_asked_for_its_own_model_and_any_kind_of_answer(stage: Stage) -> None:
    received = []

    async def script(peer: Peer) -> None:
        received.append(await peer.read_request())
        await peer.answer(SECOND, b"content-type: audio/pcm")

    async with stage.upstream(script):
        await call(stage.gateway, SPEECH, ask(speed=None, instructions="Low."))
    (request,) = received
    assert request is not None
    assert request.target == b"/v1/audio/speech"
    assert request.header(b"accept") == b"*/*"
    assert json.loads(request.body) == {
        "model": "tts",
        "voice": "any",
        "input": TEXT,
        "response_format": "pcm",
        "instructions": "Low.",
    }


@pytest.mark.parametrize(
    ("model", "charge_nano", "is_estimated"),
    [
        ("by-characters", len(TEXT) * 15_000, 0),
        ("by-time", 2 * 1_000_000, 0),
        # 42 tokens of audio, and the bytes of the request at four a token.
        ("by-tokens", 42 * 10_000, 1),
    ],
)
async def test_speech_is_charged_by_what_the_model_has_a_price_for(
    stage: Stage, model: str, charge_nano: int, is_estimated: int
) -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, SECOND, SECOND, b"")

    async with stage.upstream(script):
        _, body = await call(stage.gateway, SPEECH, ask(model), x_request_id=f"charge-{model}")
    assert body == SECOND * 2
    row = wait_for_row(stage.gateway, f"charge-{model}")
    assert row.is_estimated == is_estimated
    assert charge_nano <= row.charge_nano <= charge_nano + 100_000 * is_estimated
    assert row.charge_nano <= row.held_nano


async def test_usage_of_events_is_charged(stage: Stage) -> None:
    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(SECOND).decode()}
    done = {"type": "speech.audio.done", "usage": {"input_tokens": 7, "output_tokens": 30}}
    events = [f"data: {json.dumps(event)}\n\n".encode() for event in (delta, done)]

    async def script(peer: Peer) -> None:
        await begin(peer, *events, b"", kind=b"text/event-stream")

    async with stage.upstream(script):
        head, body = await call(
            stage.gateway, SPEECH, ask("by-tokens", stream_format="sse"), x_request_id="events"
        )
    assert (head.header("content-type") or "").startswith("text/event-stream")
    assert body == b"".join(events)
    row = wait_for_row(stage.gateway, "events")
    assert (row.charge_nano, row.is_estimated) == (7 * 1_000 + 30 * 10_000, 0)


async def test_events_that_break_off_end_with_an_error_event(stage: Stage) -> None:
    delta = b'data: {"type": "speech.audio.delta", "audio": ""}\n\n'

    async def script(peer: Peer) -> None:
        await begin(peer, delta, kind=b"text/event-stream")
        peer.close()

    async with stage.upstream(script):
        _, body = await call(stage.gateway, SPEECH, ask(stream_format="sse"))
    assert body.startswith(delta)
    assert b'"error"' in body


async def test_speech_that_breaks_off_breaks_off_for_the_caller_and_costs_nothing(
    stage: Stage,
) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask(), x_request_id="broken-off")
        peer = await upstream.accept()
        await begin(peer, SECOND)
        await caller.read_head()
        assert await caller.read_until(SECOND) == SECOND
        peer.close()
        with pytest.raises(asyncio.IncompleteReadError):
            await caller.read_piece()
    row = wait_for_row(stage.gateway, "broken-off")
    assert (row.outcome, row.charge_nano) == ("cut", 0)
    assert stage.wait_for_line(is_request("broken-off"))["outcome"] == "cut"


async def test_client_that_knows_no_chunks_sees_a_reset_and_no_end(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        body = json.dumps(ask()).encode()
        lines = [
            f"POST {SPEECH} HTTP/1.0",
            f"authorization: Bearer {stage.gateway.key}",
            f"content-length: {len(body)}",
        ]
        caller.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        peer = await upstream.accept()
        await begin(peer, b"half")
        await caller.read_head()
        assert await caller.reader.readexactly(4) == b"half"
        peer.close()
        with pytest.raises(ConnectionResetError):
            await caller.reader.read()


async def test_json_in_place_of_sound_is_an_error_and_costs_nothing(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b'{"status": "odd"}', b"content-type: application/json")

    async with stage.upstream(script):
        head, body = await call(stage.gateway, SPEECH, ask(), x_request_id="json")
    assert head.status == 502
    assert b"in place of audio" in body
    assert wait_for_row(stage.gateway, "json").charge_nano == 0


async def test_refusal_of_the_provider_reaches_the_caller(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        body = b'{"error": {"message": "no such voice", "param": "voice"}}'
        await peer.answer(body, b"content-type: application/json", status=400)

    async with stage.upstream(script):
        head, body = await call(stage.gateway, SPEECH, ask())
    assert head.status == 400
    assert b"no such voice" in body


async def test_who_leaves_pays_for_what_the_provider_bills(stage: Stage) -> None:
    async with stage.upstream() as upstream:
        async with Caller(stage.gateway) as caller:
            caller.post(SPEECH, ask("by-time"), x_request_id="leaves")
            peer = await upstream.accept()
            await begin(peer, SECOND)
            await caller.read_head()
            await caller.read_until(SECOND)
        await peer.closed()
    row = wait_for_row(stage.gateway, "leaves")
    assert row.charge_nano == 1_000_000


async def pieces_of(caller: Caller) -> AsyncIterator[bytes]:
    while piece := await caller.read_piece():
        yield piece


async def test_thirty_megabytes_pass_whole(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await begin(peer, *(SECOND for _ in range(600)), b"")

    async with stage.upstream(script), Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask())
        await caller.read_head()
        assert sum([len(piece) async for piece in pieces_of(caller)]) == 600 * len(SECOND)
