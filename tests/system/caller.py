"""A client of the gateway that reads as slowly, and leaves as suddenly, as a test wants.

It shares the test's event loop with `FakeUpstream`, so both ends of an exchange are in one test
and on one clock. Nothing is retried; every wait has a deadline.
"""

import asyncio
import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import msgspec

WAIT_S = 10.0
LINE_BYTES_MAX = 2**20


class Served(Protocol):
    """What a caller has to know: where the gateway is, and a key."""

    url: str
    key: str


class Head(msgspec.Struct, frozen=True):
    """The head of an answer; names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


class Caller:
    """One connection to the gateway; `async with Caller(gateway) as caller`."""

    def __init__(self, gateway: Served, *, receive_buffer_bytes: int | None = None) -> None:
        self._port = urlsplit(gateway.url).port
        self._key = gateway.key
        self._receive_buffer_bytes = receive_buffer_bytes
        self._is_chunked = False
        self._left = 0
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        raw = socket.socket()
        raw.setblocking(False)
        if self._receive_buffer_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._port))
        except OSError:
            raw.close()
            raise
        limit = self._receive_buffer_bytes or LINE_BYTES_MAX
        self.reader, self.writer = await asyncio.open_connection(sock=raw, limit=limit)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection now, whatever is still to come."""
        self.writer.transport.abort()

    def post(self, path: str, body: bytes | Mapping[str, Any], **headers: str) -> None:
        """Send a request; underscores in the names of headers become hyphens."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in named.items() if value]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + data)

    async def read_head(self) -> Head:
        """The head of the answer."""
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        answer = Head(int(status_line.split(" ")[1]), headers)
        self._is_chunked = answer.header("transfer-encoding") == "chunked"
        self._left = int(answer.header("content-length") or 0)
        return answer

    async def read_piece(self) -> bytes:
        """The next piece of the body as the gateway framed it; empty at its end."""
        async with asyncio.timeout(WAIT_S):
            if not self._is_chunked:
                data = await self.reader.readexactly(self._left)
                self._left = 0
                return data
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            return data

    async def read_body(self) -> bytes:
        """The body to its end."""
        pieces = []
        while piece := await self.read_piece():
            pieces.append(piece)
        return b"".join(pieces)

    async def read_answer(self) -> tuple[Head, bytes]:
        """Head and body."""
        head = await self.read_head()
        return head, await self.read_body()

    async def read_until(self, mark: bytes) -> bytes:
        """Pieces of the body until `mark` was among them."""
        seen = b""
        while mark not in seen:
            piece = await self.read_piece()
            assert piece, f"the answer ended without {mark!r}: {seen!r}"
            seen += piece
        return seen


async def call(
    gateway: Served, path: str, body: bytes | Mapping[str, Any], **headers: str
) -> tuple[Head, bytes]:
    """One request on a connection of its own, and its whole answer."""
    async with Caller(gateway) as caller:
        caller.post(path, body, **headers)
        return await caller.read_answer()
