"""Back-pressure both ways: 500 MB through the client, and its memory stays where it was.

The upstream is a plain thread on a blocking socket: it sends and takes as fast as the client lets
it, and costs the event loop nothing.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from nagara.upstream.exchange import Exchange
from tests.unit.upstream.client import LIMITS, Client

STREAM_BYTES = 500_000_000
PIECE = b"x" * 250_000
GROWTH_BYTES_MAX = 16_000_000

# What one read of a transport may bring on top of the mark at which reading is paused: the bytes,
# and some for the objects that hold them.
TRANSPORT_READ_BYTES_MAX = 256 * 1024 + 4096


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A thread that serves one connection; the URL of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def run() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(20)
                serve(peer)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def send_stream(peer: socket.socket, *, is_chunked: bool) -> None:
    peer.recv(65536)
    framing = b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % STREAM_BYTES
    peer.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if is_chunked else PIECE
    for _ in range(STREAM_BYTES // len(PIECE)):
        peer.sendall(piece)
    peer.sendall(b"0\r\n\r\n" if is_chunked else b"")


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_slow_reader_of_a_long_stream_does_not_grow_memory(
    client: Client, is_chunked: bool
) -> None:
    with serving(lambda peer: send_stream(peer, is_chunked=is_chunked)) as url:
        answer = await client.ask(url)
        assert isinstance(answer, Exchange)
        before = most = resident_bytes()
        received = reads = 0
        while piece := await answer.read():
            received += len(piece)
            reads += 1
            # The loop could take some ten pieces more from the socket in the meantime.
            for _ in range(10):
                await asyncio.sleep(0)
            assert answer.buffered_bytes <= LIMITS.buffer_bytes_high + TRANSPORT_READ_BYTES_MAX
            if reads % 50 == 0:
                most = max(most, resident_bytes())
        assert received == STREAM_BYTES
        assert most - before < GROWTH_BYTES_MAX


async def test_a_slow_upstream_of_a_long_upload_does_not_grow_memory(client: Client) -> None:
    memory = [resident_bytes()]

    def take_stream(peer: socket.socket) -> None:
        buffer = bytearray(100_000)
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            size = peer.recv_into(buffer)
            tail = (tail + buffer[:size])[-16:]
        peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def body() -> AsyncIterator[bytes]:
        for count in range(STREAM_BYTES // len(PIECE)):
            yield PIECE
            if count % 50 == 0:
                memory.append(resident_bytes())

    with serving(take_stream) as url:
        assert await client.fetch(url, body=body()) == b"ok"
    assert max(memory) - memory[0] < GROWTH_BYTES_MAX
