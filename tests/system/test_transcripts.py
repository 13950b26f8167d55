"""Audio from the client to the provider, and text back: whatever its size, and however it ends.

The official SDK against the sandbox, which understands what it said itself, and a provider played
by the test. Faults are of the client: forms that stop, never end, or are of too many parts.
"""

import asyncio
import contextlib
import io
import json
import math
import os
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import psutil
import pytest
import requests

from tests.fakes import Peer, Received
from tests.system.caller import Caller, Head
from tests.system.gateway import GatewayProcess
from tests.system.stage import Stage, is_request, staged_by
from tests.system.test_charges import wait_for_row

TRANSCRIPTIONS = "/v1/audio/transcriptions"
HEARING = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "theirs"

[models.by-time]
prices = {{ audio_hour = "3.6" }}
deployments = [{{ provider = "theirs", model = "ear" }}]

[models.by-tokens]
prices = {{ input_mtok = "1", input_audio_mtok = "2", output_mtok = "3" }}
deployments = [{{ provider = "theirs", model = "ear" }}]
"""
TEXT = "It is said. And heard again!"
MIB = 2**20
Format = Literal["mp3", "opus", "aac", "flac", "wav"]
FORMATS: tuple[Format, ...] = ("mp3", "opus", "aac", "flac", "wav")
BOUNDARY = "the-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("sandbox")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_by(HEARING, tmp_path_factory.mktemp("transcripts"), {}) as stage:
        yield stage


@pytest.fixture
def client(sandbox: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{sandbox.url}/v1", api_key=sandbox.key, max_retries=0, timeout=60
    ) as client:
        yield client


def tone(seconds: float) -> bytes:
    """A WAV file of somebody else's."""
    rate = 8_000
    samples = b"".join(
        struct.pack("<h", round(9_000 * math.sin(place / 3)))
        for place in range(round(seconds * rate))
    )
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
        b"data", len(samples),
    )  # fmt: skip
    return head + samples


def speak(client: openai.OpenAI, audio_format: Format) -> bytes:
    return client.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format=audio_format
    ).content


def write_form(file: bytes, **fields: str) -> bytes:
    lines = []
    for name, value in fields.items():
        lines.append(
            f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}'
        )
    lines.append(
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n'
        "content-type: audio/wav\r\n\r\n"
    )
    return "\r\n".join(lines).encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


async def send(stage: Stage, body: bytes, request_id: str = "") -> tuple[Head, bytes]:
    async with Caller(stage.gateway) as caller:
        caller.post(TRANSCRIPTIONS, body, content_type=FORM, x_request_id=request_id)
        return await caller.read_answer()


# The sandbox


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("audio_format", FORMATS)
def test_sandbox_gives_back_what_it_said(client: openai.OpenAI, audio_format: Format) -> None:
    file = (f"said.{audio_format}", speak(client, audio_format))
    heard = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert heard.text == TEXT
    assert client.audio.translations.create(model="whisper-1", file=file).text == TEXT


def test_sandbox_says_of_other_audio_that_it_cannot_hear_it(client: openai.OpenAI) -> None:
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", tone(1.5)))
    assert "understands only its own speech" in heard.text
    assert "1.5 seconds" in heard.text


def test_sdk_reads_every_format(client: openai.OpenAI) -> None:
    file = ("said.wav", speak(client, "wav"))
    ask: Any = client.audio.transcriptions.create
    verbose = ask(
        model="whisper-1",
        file=file,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        temperature=0,
        prompt="A prompt.",
    )
    assert [segment.text for segment in verbose.segments] == ["It is said.", "And heard again!"]
    assert " ".join(word.word for word in verbose.words) == TEXT
    assert verbose.words[-1].end == verbose.segments[-1].end == verbose.duration
    assert ask(model="whisper-1", file=file, response_format="text") == TEXT + "\n"
    srt = ask(model="whisper-1", file=file, response_format="srt")
    assert srt.startswith("1\n00:00:00,000 --> ")
    vtt = ask(model="whisper-1", file=file, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_sdk_reads_a_transcript_as_it_is_made(client: openai.OpenAI) -> None:
    file = ("said.wav", speak(client, "wav"))
    events = list(
        client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
    )
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert "".join(deltas) == TEXT
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert last.text == TEXT
    assert last.usage is not None
    assert last.usage.input_tokens > 0


@pytest.mark.parametrize(
    "file", [b"no audio at all" * 100, b"RIFF", b"\xff\xfb\x90\x00" + bytes(9)]
)
def test_what_cannot_be_decoded_is_refused(client: openai.OpenAI, file: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", file))
    assert (caught.value.param, caught.value.code) == ("file", "undecodable_audio")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "rtf"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"model": "no-such-model"}, "model"),
        ({"file": "no file"}, "other"),
        ({"temperature": "5"}, "temperature"),
        ({"timestamp_granularities[]": "a"}, "timestamp_granularities[0]"),
    ],
)
def test_wrong_field_is_named(sandbox: GatewayProcess, fields: dict[str, str], param: str) -> None:
    answer = requests.post(
        sandbox.url + TRANSCRIPTIONS,
        headers={"authorization": f"Bearer {sandbox.key}"},
        data={"model": "whisper-1", **fields},
        files={"other" if "file" in fields else "file": ("a.wav", tone(0.2))},
        timeout=30,
    )
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


# A provider that the test plays


async def test_form_reaches_the_provider_with_its_model_and_the_whole_file(stage: Stage) -> None:
    received: list[Received | None] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.read_request())
        body = b'{"text": "Hello.", "usage": {"type": "duration", "seconds": 2}}'
        await peer.answer(body, b"content-type: application/json")

    file = tone(2.0)
    body = write_form(file, model="by-time", language="en", **{"include[]": "logprobs"})
    async with stage.upstream(script):
        head, answer = await send(stage, body, "form")
    assert (head.status, head.header("content-type")) == (200, "application/json")
    assert json.loads(answer)["text"] == "Hello."
    (request,) = received
    assert request is not None
    assert request.target == b"/v1/audio/transcriptions"
    assert (request.header(b"content-type") or b"").startswith(b"multipart/form-data; boundary=")
    for part in (b'name="model"\r\n\r\near\r\n', b'name="include[]"\r\n\r\nlogprobs\r\n', file):
        assert part in request.body
    row = wait_for_row(stage.gateway, "form")
    assert (row.charge_nano, row.is_estimated) == (2_000_000, 0)
    assert row.charge_nano <= row.held_nano


async def test_text_is_handed_on_as_what_it_is_and_charged_by_the_length_of_the_file(
    stage: Stage,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"Hello.\n", b"content-type: text/plain; charset=utf-8")

    body = write_form(tone(1.5), model="by-time", response_format="text")
    async with stage.upstream(script):
        head, answer = await send(stage, body, "text")
    assert (head.header("content-type"), answer) == ("text/plain; charset=utf-8", b"Hello.\n")
    assert wait_for_row(stage.gateway, "text").charge_nano == 1_500_000


async def test_streamed_transcript_passes_and_its_tokens_are_charged(stage: Stage) -> None:
    usage = {
        "input_tokens": 25,
        "input_token_details": {"audio_tokens": 20, "text_tokens": 5},
        "output_tokens": 7,
    }
    said = (
        {"type": "transcript.text.delta", "delta": "Hello."},
        {"type": "transcript.text.done", "text": "Hello.", "usage": usage},
    )
    events = [f"data: {json.dumps(event)}\n\n".encode() for event in said]

    async def script(peer: Peer) -> None:
        await peer.read_request()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        await peer.send(head + b"transfer-encoding: chunked\r\n\r\n")
        await peer.send_chunks(*events, b"")

    async with stage.upstream(script):
        _, answer = await send(stage, write_form(tone(2), model="by-tokens", stream="true"), "sse")
    assert answer == b"".join(events)
    row = wait_for_row(stage.gateway, "sse")
    assert (row.charge_nano, row.is_estimated) == (5 * 1_000 + 20 * 2_000 + 7 * 3_000, 0)
    assert row.charge_nano <= row.held_nano


async def test_the_same_form_becomes_the_same_bytes_each_time(stage: Stage) -> None:
    file, bodies = tone(3), list[bytes]()

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            bodies.append(request.body)
            await peer.answer(b'{"text": "Hi"}', b"content-type: application/json")

    async with stage.upstream(script):
        for _ in range(2):
            await send(stage, write_form(file, model="by-time"))
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


# Faults


async def pieces_of(size: int) -> AsyncIterator[bytes]:
    """The samples of a long WAV file."""
    piece = bytes(MIB)
    for _ in range(size // MIB):
        yield piece


def count_files(gateway: GatewayProcess) -> int:
    """The temporary files that the gateway has open, which have no name."""
    found = 0
    for process in [psutil.Process(gateway.pid), *psutil.Process(gateway.pid).children(True)]:
        for entry in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                found += "(deleted)" in os.readlink(entry)
            except OSError:
                continue
    return found


async def test_hundred_megabytes_pass_with_memory_flat_and_nothing_left(stage: Stage) -> None:
    size, arrived = 100 * MIB, 0

    async def script(peer: Peer) -> None:
        nonlocal arrived
        while head := await peer.read_head():
            left = int(head.header(b"content-length") or 0)
            while left:
                piece = await peer.reader.read(min(left, MIB))
                left -= len(piece)
                arrived += len(piece)
            await peer.answer(b'{"text": "Long."}', b"content-type: application/json")

    async def upload() -> bytes:
        rate = 48_000
        wav = struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, rate, 4 * rate, 4, 16, b"data", size,
        )  # fmt: skip
        empty = write_form(b"", model="by-time")
        end = f"\r\n--{BOUNDARY}--\r\n".encode()
        begin = empty[: -len(end)] + wav
        async with Caller(stage.gateway) as caller:
            lines = [
                f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", f"content-type: {FORM}",
                f"authorization: Bearer {stage.gateway.key}", "x-request-id: large",
                f"content-length: {len(begin) + size + len(end)}",
            ]  # fmt: skip
            caller.writer.write("\r\n".join([*lines, "", ""]).encode() + begin)
            async for piece in pieces_of(size):
                caller.writer.write(piece)
                await caller.writer.drain()
            caller.writer.write(end)
            await caller.writer.drain()
            async with asyncio.timeout(60):
                return await caller.reader.readuntil(b"\r\n\r\n")

    async with stage.upstream(script):
        # The first loads what decodes.
        await send(stage, write_form(tone(1), model="by-time"))
        arrived, before = 0, stage.gateway.resident_bytes
        head = await upload()
        grown = stage.gateway.resident_bytes - before
    assert head.startswith(b"HTTP/1.1 200")
    assert arrived > size
    assert grown < 20 * MIB
    assert count_files(stage.gateway) == 0
    ms = size * 1000 // (48_000 * 4)
    assert wait_for_row(stage.gateway, "large").charge_nano == pytest.approx(ms * 1_000, abs=1_000)


async def test_upload_that_stops_half_way_leaves_nothing(stage: Stage) -> None:
    body = write_form(tone(200), model="by-time")
    async with Caller(stage.gateway) as caller:
        lines = [
            f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", f"content-type: {FORM}",
            f"authorization: Bearer {stage.gateway.key}", "x-request-id: half",
            f"content-length: {len(body)}", "expect: 100-continue",
        ]  # fmt: skip
        caller.writer.write("\r\n".join([*lines, "", ""]).encode())
        assert (await caller.read_head()).status == 100
        caller.writer.write(body[: len(body) // 2])
        await caller.writer.drain()
    with contextlib.suppress(ConnectionError):
        await caller.writer.wait_closed()
    assert stage.wait_for_line(is_request("half"))["status"] == 499
    assert count_files(stage.gateway) == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", b"not all of it arrived"),
        (b"no form", b"could not be read"),
        (write_form(tone(0.1))[:-20], b"not all of it arrived"),
        (
            f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'.encode()
            * 10_000,
            b"more than 128 parts",
        ),
        (
            f"--{BOUNDARY}\r\n".encode() + b"x-endless: " + b"a" * MIB,
            b"header size",
        ),
        (f"--{BOUNDARY}\r\n".encode() + b"x-many: 1\r\n" * 10_000, b""),
        (write_form(tone(0.1)), b"'model' is missing"),
        (write_form(b"", model="by-time"), b"is empty"),
    ],
    ids=["nothing", "no form", "cut", "10,000 parts", "long header", "headers", "model", "file"],
)
async def test_bad_form_is_a_clear_error_and_leaves_nothing(
    stage: Stage, body: bytes, said: bytes
) -> None:
    before = stage.gateway.resident_bytes
    head, answer = await send(stage, body)
    assert head.status == 400
    assert said in answer
    assert count_files(stage.gateway) == 0
    assert stage.gateway.resident_bytes - before < 20 * MIB


async def test_ten_gigabytes_are_refused_before_they_are_sent(stage: Stage) -> None:
    async with Caller(stage.gateway) as caller:
        lines = [
            f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", f"content-type: {FORM}",
            f"authorization: Bearer {stage.gateway.key}", f"content-length: {10 * 2**30}",
        ]  # fmt: skip
        caller.writer.write("\r\n".join([*lines, "", ""]).encode())
        head, answer = await caller.read_answer()
    assert head.status == 413
    assert b"upload_bytes_max" in answer


async def test_who_has_no_key_is_refused_before_anything_is_read(stage: Stage) -> None:
    async with Caller(stage.gateway) as caller:
        lines = [
            f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", f"content-type: {FORM}",
            "authorization: Bearer ng-none", f"content-length: {MIB}",
        ]  # fmt: skip
        caller.writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _ = await caller.read_answer()
    assert head.status == 401


async def test_provider_that_fails_leaves_nothing(stage: Stage) -> None:
    head, _ = await send(stage, write_form(tone(60), model="by-time"), "no-provider")
    assert head.status >= 500
    assert count_files(stage.gateway) == 0
    assert wait_for_row(stage.gateway, "no-provider").charge_nano == 0


async def test_client_that_leaves_stops_the_provider_and_leaves_nothing(stage: Stage) -> None:
    async with stage.upstream() as upstream:
        async with Caller(stage.gateway) as caller:
            caller.post(
                TRANSCRIPTIONS,
                write_form(tone(200), model="by-time"),
                content_type=FORM,
                x_request_id="left",
            )
            peer = await upstream.accept()
            await peer.read_request()
        await peer.closed()
    assert wait_for_row(stage.gateway, "left").charge_nano == 0
    assert count_files(stage.gateway) == 0


def test_same_key_and_file_is_charged_once(client: openai.OpenAI) -> None:
    answers = [
        client.audio.transcriptions.with_raw_response.create(
            model="whisper-1",
            file=("a.wav", io.BytesIO(tone(0.5))),
            extra_headers={"idempotency-key": "hear-once"},
        )
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["x-nagara-idempotent-replay"] == "true"
