"""The load: wrk for plain calls as fast as they go, an asyncio client for streams; for calls of a
fixed rate see `paced`. Bounded, and on loopback only.

Both keep a fixed number of connections busy, and check what comes back: a figure for requests
that failed, or for a stream that lost a chunk, is worth nothing and raises `BenchError` instead.
"""

import asyncio
import contextlib
import http.client
import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from bench import processes
from bench.processes import BenchError
from bench.upstreams import CHUNK_INTERVAL_S, MARK, MODEL, STREAM_CHUNKS, plain_answer

PATH = "/v1/chat/completions"
CONNECTIONS = 32
STREAMS = 64
STREAM_TIMEOUT_S = 20.0
READ_BYTES_MAX = 65_536

_QUESTION = "How does a proxy stay out of the way of the bytes that pass through it? " * 11


def chat_body(*, is_streamed: bool, model: str = MODEL) -> bytes:
    """A chat request of 1 KB."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You answer briefly, and say what you do not know."},
            {"role": "user", "content": _QUESTION},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if is_streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


class PlainLoad(msgspec.Struct, frozen=True):
    """What wrk saw: `failed` counts other statuses than 2xx and 3xx, and socket errors."""

    requests: int
    failed: int
    p99_us: int


class StreamLoad(NamedTuple):
    """What the streaming client saw. `reads` are pieces as the kernel delivered them."""

    chunks: int
    reads: int


_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer %(key)s"
wrk.body = [==[%(body)s]==]
done = function(summary, latency)
  local e = summary.errors
  local failed = e.status + e.connect + e.read + e.write + e.timeout
  io.write(string.format('\\n{"requests":%%d,"failed":%%d,"p99_us":%%d}\\n',
    summary.requests, failed, latency:percentile(99)))
end
"""


def write_wrk_script(path: Path, key: str) -> None:
    """A script for wrk that posts `chat_body` with `key`, and ends with `PlainLoad` as JSON."""
    path.touch(mode=0o600)
    path.write_text(_SCRIPT % {"key": key, "body": chat_body(is_streamed=False).decode()})


def check_plain(port: int, key: str) -> None:
    """One call whose answer must be the upstream's; wrk looks at statuses only."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    with contextlib.closing(connection):
        connection.request("POST", PATH, chat_body(is_streamed=False), headers)
        answer = connection.getresponse().read()
    if json.loads(answer) != json.loads(plain_answer()):
        raise BenchError(f"port {port} did not hand on the upstream's answer: {answer[:300]!r}")


def plain(wrk: str, port: int, script: Path, core: int, duration_s: int) -> PlainLoad:
    """Post for `duration_s` on `CONNECTIONS` connections."""
    url = f"http://127.0.0.1:{port}{PATH}"
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{duration_s}s", "--timeout", "5s", "-s", str(script)]
    with processes.pinned(core):
        done = subprocess.run(
            [wrk, *options, url],
            capture_output=True, text=True, timeout=duration_s + 20, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"wrk failed: {done.stderr.strip()[-500:]}")
    seen = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=PlainLoad)
    if seen.failed or not seen.requests:
        raise BenchError(f"{seen.failed} of {seen.requests} requests failed on port {port}")
    return seen


def streams(port: int, key: str, core: int, turns: int) -> StreamLoad:
    """Read `turns` streams, one after the other, on each of `STREAMS` connections."""
    with processes.pinned(core):
        return uvloop.run(_all_streams(port, key, turns))


async def _all_streams(port: int, key: str, turns: int) -> StreamLoad:
    readers = [_one_connection(index, port, key, turns) for index in range(STREAMS)]
    seen = await asyncio.gather(*readers)
    return StreamLoad(sum(each.chunks for each in seen), sum(each.reads for each in seen))


async def _one_connection(index: int, port: int, key: str, turns: int) -> StreamLoad:
    # Spread over one interval, so that the streams do not march in step.
    await asyncio.sleep(index * CHUNK_INTERVAL_S / STREAMS)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        seen = [await _one_stream(reader, writer, key) for _ in range(turns)]
    finally:
        writer.close()
    return StreamLoad(sum(each.chunks for each in seen), sum(each.reads for each in seen))


async def _one_stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
) -> StreamLoad:
    writer.write(make_request(key, chat_body(is_streamed=True)))
    chunks = reads = 0
    tail = b""
    async with asyncio.timeout(STREAM_TIMEOUT_S):
        while not tail.endswith(b"0\r\n\r\n"):
            data = await reader.read(READ_BYTES_MAX)
            if not data:
                break
            chunks += data.count(MARK)
            reads += 1
            tail = (tail + data)[-512:]
    if chunks != STREAM_CHUNKS or b"[DONE]" not in tail:
        raise BenchError(f"a stream gave {chunks} chunks and ended with {tail[-200:]!r}")
    return StreamLoad(chunks, reads)


def make_request(key: str, body: bytes) -> bytes:
    """A chat request as it is sent."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
