"""The load: wrk for plain calls as fast as they go, an asyncio client for those of a fixed rate and
for streams. Bounded, and on loopback only.

Both keep a fixed number of connections busy, and check what comes back: a figure for requests
that failed, or for a stream that lost a chunk, is worth nothing and raises `BenchError` instead.
"""

import asyncio
import contextlib
import http.client
import json
import re
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
PACED_PER_S = 3000
STREAM_TIMEOUT_S = 20.0
READ_BYTES_MAX = 65_536

_QUESTION = "How does a proxy stay out of the way of the bytes that pass through it? " * 11


def chat_body(is_streamed: bool) -> bytes:
    """A chat request of 1 KB."""
    body: dict[str, object] = {
        "model": MODEL,
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


def paced(port: int, key: str, core: int, duration_s: int) -> int:
    """Post `PACED_PER_S` times a second for `duration_s`; the number of calls, all of them good."""
    with processes.pinned(core):
        return uvloop.run(_all_paced(port, key, duration_s))


async def _all_paced(port: int, key: str, duration_s: int) -> int:
    ends_s = asyncio.get_running_loop().time() + duration_s
    callers = [_paced_connection(index, port, key, ends_s) for index in range(CONNECTIONS)]
    return sum(await asyncio.gather(*callers))


async def _paced_connection(index: int, port: int, key: str, ends_s: float) -> int:
    loop, interval_s = asyncio.get_running_loop(), CONNECTIONS / PACED_PER_S
    request = _request(key, chat_body(is_streamed=False))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due_s, calls = loop.time() + interval_s * index / CONNECTIONS, 0
    try:
        while due_s < ends_s:
            await asyncio.sleep(due_s - loop.time())
            writer.write(request)
            async with asyncio.timeout(STREAM_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_content_length(head))
            if not head.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"port {port} answered {head[:100]!r}")
            calls, due_s = calls + 1, due_s + interval_s
    finally:
        writer.close()
    return calls


def _content_length(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    if found is None:
        raise BenchError(f"an answer without a length: {head[:300]!r}")
    return int(found[1])


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
    writer.write(_request(key, chat_body(is_streamed=True)))
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


def _request(key: str, body: bytes) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
