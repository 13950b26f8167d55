"""How long the first byte of speech is on its way: from the upstream's write to the client's read.

Both ends are in this process, so one clock times them. The upstream waits a little before it
speaks, as a voice does, so that what is measured is the way of the audio alone: the request, its
hold and the answer's head are behind it or go with it. The floor is the same without a gateway.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench import processes, subjects
from bench.processes import BenchError

CALLS_AT_ONCE = 4
CALLS = 1_000
WARM_UP = 50
THINKING_S = 0.01
TIMEOUT_S = 10.0
TARGET_MS = 5.0
PIECE = bytes(range(256)) * 16
PIECES = 4
MODEL = "tts-1"
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class Passage(NamedTuple):
    """What one way took, in ms of each call."""

    name: str
    took_ms: Sequence[float]

    def percentile(self, share: int) -> float:
        """The ms within which so many of a hundred calls were."""
        return statistics.quantiles(self.took_ms, n=100)[share - 1]


class Speaker:
    """The upstream: a server that notes when it wrote its first byte, by the words it was given."""

    def __init__(self) -> None:
        self.spoke_s: dict[str, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_read_length(head))
                await asyncio.sleep(THINKING_S)
                words = json.loads(body)["input"]
                self.spoke_s[words] = time.perf_counter()
                chunk = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
                writer.write(HEAD + chunk)
                for _ in range(PIECES - 1):
                    writer.write(chunk)
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _read_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def measure(calls: int = CALLS) -> list[Passage]:
    """The gateway's way and the floor's. Raises `BenchError` when a call fails."""
    cores = processes.pick_cores()
    with (
        tempfile.TemporaryDirectory(prefix="nagara-bench-") as folder,
        processes.pinned(cores.load),
    ):
        return uvloop.run(_measure(Path(folder) / "data", cores.measured, calls))


async def _measure(data: Path, core: int, calls: int) -> list[Passage]:
    speaker = Speaker()
    server = await asyncio.start_server(speaker.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        loop = asyncio.get_running_loop()
        running = subjects.gateway(port, core, data)
        gateway = await loop.run_in_executor(None, running.__enter__)
        try:
            key = await loop.run_in_executor(None, subjects.make_key, data)
            ours = await _call_all(speaker, gateway.port, key, calls, "ours")
            floor = await _call_all(speaker, port, key, calls, "floor")
        finally:
            await loop.run_in_executor(None, running.__exit__, None, None, None)
    return [Passage("nagara", ours), Passage("floor", floor)]


async def _call_all(speaker: Speaker, port: int, key: str, calls: int, name: str) -> list[float]:
    took_ms: list[float] = []
    share = (calls + WARM_UP) // CALLS_AT_ONCE
    callers = [
        _call_on_one(speaker, port, key, [f"{name} {index} {n}" for n in range(share)], took_ms)
        for index in range(CALLS_AT_ONCE)
    ]
    await asyncio.gather(*callers)
    return took_ms[WARM_UP:]


async def _call_on_one(
    speaker: Speaker, port: int, key: str, all_words: Sequence[str], took_ms: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for words in all_words:
            writer.write(_make_request(key, words))
            async with asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise BenchError(f"a call was answered {head[:40]!r}")
                await reader.readuntil(b"\r\n")
                first = await reader.readexactly(1)
                took_ms.append((time.perf_counter() - speaker.spoke_s[words]) * 1000)
                rest = await reader.readuntil(b"\r\n0\r\n\r\n")
            if len(first + rest) < len(PIECE) * PIECES:
                raise BenchError("a call was answered with less than the upstream said")
    finally:
        writer.close()


def _make_request(key: str, words: str) -> bytes:
    body = json.dumps({"model": MODEL, "voice": "alloy", "input": words}).encode()
    lines = [
        "POST /v1/audio/speech HTTP/1.1", "host: bench", f"authorization: Bearer {key}",
        "content-type: application/json", f"content-length: {len(body)}",
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


def render(passages: Sequence[Passage]) -> str:
    """A table for people."""
    rows = []
    for each in passages:
        p50, p99 = each.percentile(50), each.percentile(99)
        verdict = ""
        if each.name == "nagara":
            verdict = f"  target {TARGET_MS:g} ms  " + ("met" if p99 <= TARGET_MS else "MISSED")
        rows.append(
            f"first byte of speech, {each.name:<7} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms"
            f"  of {len(each.took_ms)} calls{verdict}"
        )
    return "\n".join(rows)
