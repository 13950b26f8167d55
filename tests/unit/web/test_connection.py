"""The protocol of a client's connection, where the system tests do not look: on a real socket."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest
from uvicorn.server import ServerState

from nagara.web.bounds import ConnectionLimits
from nagara.web.connection import Application, make_protocol
from nagara.web.cycle import Cycle

LIMITS = ConnectionLimits(
    header_bytes_max=4096,
    header_count_max=20,
    head_timeout_s=5.0,
    body_timeout_s=5.0,
    body_total_timeout_s=5.0,
    keep_alive_s=5.0,
)
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LENGTH_2 = (b"content-length", b"2")


class Client:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read_until(self, end: bytes) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(end)

    async def read_to_end(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connected(serve: Application, **limits: float) -> AsyncIterator[Client]:
    """A client of a server that has one application; all tasks have ended after it."""
    state, loop = ServerState(), asyncio.get_running_loop()
    protocol = make_protocol(msgspec.structs.replace(LIMITS, **limits), serve)
    server = await loop.create_server(lambda: protocol(server_state=state), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        server.close()
        if state.tasks:
            async with asyncio.timeout(5):
                await asyncio.wait(list(state.tasks))
        await writer.wait_closed()


async def say_hi(cycle: Cycle) -> None:
    cycle.start(200, [LENGTH_2])
    cycle.end(b"hi")


async def stream_hi(cycle: Cycle) -> None:
    cycle.start(200, [])
    cycle.write(b"h")
    cycle.end(b"i")


async def test_answers_are_one_after_the_other_on_one_connection() -> None:
    async with connected(say_hi) as client:
        for _ in range(3):
            client.writer.write(GET)
            assert (await client.read_until(b"hi")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_answer_without_a_length_is_chunked() -> None:
    async with connected(stream_hi) as client:
        client.writer.write(GET)
        answer = await client.read_until(b"0\r\n\r\n")
    assert answer.endswith(b"transfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")


async def test_http_1_0_client_gets_no_chunks_and_the_end_of_the_connection() -> None:
    async with connected(stream_hi) as client:
        client.writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await client.read_to_end()
    assert b"chunked" not in answer
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nhi")


async def test_head_request_gets_the_head_alone() -> None:
    async with connected(say_hi) as client:
        client.writer.write(GET.replace(b"GET", b"HEAD") + GET.replace(b"1.1", b"1.0"))
        answer = await client.read_to_end()
    assert answer.count(b"content-length: 2") == 2
    assert answer.count(b"hi") == 1


async def test_idle_connection_is_closed_in_time() -> None:
    async with connected(say_hi, keep_alive_s=0.05) as client:
        client.writer.write(GET)
        assert (await client.read_to_end()).endswith(b"hi")


async def test_connection_is_not_idle_while_its_answer_is_awaited() -> None:
    async def answer_late(cycle: Cycle) -> None:
        await asyncio.sleep(0.1)
        await say_hi(cycle)

    async with connected(answer_late, keep_alive_s=0.01, head_timeout_s=0.01) as client:
        client.writer.write(GET)
        assert await client.read_until(b"hi")


async def test_noise_behind_a_request_does_not_spoil_the_answer_to_it() -> None:
    go_on = asyncio.Event()

    async def wait(cycle: Cycle) -> None:
        await go_on.wait()
        await say_hi(cycle)

    async with connected(wait) as client:
        client.writer.write(GET * 2 + b"\x00\x00 noise\r\n\r\n")
        await client.writer.drain()
        go_on.set()
        answer = await client.read_to_end()
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.1") == 2


async def test_broken_body_is_answered_though_its_reader_waits() -> None:
    lost = asyncio.Event()

    async def read(cycle: Cycle) -> None:
        cycle.connection.on_lost = lost.set
        await cycle.read()
        with pytest.raises(Exception, match="left"):
            await cycle.read()
        lost.set()

    async with connected(read) as client:
        client.writer.write(
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
        )
        client.writer.write(b"zz\r\n")
        answer = await client.read_to_end()
        await lost.wait()
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_other_protocol_that_is_asked_for_is_not_spoken() -> None:
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n"
    async with connected(say_hi) as client:
        client.writer.write(GET.replace(b"\r\n\r\n", b"\r\n" + upgrade))
        answer = await client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"hi")


@pytest.mark.parametrize("body", [b"h", b"hi!"])
async def test_body_that_is_not_as_long_as_was_said_ends_the_connection(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def lie(cycle: Cycle) -> None:
        cycle.start(200, [LENGTH_2])
        cycle.end(body)

    async with connected(lie) as client:
        client.writer.write(GET)
        assert (await client.read_to_end()).endswith(body)
    assert "could not be served" in caplog.text


async def test_line_break_in_a_header_is_not_sent() -> None:
    async def smuggle(cycle: Cycle) -> None:
        cycle.start(200, [(b"a", b"b\r\nc: d"), LENGTH_2])
        cycle.end(b"hi")

    logging.getLogger("nagara.server").disabled = True
    try:
        async with connected(smuggle) as client:
            client.writer.write(GET)
            assert await client.read_to_end() == b""
    finally:
        logging.getLogger("nagara.server").disabled = False


async def test_large_body_is_read_no_faster_than_its_reader() -> None:
    go_on = asyncio.Event()
    seen: list[int] = []

    async def read_late(cycle: Cycle) -> None:
        await go_on.wait()
        seen.append(cycle.unread_bytes)
        size = 0
        while piece := await cycle.read():
            size += len(piece)
        seen.append(size)
        await say_hi(cycle)

    size = 8 * 2**20
    async with connected(read_late) as client:
        client.writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size)
        client.writer.write(b"x" * size)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.writer.drain(), 0.1)
        go_on.set()
        await client.read_until(b"hi")
    assert seen[0] < 2**20
    assert seen[1] == size


async def test_request_that_waits_for_its_turn_is_not_late() -> None:
    async def answer_in_turn(cycle: Cycle) -> None:
        if cycle.head.method == "GET":
            await asyncio.sleep(0.1)
        assert await cycle.read() in (b"", b"ab")
        await cycle.read()
        await say_hi(cycle)

    async with connected(answer_in_turn, body_timeout_s=0.03) as client:
        client.writer.write(GET + b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nab")
        await client.read_until(b"hi")
        client.writer.write(b"cd")
        assert (await client.read_until(b"hi")).startswith(b"HTTP/1.1 200 OK")
