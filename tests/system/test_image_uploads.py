"""Pictures from the client to the provider: whatever their size, and however the upload ends.

A provider played by the test, in OpenAI's format and in Gemini's, and the sandbox. Faults are of
the client: forms that stop, never end, or are of too many parts, and files that unpack to far more
than they are. Nothing of them may stay, in memory or on the disk.
"""

import asyncio
import base64
import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from tests.fakes import Peer
from tests.system.caller import Caller, Head
from tests.system.gateway import GatewayProcess
from tests.system.stage import Stage, is_request, staged_by
from tests.system.test_charges import wait_for_row

EDITS: Final = "/v1/images/edits"
MIB: Final = 2**20
BOUNDARY: Final = "the-boundary"
FORM: Final = f"multipart/form-data; boundary={BOUNDARY}"
END: Final = f"--{BOUNDARY}--\r\n".encode()
PNG: Final = b"\x89PNG\r\n\x1a\n"
PIECE: Final = bytes(MIB)
ANSWER: Final = json.dumps({"created": 1, "data": [{"b64_json": "eA=="}]}).encode()
DRAWN: Final = {
    "candidates": [
        {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "eA=="}}]}}
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1120},
}
PAINTING: Final = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "theirs"

[providers.gemini]
kind = "google"
base_url = "http://127.0.0.1:{port}/v1beta"
credential = "theirs"

[models.painter]
prices = {{ image = "0.04" }}
deployments = [{{ provider = "theirs", model = "brush" }}]

[models.gemini-painter]
prices = {{ image = "0.04" }}
deployments = [{{ provider = "gemini", model = "gemini-3-pro-image" }}]

[models.gemini-by-token]
prices = {{ input_mtok = "1", output_mtok = "10" }}
deployments = [{{ provider = "gemini", model = "gemini-3-pro-image" }}]

[models.by-size]
deployments = [{{ provider = "theirs", model = "brush" }}]
[models.by-size.prices]
images = [{{ size = "1K", price = "0.02" }}, {{ size = "2K", quality = "high", price = "0.05" }}]

[models.twice]
prices = {{ image = "0.04" }}
deployments = [
  {{ provider = "theirs", model = "first", priority = 0 }},
  {{ provider = "gemini", model = "gemini-3-pro-image", priority = 1 }},
]

[models.sandboxed]
prices = {{ image = "0.04" }}
deployments = [{{ provider = "sandbox", model = "gpt-image-2" }}]
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_by(PAINTING, tmp_path_factory.mktemp("uploads"), {}) as stage:
        yield stage


def field(name: str, value: str) -> bytes:
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'
    return (head + value + "\r\n").encode()


def file_head(name: str) -> bytes:
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"; filename="a.png"\r\n'
    return (head + "content-type: image/png\r\n\r\n").encode()


def write_form(picture: bytes, model: str = "painter", **fields: str) -> bytes:
    texts = {"model": model, "prompt": "A cat", **fields}
    begin = b"".join(field(name, value) for name, value in texts.items())
    return begin + file_head("image") + picture + b"\r\n" + END


def write_head(stage: Stage, length: int, request_id: str, *more: str) -> bytes:
    lines = [
        f"POST {EDITS} HTTP/1.1", "host: x", f"content-type: {FORM}",
        f"authorization: Bearer {stage.gateway.key}", f"x-request-id: {request_id}",
        f"content-length: {length}", *more,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


async def send(stage: Stage, body: bytes, request_id: str = "x") -> tuple[Head, bytes]:
    async with Caller(stage.gateway) as caller:
        caller.writer.write(write_head(stage, len(body), request_id) + body)
        with contextlib.suppress(ConnectionError):
            await caller.writer.drain()
        head = await caller.read_head()
        answer = await caller.reader.readexactly(int(head.header("content-length") or 0))
    return head, answer


def count_files(gateway: GatewayProcess) -> int:
    """Files without a name that its processes have open."""
    found, process = 0, psutil.Process(gateway.pid)
    for each in (process, *process.children(recursive=True)):
        for entry in Path(f"/proc/{each.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += "(deleted)" in os.readlink(entry)
    return found


class Arrived:
    """What came to the provider: its size, how it begins and how it ends."""

    def __init__(self) -> None:
        self.size = 0
        self.beginning = b""
        self.end = b""

    async def take(self, peer: Peer, left: int) -> None:
        while left:
            piece = await peer.reader.read(min(left, MIB))
            assert piece
            left -= len(piece)
            self.size += len(piece)
            self.beginning = (self.beginning + piece)[:2000]
            self.end = (self.end + piece)[-200:]


@pytest.mark.parametrize(
    ("model", "answer"), [("painter", ANSWER), ("gemini-painter", json.dumps(DRAWN).encode())]
)
async def test_large_image_and_a_mask_of_fifty_megabytes_leave_memory_flat(
    stage: Stage, model: str, answer: bytes
) -> None:
    arrived = Arrived()

    async def script(peer: Peer) -> None:
        while head := await peer.read_head():
            await arrived.take(peer, int(head.header(b"content-length") or 0))
            await peer.answer(answer)

    # Gemini's has no place for a mask: there all of it is in the image.
    sizes = [50, 50] if model == "painter" else [100]
    begin = field("model", model) + field("prompt", "A cat")
    heads = [file_head(name) + PNG for name in ("image", "mask")[: len(sizes)]]
    length = len(begin) + sum(len(h) + n * MIB + 2 for h, n in zip(heads, sizes, strict=True))
    length += len(END)
    async with stage.upstream(script):
        await send(stage, write_form(PNG + b"x", model))
        arrived, before = Arrived(), stage.gateway.resident_bytes
        async with Caller(stage.gateway) as caller:
            caller.writer.write(write_head(stage, length, f"large-{model}") + begin)
            for head, count in zip(heads, sizes, strict=True):
                caller.writer.write(head)
                for _ in range(count):
                    caller.writer.write(PIECE)
                    await caller.writer.drain()
                caller.writer.write(b"\r\n")
            caller.writer.write(END)
            await caller.writer.drain()
            async with asyncio.timeout(60):
                told = await caller.reader.readuntil(b"\r\n\r\n")
        grown = stage.gateway.resident_bytes - before
    assert told.startswith(b"HTTP/1.1 200"), told
    assert arrived.size > 100 * MIB
    assert grown < 20 * MIB
    assert count_files(stage.gateway) == 0
    if model == "painter":
        assert arrived.end.endswith(b"--\r\n")
    else:
        # As base64 in JSON, with nothing broken in its middle.
        assert arrived.size > 133 * MIB
        assert base64.b64encode(PNG)[:8] in arrived.beginning
        assert b"A cat" in arrived.end
    assert wait_for_row(stage.gateway, f"large-{model}").charge_nano == 40_000_000


async def test_upload_goes_to_the_next_deployment_in_its_own_format(stage: Stage) -> None:
    """The first fails after it has read all of it; the second wants JSON, and the same bytes."""
    picture = PNG + bytes(range(256)) * 8_001
    asked: list[tuple[bytes, bytes]] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            asked.append((request.target, request.body))
            if len(asked) == 1:
                await peer.answer(b'{"error": {"message": "No."}}', status=500)
            else:
                await peer.answer(json.dumps(DRAWN).encode())

    async with stage.upstream(script):
        head, answer = await send(stage, write_form(picture, "twice"), "twice")
    assert head.status == 200, answer
    assert head.header("x-nagara-attempts") == "2"
    (first, form), (second, body) = asked
    assert first.endswith(b"/images/edits")
    assert picture in form
    assert second.endswith(b"/gemini-3-pro-image:generateContent")
    shown, said = json.loads(body)["contents"][0]["parts"]
    assert base64.b64decode(shown["inlineData"]["data"]) == picture
    assert said == {"text": "A cat"}
    assert json.loads(answer)["data"] == [{"b64_json": "eA=="}]
    assert count_files(stage.gateway) == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, b"PROHIBITED_CONTENT"),
        (
            {"candidates": [{"content": {"parts": [{"text": "I draw no cats."}]}}]},
            b"I draw no cats.",
        ),
    ],
)
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_refusal_to_draw_says_why_and_costs_nothing(
    stage: Stage, answer: dict[str, Any], said: bytes, stream: str
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(json.dumps(answer).encode())

    name = f"refused-{stream}-{len(said)}"
    body = write_form(PNG + b"x", "gemini-painter", stream=stream)
    async with stage.upstream(script), Caller(stage.gateway) as caller:
        caller.writer.write(write_head(stage, len(body), name) + body)
        await caller.writer.drain()
        head = await caller.read_head()
        told = b""
        async with asyncio.timeout(10):
            while said not in told:
                piece = await caller.reader.read(MIB)
                assert piece, told
                told += piece
    # A stream has begun by then, and ends with the error.
    assert head.status == (200 if stream == "true" else 400)
    assert b"invalid_request_error" in told
    assert wait_for_row(stage.gateway, name).charge_nano in (None, 0)


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_words_in_place_of_a_picture_are_not_for_nothing(stage: Stage, stream: str) -> None:
    answer = {
        "candidates": [{"content": {"parts": [{"text": "Paris."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 2000},
    }

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(json.dumps(answer).encode())

    name = f"words-{stream}"
    body = write_form(PNG + b"x", "gemini-by-token", stream=stream)
    async with stage.upstream(script), Caller(stage.gateway) as caller:
        caller.writer.write(write_head(stage, len(body), name) + body)
        await caller.writer.drain()
        head = await caller.read_head()
        told = b""
        async with asyncio.timeout(10):
            while b"Paris." not in told:
                piece = await caller.reader.read(MIB)
                assert piece, told
                told += piece
    assert head.status == (200 if stream == "true" else 400)
    if stream == "false":
        assert head.header("x-nagara-cost") == "0.021"
    assert wait_for_row(stage.gateway, name).charge_nano == 21_000_000


async def test_words_in_place_of_a_picture_are_repeated_for_nothing(stage: Stage) -> None:
    answer = {
        "candidates": [{"content": {"parts": [{"text": "Paris."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 2000},
    }
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        while await peer.read_request():
            asked += 1
            await peer.answer(json.dumps(answer).encode())

    body = write_form(PNG + b"x", "gemini-by-token")
    told = []
    async with stage.upstream(script):
        for number in range(2):
            async with Caller(stage.gateway) as caller:
                head = write_head(stage, len(body), f"again-{number}", "idempotency-key: again")
                caller.writer.write(head + body)
                await caller.writer.drain()
                got = await caller.read_head()
                length = int(got.header("content-length") or 0)
                said = await caller.reader.readexactly(length)
                told.append((got.status, said, got.header("x-nagara-cost")))
    assert [cost for _, _, cost in told] == ["0.021", "0.00"]
    assert told[0][:2] == told[1][:2]
    assert told[0][0] == 400
    assert asked == 1


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"size": "1024x1024"}, "0.02"),
        ({"size": "2048x2048", "quality": "high", "n": "2"}, "0.10"),
        # What nobody asked for is what came: here nothing is told, so the first in the list.
        ({}, "0.02"),
    ],
)
async def test_size_and_quality_that_are_asked_for_are_charged(
    stage: Stage, fields: dict[str, str], cost: str
) -> None:
    count = int(fields.get("n", "1"))
    answer = {"created": 1, "data": [{"b64_json": "eA=="}] * count}

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(json.dumps(answer).encode())

    async with stage.upstream(script):
        head, _ = await send(stage, write_form(PNG + b"x", "by-size", **fields))
    assert (head.status, head.header("x-nagara-cost")) == (200, cost)


async def test_upload_that_stops_half_way_leaves_nothing(stage: Stage) -> None:
    body = write_form(PNG + bytes(8 * MIB))
    async with Caller(stage.gateway) as caller:
        caller.writer.write(write_head(stage, len(body), "half", "expect: 100-continue"))
        assert (await caller.read_head()).status == 100
        caller.writer.write(body[: len(body) // 2])
        await caller.writer.drain()
    with contextlib.suppress(ConnectionError):
        await caller.writer.wait_closed()
    assert stage.wait_for_line(is_request("half"))["status"] == 499
    assert count_files(stage.gateway) == 0


async def test_length_of_ten_gigabytes_is_refused_before_it_is_read(stage: Stage) -> None:
    async with Caller(stage.gateway) as caller:
        caller.writer.write(write_head(stage, 10 * 2**30, "huge") + field("model", "painter"))
        head = await caller.read_head()
    assert head.status == 413
    assert head.header("connection") == "close"


async def test_body_that_goes_on_beyond_the_bound_is_stopped(stage: Stage) -> None:
    """Chunked, so that nobody says how long it will be."""
    async with Caller(stage.gateway) as caller:
        lines = [
            f"POST {EDITS} HTTP/1.1", "host: x", f"content-type: {FORM}",
            f"authorization: Bearer {stage.gateway.key}", "transfer-encoding: chunked",
            "x-request-id: endless",
        ]  # fmt: skip
        begin = "\r\n".join([*lines, "", ""]).encode()
        caller.writer.write(begin)
        piece = file_head("image") + PNG
        sent, before = 0, stage.gateway.resident_bytes
        with contextlib.suppress(ConnectionError):
            while sent < 400 * MIB:
                caller.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await caller.writer.drain()
                sent += len(piece)
                piece = PIECE
    # Whether the answer is still read depends on how much was on its way when it came.
    assert stage.wait_for_line(is_request("endless"))["status"] == 413
    assert sent < 400 * MIB
    assert stage.gateway.resident_bytes - before < 20 * MIB
    assert count_files(stage.gateway) == 0


def chunk(name: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes for each row, black, that is whole and decodes to width x height."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "said"),
    [((20_000, 20_000), b"more than 16777216 pixels"), ((6_000, 6_000), b"6000x6000 pixels")],
)
async def test_picture_that_unpacks_to_gigabytes_is_refused_by_what_it_says(
    stage: Stage, size: tuple[int, int], said: bytes
) -> None:
    body = write_form(bomb(*size), "sandboxed")
    await send(stage, write_form(PNG, "sandboxed"))
    before = stage.gateway.resident_bytes
    head, answer = await send(stage, body)
    assert (head.status, stage.gateway.resident_bytes - before < 20 * MIB) == (400, True), answer
    assert said in answer


async def test_pictures_that_are_too_many_together_are_refused_undecoded(stage: Stage) -> None:
    picture = bomb(4_096, 4_096)
    begin = field("model", "sandboxed") + field("prompt", "A cat")
    body = begin + (file_head("image[]") + picture + b"\r\n") * 16 + END
    before = stage.gateway.resident_bytes
    head, answer = await send(stage, body)
    assert (head.status, b"together" in answer) == (400, True), answer
    assert stage.gateway.resident_bytes - before < 20 * MIB


PART: Final = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="a[]"\r\n\r\n1\r\n'.encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", b"not all of it arrived"),
        (b"no form", b"could not be read"),
        (f"--{BOUNDARY}\r\ncontent-disposition: form-data; né=x\r\n\r\n".encode(), b"a name"),
        (write_form(PNG)[:-20], b"not all of it arrived"),
        (PART * 10_000, b"more than 128 parts"),
        (f"--{BOUNDARY}\r\n".encode() + b"x-endless: " + b"a" * MIB, b"header size"),
        (f"--{BOUNDARY}\r\n".encode() + b"x-many: 1\r\n" * 10_000, b"two headers"),
        (write_form(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), b"SVG"),
        (write_form(b"<?xml version='1.0'?><!DOCTYPE svg><svg/>"), b"SVG"),
        (write_form(b""), b"PNG, JPEG"),
        (write_form(PNG, prompt=""), b"prompt"),
        (field("prompt", "x" * (MIB + 1)) + END, b"too long"),
    ],
    ids=[
        "nothing", "no form", "foreign name", "cut", "10,000 parts", "long header", "headers",
        "svg", "svg as xml", "empty", "no prompt", "long prompt",
    ],
)  # fmt: skip
async def test_bad_form_is_a_clear_error_and_leaves_nothing(
    stage: Stage, body: bytes, said: bytes
) -> None:
    before = stage.gateway.resident_bytes
    head, answer = await send(stage, body)
    assert head.status == 400, answer
    assert said in answer
    error: Any = json.loads(answer)["error"]
    assert error["type"] == "invalid_request_error"
    # What the client did wrong is no news to the operator.
    assert "Expected boundary" not in stage.gateway.output
    assert stage.gateway.resident_bytes - before < 10 * MIB
    assert count_files(stage.gateway) == 0


async def test_who_has_no_key_fills_no_disk(stage: Stage) -> None:
    async with Caller(stage.gateway) as caller:
        head = write_head(stage, 50 * MIB, "stranger").replace(
            stage.gateway.key.encode(), b"ng-nobody"
        )
        caller.writer.write(head)
        assert (await caller.read_head()).status == 401
    assert count_files(stage.gateway) == 0
