"""The upstreams of the bench, both as cheap as they come, and the same for all that is measured.

A plain answer comes from nginx, which returns fixed bytes. A stream comes from `python -m
bench.upstreams PORT`: one event a write, and never two writes of one stream within the interval,
so that a chunk arrives alone and the proxy has to handle each by itself. Every event holds the
byte `MARK` once and nothing else does: counting that byte counts the events, however they are
split or merged on the way.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

import uvloop

MODEL = "gpt-4.1-mini"
MARK = b"~"
STREAM_CHUNKS = 200
CHUNK_INTERVAL_S = 0.005
READY_PATH = "/ready"

USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}


def plain_answer() -> str:
    """A chat completion of 0.8 KB, with usage."""
    message = {"role": "assistant", "content": "A fixed answer of some length. " * 15}
    return json.dumps({
        "id": "chatcmpl-bench0000000000000000000000",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
    })  # fmt: skip


def nginx_upstream_config(port: int, folder: Path) -> str:
    """nginx as a provider that answers every path with `plain_answer()`."""
    return nginx_config(
        f"""
        server {{
            listen 127.0.0.1:{port} backlog=1024;
            location / {{
                default_type application/json;
                return 200 '{plain_answer()}';
            }}
        }}
        """,
        folder,
    )


def nginx_config(servers: str, folder: Path) -> str:
    """A whole configuration around `servers`: one process, no logs, all its files in `folder`."""
    return f"""
    daemon off;
    master_process off;
    worker_processes 1;
    pid {folder}/nginx.pid;
    error_log /dev/null crit;
    events {{ worker_connections 2048; }}
    http {{
        access_log off;
        keepalive_requests 10000000;
        tcp_nodelay on;
        client_body_temp_path {folder}/body;
        proxy_temp_path {folder}/proxy;
        fastcgi_temp_path {folder}/fastcgi;
        uwsgi_temp_path {folder}/uwsgi;
        scgi_temp_path {folder}/scgi;
        {servers}
    }}
    """


def stream_event(index: int) -> bytes:
    """One `chat.completion.chunk` of some 225 bytes as it stands on the wire."""
    choice = {"index": 0, "delta": {"content": f" tok{index:03}~"}, "finish_reason": None}
    return _event({
        "id": "chatcmpl-bench0000000000000000000000",
        "object": "chat.completion.chunk",
        "created": 1_750_000_000,
        "model": MODEL,
        "system_fingerprint": "fp_bench",
        "choices": [choice],
    })  # fmt: skip


def _event(payload: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_CHUNKS = [_http_chunk(stream_event(index)) for index in range(STREAM_CHUNKS)]
_FINAL = {"id": "chatcmpl-bench0000000000000000000000", "object": "chat.completion.chunk",
          "created": 1_750_000_000, "model": MODEL, "choices": [], "usage": USAGE}  # fmt: skip
_END = _http_chunk(_event(_FINAL) + b"data: [DONE]\n\n") + b"0\r\n\r\n"


class StreamingUpstream(asyncio.Protocol):
    """Answers each POST with one paced stream, and a GET with an empty 200.

    It trusts its peer: a request has a content-length, and the next comes after the answer.
    """

    def __init__(self) -> None:
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, but not the class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = bytes(self._received).partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        self._received.clear()
        if head.startswith(b"GET"):
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        else:
            self._transport.write(_HEAD)
            self._send_later(0)

    def _send_later(self, index: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CHUNK_INTERVAL_S, self._send, index)

    def _send(self, index: int) -> None:
        if index == STREAM_CHUNKS:
            self._transport.write(_END)
        else:
            self._transport.write(_CHUNKS[index])
            self._send_later(index + 1)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(StreamingUpstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
