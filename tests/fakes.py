"""Doubles that the tests share: a clock, a client's side of a request, an upstream with a socket.

`FakeUpstream` reads as a conversation. By hand, a test plays both sides:

    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.get(upstream.url))
        peer = await upstream.accept()
        request = await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n", b"content-length: 2\r\n\r\nhi")

Or a script plays the upstream's side, once for each connection:

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(b"hi")

    async with FakeUpstream(script) as upstream: ...

`stall()` waits until the client leaves, `closed()` says that it has left. Nothing is timed here.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import msgspec

from nagara.domain.errors import GatewayError

READ_BYTES = 256 * 1024
GREETING_TURNS = 10


class FakeClock:
    """A `Clock` that moves when it is told to."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._monotonic_s = 1000.0

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds
        self._monotonic_s += seconds

    def set_now(self, now_s: float) -> None:
        """Let somebody set the clock of the day."""
        self._now_s = now_s

    def set_monotonic(self, monotonic_s: float) -> None:
        """Let the machine have been up for so long."""
        self._monotonic_s = monotonic_s


class FakeAnswer:
    """An upstream's answer whose pieces are all here; an error among them is raised."""

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], *pieces: bytes | GatewayError
    ) -> None:
        self.status = status
        self.headers = headers
        self.pieces = list(pieces)
        self.is_aborted = False
        self.is_drained = False

    def take(self) -> bytes | None:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, GatewayError):
            raise piece
        return piece

    def listen(self, on_news: Callable[[], None] | None) -> None:
        """There is no news."""

    async def read(self) -> bytes:
        return self.take() or b""

    def abort(self) -> None:
        self.is_aborted = True


class FakeReply:
    """A `Reply` that keeps what is sent. `is_full` is the test's to set."""

    def __init__(self) -> None:
        self.has_started = self.is_ended = self.is_full = self.is_broken_off = False
        self.on_room: Callable[[], None] | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        assert not self.has_started
        self.has_started, self.status, self.headers = True, status, headers

    def write(self, body: bytes) -> None:
        assert self.has_started
        assert not self.is_ended
        assert body
        self.pieces.append(body)

    def end(self, body: bytes = b"") -> None:
        assert self.has_started
        assert not self.is_ended
        self.pieces.append(body)
        self.is_ended = True

    def break_off(self) -> None:
        assert self.has_started
        assert not self.is_ended
        self.is_ended = self.is_broken_off = True

    def abandon(self, bytes_max: int) -> None:
        raise NotImplementedError

    def statements_for(self, last: bytes) -> tuple[()]:
        return ()

    @property
    def head(self) -> dict[bytes, bytes]:
        return dict(self.headers)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class Received(msgspec.Struct):
    """A request as the upstream got it; header names in lower case, the body without framing."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


class Peer:
    """The upstream's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request_count = 0
        self._draining = asyncio.Lock()

    async def read_head(self) -> Received | None:
        """The head of the next request; None when the client has closed the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        start, *lines = head[:-4].split(b"\r\n")
        method, target, _ = start.split(b" ")
        pairs = (line.split(b": ", 1) for line in lines)
        self.request_count += 1
        return Received(method, target, [(name.lower(), value) for name, value in pairs])

    async def read_request(self) -> Received | None:
        """The next request with its body; None when the client has closed the connection."""
        request = await self.read_head()
        if request is None:
            return None
        if request.header(b"transfer-encoding") == b"chunked":
            while size := int(await self.reader.readline(), 16):
                request.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            length = int(request.header(b"content-length") or 0)
            request.body = await self.reader.readexactly(length)
        return request

    async def send(self, *pieces: bytes) -> None:
        """Send each piece by itself, so that a client in the same loop reads it by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)

    async def answer(self, body: bytes, *headers: bytes, status: int = 200) -> None:
        """Send a whole answer with a content-length."""
        lines = [b"HTTP/1.1 %d OK" % status, b"content-length: %d" % len(body), *headers]
        await self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    async def send_chunks(self, *chunks: bytes) -> None:
        """Send each as a chunk of its own; an empty one ends the body."""
        for chunk in chunks:
            await self.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def half_close(self) -> None:
        """Send no more, but go on reading."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close after what was sent."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset, as a host that has forgotten the connection does."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Return when the client has closed the connection; what it sent before is dropped."""
        async with self._draining:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while await self.reader.read(READ_BYTES):
                    pass

    stall = closed


Script = Callable[[Peer], Awaitable[None]]


class FakeUpstream:
    """A server on a free loopback port that does what a script says, or what the test does."""

    def __init__(self, script: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.peers: list[Peer] = []
        self._script = script
        self._tls = tls
        self._accepted: asyncio.Queue[Peer] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL, by the name `localhost` under TLS and by address without."""
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    async def accept(self) -> Peer:
        """The next connection that the client has made."""
        return await self._accepted.get()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._greet, "127.0.0.1", self.port, ssl=self._tls, limit=READ_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        # A connection that was accepted just now takes a few turns of the loop to reach `_greet`.
        for _ in range(GREETING_TURNS):
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.writer.transport.abort()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await peer.writer.wait_closed()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self._accepted.put_nowait(peer)
        if self._script is not None:
            task = asyncio.ensure_future(self._play(self._script, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, script: Script, peer: Peer) -> None:
        # A client that leaves in the middle is what many scripts are for.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await script(peer)
