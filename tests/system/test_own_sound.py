"""Providers of sound with formats of their own, played by the test, and OpenAI's SDK as the client.

What is encoded by the gateway is decoded by a program of somebody else.
"""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Literal

import openai
import pytest

from tests.fakes import Peer, Received
from tests.system.caller import Caller, call
from tests.system.decoders import Decoders, find_decoders
from tests.system.stage import Stage, staged_by
from tests.system.test_charges import wait_for_row
from tests.system.test_transcripts import BOUNDARY, FORM, MIB, TRANSCRIPTIONS, count_files, tone

SPEECH: Final = "/v1/audio/speech"
SETUP: Final = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.eleven]
kind = "elevenlabs"
base_url = "http://127.0.0.1:{port}/eleven/v1"
credential = "theirs"

[providers.gemini]
kind = "google"
base_url = "http://127.0.0.1:{port}/gemini/v1beta"
credential = "theirs"

[models.voice]
prices = {{ mchars = "100" }}
deployments = [{{ provider = "eleven", model = "eleven_v3" }}]

[models.ear]
prices = {{ audio_hour = "3.6" }}
deployments = [{{ provider = "eleven", model = "scribe_v2" }}]

[models.gemini-voice]
prices = {{ input_mtok = "1", output_audio_mtok = "10" }}
deployments = [{{ provider = "gemini", model = "gemini-3.8-flash-tts" }}]

[models.gemini-ear]
prices = {{ input_mtok = "1", input_audio_mtok = "2", output_mtok = "3" }}
deployments = [{{ provider = "gemini", model = "gemini-3.5-transcribe" }}]

[models.either-voice]
prices = {{ input_mtok = "1", output_audio_mtok = "10" }}
deployments = [
    {{ provider = "eleven", model = "eleven_v3" }},
    {{ provider = "gemini", model = "gemini-3.8-flash-tts" }},
]
"""
VOICE: Final = "JBFqnCBsd6RMkjVDRZzb"
TEXT: Final = "Hello there."
RATE: Final = 24_000
SAMPLES: Final = struct.pack(f"<{RATE}h", *(n * 211 % 16_000 - 8_000 for n in range(RATE)))
"""A second."""
Format = Literal["mp3", "opus", "aac", "flac", "wav"]
CODECS: Final[dict[Format, str]] = {
    "mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_by(SETUP, tmp_path_factory.mktemp("own-sound"), {}) as stage:
        yield stage


@pytest.fixture(scope="module")
def decoders() -> Decoders:
    return find_decoders()


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{stage.gateway.url}/v1", api_key=stage.gateway.key, max_retries=0, timeout=30
    ) as client:
        yield client


def ask(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "voice": VOICE, "input": TEXT, **fields}


async def begin(peer: Peer, kind: bytes, *pieces: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
    await peer.send(head % kind)
    await peer.send_chunks(*pieces)


def said(audio: bytes | None, reason: str | None = None, **more: Any) -> bytes:
    """One of Gemini's events."""
    data = base64.b64encode(audio).decode() if audio is not None else ""
    blob = {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": data}}
    candidate: dict[str, Any] = {"content": {"parts": [blob] if audio is not None else []}}
    if reason is not None:
        candidate["finishReason"] = reason
    return f"data: {json.dumps({'candidates': [candidate], **more})}\r\n\r\n".encode()


COUNTS: Final = {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 50}}


# Speech


async def test_elevenlabs_speaks_as_it_comes_and_is_charged_by_characters(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask("voice"), x_request_id="eleven")
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        await begin(peer, b"audio/mpeg", b"first")
        head = await caller.read_head()
        assert (head.status, head.header("content-type")) == (200, "audio/mpeg")
        assert await caller.read_piece() == b"first"
        await peer.send_chunks(b"second", b"")
        assert await caller.read_piece() == b"second"
        assert await caller.read_piece() == b""
    path = f"/eleven/v1/text-to-speech/{VOICE}/stream?output_format=mp3_44100_128"
    assert request.target == path.encode()
    assert json.loads(request.body) == {"text": TEXT, "model_id": "eleven_v3"}
    assert request.header(b"xi-api-key") is not None
    row = wait_for_row(stage.gateway, "eleven")
    assert row.charge_nano == row.held_nano == len(TEXT) * 100_000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "alloy"}, "voice"),
        ({"voice": "a/b"}, "voice"),
        ({"response_format": "flac"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
    ],
)
async def test_what_elevenlabs_has_not_is_refused_before_it_is_asked(
    client: openai.AsyncOpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.audio.speech.create(**ask("voice", **fields))
    assert caught.value.param == param


async def test_refusal_of_a_voice_is_told_in_the_providers_words(
    stage: Stage, client: openai.AsyncOpenAI
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        detail = {"status": "invalid_uid", "message": "An invalid ID has been received."}
        body = json.dumps({"detail": detail}).encode()
        await peer.answer(body, b"content-type: application/json", status=400)

    async with stage.upstream(script):
        with pytest.raises(openai.BadRequestError, match="An invalid ID has been received"):
            await client.audio.speech.create(**ask("voice"))


@pytest.mark.parametrize("audio_format", list(CODECS))
async def test_gemini_speaks_in_every_format(
    stage: Stage, client: openai.AsyncOpenAI, decoders: Decoders, audio_format: Format
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin(
            peer,
            b"text/event-stream",
            said(SAMPLES),
            said(SAMPLES),
            said(None, "STOP", **COUNTS),
            b"",
        )

    async with stage.upstream(script):
        answer = await client.audio.speech.with_raw_response.create(
            **ask("gemini-voice", response_format=audio_format),
            extra_headers={"x-request-id": f"gemini-{audio_format}"},
        )
    assert answer.headers["content-type"].startswith("audio/")
    (stream,) = decoders.describe(answer.content)["streams"]
    assert stream["codec_name"] == CODECS[audio_format]
    assert 2.0 <= decoders.measure_s(answer.content) <= 2.2
    row = wait_for_row(stage.gateway, f"gemini-{audio_format}")
    assert (row.charge_nano, row.is_estimated) == (4 * 1_000 + 50 * 10_000, 0)


async def test_encoded_speech_begins_before_it_ends(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask("gemini-voice", response_format="mp3"))
        peer = await upstream.accept()
        await peer.read_request()
        await begin(peer, b"text/event-stream", said(SAMPLES))
        head = await caller.read_head()
        assert head.header("content-type") == "audio/mpeg"
        assert (await caller.read_piece())[0] == 0xFF
        await peer.send_chunks(said(None, "STOP"), b"")
        while await caller.read_piece():
            pass


async def test_gemini_speaks_in_events(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin(peer, b"text/event-stream", said(SAMPLES), said(None, "STOP", **COUNTS), b"")

    async with stage.upstream(script):
        head, body = await call(
            stage.gateway,
            SPEECH,
            ask("gemini-voice", response_format="pcm", stream_format="sse"),
        )
    assert (head.header("content-type") or "").startswith("text/event-stream")
    delta, done = (json.loads(line[6:]) for line in body.splitlines() if line)
    assert base64.b64decode(delta["audio"]) == SAMPLES
    assert done["usage"] == {"input_tokens": 4, "output_tokens": 50, "total_tokens": 54}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (said(None, "PROHIBITED_CONTENT"), 400),
        (said(None, "OTHER"), 502),
        (b'data: {"error": {"code": 429, "message": "slow down"}}\r\n\r\n', 429),
    ],
)
async def test_refusal_in_place_of_the_first_sound_is_an_error_and_costs_nothing(
    stage: Stage, event: bytes, status: int
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin(peer, b"text/event-stream", event, b"")

    async with stage.upstream(script):
        head, body = await call(
            stage.gateway, SPEECH, ask("gemini-voice"), x_request_id=f"refused-{status}"
        )
    assert head.status == status
    assert json.loads(body)["error"]["message"]
    row = wait_for_row(stage.gateway, f"refused-{status}")
    assert (row.status, row.charge_nano) == (status, 0)


async def test_refusal_amid_the_sound_breaks_off_and_costs_nothing(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(SPEECH, ask("gemini-voice", response_format="pcm"), x_request_id="amid")
        peer = await upstream.accept()
        await peer.read_request()
        await begin(peer, b"text/event-stream", said(SAMPLES))
        await caller.read_head()
        assert await caller.read_until(SAMPLES) == SAMPLES
        await peer.send_chunks(said(None, "OTHER"), b"")
        with pytest.raises(asyncio.IncompleteReadError):
            await caller.read_piece()
    row = wait_for_row(stage.gateway, "amid")
    assert (row.outcome, row.charge_nano) == ("cut", 0)


async def test_who_lacks_a_format_is_passed_over(stage: Stage) -> None:
    received: list[Received | None] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.read_request())
        await begin(peer, b"text/event-stream", said(SAMPLES, "STOP"), b"")

    async with stage.upstream(script):
        head, _ = await call(stage.gateway, SPEECH, ask("either-voice", response_format="aac"))
    assert (head.status, head.header("x-nagara-provider")) == (200, "gemini")
    (request,) = received
    assert request is not None
    assert request.target.startswith(b"/gemini/")


# Transcripts


SCRIBE: Final = {
    "text": "It is heard.",
    "language_code": "eng",
    "audio_duration_secs": 2.0,
    "words": [
        {"text": "It", "start": 0.1, "end": 0.3, "type": "word", "logprob": 0},
        {"text": " ", "start": 0.3, "end": 0.4, "type": "spacing", "logprob": 0},
        {"text": "is heard.", "start": 0.4, "end": 1.2, "type": "word", "logprob": 0},
    ],
}


async def test_scribe_is_read_by_the_sdk_in_every_format(
    stage: Stage, client: openai.AsyncOpenAI
) -> None:
    received: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            received.append(request)
            await peer.answer(json.dumps(SCRIBE).encode(), b"content-type: application/json")

    hear: Any = client.audio.transcriptions.create
    file = ("a.wav", tone(2))
    async with stage.upstream(script):
        assert (await hear(model="ear", file=file)).text == "It is heard."
        assert await hear(model="ear", file=file, response_format="text") == "It is heard.\n"
        srt = await hear(model="ear", file=file, response_format="srt")
        vtt = await hear(model="ear", file=file, response_format="vtt")
        verbose = await hear(
            model="ear",
            file=file,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        diarized = await hear(model="ear", file=file, response_format="diarized_json")
        events = [x async for x in await hear(model="ear", file=file, stream=True)]
    assert srt == "1\n00:00:00,100 --> 00:00:01,200\nIt is heard.\n\n"
    assert vtt == "WEBVTT\n\n00:00:00.100 --> 00:00:01.200\nIt is heard.\n\n"
    assert [word.word for word in verbose.words] == ["It", "is heard."]
    assert (verbose.duration, verbose.segments[0].end) == (2.0, 1.2)
    assert diarized.segments[0].speaker
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert {request.target for request in received} == {b"/eleven/v1/speech-to-text"}
    assert b'name="model_id"\r\n\r\nscribe_v2\r\n' in received[0].body
    assert tone(2) in received[0].body


async def test_scribe_is_charged_by_the_time_that_it_listened(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(json.dumps(SCRIBE).encode(), b"content-type: application/json")

    async with stage.upstream(script):
        await send_form(stage, tone(2), "scribe", model="ear")
    row = wait_for_row(stage.gateway, "scribe")
    assert (row.charge_nano, row.is_estimated) == (2_000_000, 0)
    assert row.charge_nano <= row.held_nano


async def send_form(stage: Stage, file: bytes, request_id: str, **fields: str) -> bytes:
    lines = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    begin_file = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    body = "".join([*lines, begin_file]).encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()
    async with Caller(stage.gateway) as caller:
        caller.post(TRANSCRIPTIONS, body, content_type=FORM, x_request_id=request_id)
        head, answer = await caller.read_answer()
    assert head.status == 200, answer
    return answer


def heard(text: str) -> dict[str, Any]:
    usage = {
        "promptTokenCount": 70,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 64}],
        "candidatesTokenCount": 5,
    }
    part = {"audioTranscription": {"text": text}}
    candidate = {"content": {"parts": [part]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage}


async def test_gemini_hears_and_is_charged_by_tokens(stage: Stage) -> None:
    received: list[Received | None] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.read_request())
        await peer.answer(json.dumps(heard("Hi.")).encode(), b"content-type: application/json")

    async with stage.upstream(script):
        answer = await send_form(stage, tone(2), "gemini-ear", model="gemini-ear", language="en")
    assert json.loads(answer)["text"] == "Hi."
    (request,) = received
    assert request is not None
    assert request.target == b"/gemini/v1beta/models/gemini-3.5-transcribe:generateContent"
    document = json.loads(request.body)
    (audio,) = document["contents"][0]["parts"]
    assert base64.b64decode(audio["inlineData"]["data"]) == tone(2)
    assert document["generationConfig"]["audioTranscriptionConfig"] == {"languageCodes": ["en"]}
    row = wait_for_row(stage.gateway, "gemini-ear")
    assert (row.charge_nano, row.is_estimated) == (6 * 1_000 + 64 * 2_000 + 5 * 3_000, 0)
    assert row.charge_nano <= row.held_nano


async def test_sixty_megabytes_are_sent_in_json_with_memory_flat(stage: Stage) -> None:
    size, arrived = 60 * MIB, 0

    async def script(peer: Peer) -> None:
        nonlocal arrived
        while head := await peer.read_head():
            left = int(head.header(b"content-length") or 0)
            while left:
                piece = await peer.reader.read(min(left, MIB))
                assert piece
                left -= len(piece)
                arrived += len(piece)
            await peer.answer(
                json.dumps(heard("Long.")).encode(), b"content-type: application/json"
            )

    rate = 48_000
    wav = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, rate, 4 * rate, 4, 16, b"data", size,
    )  # fmt: skip
    begin_form = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\ngemini-ear\r\n'
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    ).encode() + wav
    end = f"\r\n--{BOUNDARY}--\r\n".encode()
    async with stage.upstream(script):
        # The first loads what decodes.
        await send_form(stage, tone(1), "small", model="gemini-ear")
        arrived, before = 0, stage.gateway.resident_bytes
        async with Caller(stage.gateway) as caller:
            lines = [
                f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", f"content-type: {FORM}",
                f"authorization: Bearer {stage.gateway.key}",
                f"content-length: {len(begin_form) + size + len(end)}",
            ]  # fmt: skip
            caller.writer.write("\r\n".join([*lines, "", ""]).encode() + begin_form)
            for _ in range(size // MIB):
                caller.writer.write(bytes(MIB))
                await caller.writer.drain()
            caller.writer.write(end)
            async with asyncio.timeout(60):
                head, answer = await caller.read_answer()
        grown = stage.gateway.resident_bytes - before
    assert head.status == 200, answer
    assert arrived > size * 4 // 3
    assert grown < 20 * MIB
    assert count_files(stage.gateway) == 0


async def test_file_that_gemini_would_not_take_is_refused_before_it_is_asked(
    client: openai.AsyncOpenAI,
) -> None:
    size = 80 * MIB
    wav = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, 48_000, 192_000, 4, 16, b"data", size,
    )  # fmt: skip
    with pytest.raises(openai.APIStatusError) as caught:
        await client.audio.transcriptions.create(
            model="gemini-ear", file=("a.wav", wav + bytes(size))
        )
    assert (caught.value.status_code, caught.value.body["param"]) == (413, "file")  # type: ignore[index]
