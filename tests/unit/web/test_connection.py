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
from nagara.web.cycle import Cycle, forms

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


async def test_one_task_serves_a_connections_requests_in_turn() -> None:
    tasks = set[object]()

    async def note(cycle: Cycle) -> None:
        tasks.add(asyncio.current_task())
        await say_hi(cycle)

    async with connected(note) as client:
        for _ in range(3):
            client.writer.write(GET)
            await client.read_until(b"hi")
    assert len(tasks) == 1


async def test_request_is_served_while_the_last_one_still_has_things_to_put_away() -> None:
    go_on = asyncio.Event()

    async def linger(cycle: Cycle) -> None:
        await say_hi(cycle)
        await go_on.wait()

    async with connected(linger) as client:
        for _ in range(3):
            client.writer.write(GET)
            await client.read_until(b"hi")
        go_on.set()


async def test_connection_outlives_a_task_that_was_cancelled_between_two_requests() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def note(cycle: Cycle) -> None:
        tasks.append(cycle.connection.task)
        await say_hi(cycle)

    async with connected(note) as client:
        for _ in range(2):
            client.writer.write(GET)
            await client.read_until(b"hi")
            tasks[-1].cancel()
        client.writer.write(GET)
        await client.read_until(b"hi")
    assert len(set(tasks)) == 3


async def test_request_that_is_cancelled_is_the_last_of_its_task() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def swallow(cycle: Cycle) -> None:
        tasks.append(cycle.connection.task)
        tasks[-1].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        await say_hi(cycle)

    async with connected(swallow) as client:
        for _ in range(2):
            client.writer.write(GET)
            await client.read_until(b"hi")
    assert tasks[0] is not tasks[1]


@pytest.mark.parametrize("name", [b"connection", b"proxy-connection"])
async def test_http_1_0_client_that_wants_to_stay_is_known_for_what_it_is(name: bytes) -> None:
    async with connected(stream_hi) as client:
        client.writer.write(b"GET / HTTP/1.0\r\n%b: keep-alive\r\n\r\n" % name)
        answer = await client.read_to_end()
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nhi")


async def test_line_break_in_a_headers_name_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def smuggle(cycle: Cycle) -> None:
        cycle.start(200, [(b"a: b\r\nc", b"d"), LENGTH_2])
        cycle.end(b"hi")

    async with connected(smuggle) as client:
        client.writer.write(GET)
        assert await client.read_to_end() == b""
    assert "could not be served" in caplog.text


async def test_heads_of_one_form_differ_in_their_values_alone() -> None:
    values = iter([b"100%", b"%b", b""])

    async def name_value(cycle: Cycle) -> None:
        cycle.start(299, [(b"x-%d", next(values)), LENGTH_2])
        cycle.end(b"hi")

    async with connected(name_value) as client:
        heads = []
        for _ in range(3):
            client.writer.write(GET)
            heads.append(await client.read_until(b"hi"))
    expected = b"HTTP/1.1 299 Unknown\r\nx-%%d: %b\r\ncontent-length: 2\r\n\r\nhi"
    assert heads == [expected % value for value in (b"100%", b"%b", b"")]


async def test_answer_that_closes_the_connection_says_so_once() -> None:
    async def say_goodbye(cycle: Cycle) -> None:
        cycle.start(204, [(b"connection", b"close")])
        cycle.end()

    async with connected(say_goodbye) as client:
        client.writer.write(GET)
        answer = await client.read_to_end()
    assert answer == b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"


async def test_forms_of_heads_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(range(1000))

    async def name_anew(cycle: Cycle) -> None:
        cycle.start(200, [(b"x-%d" % next(names), b""), LENGTH_2])
        cycle.end(b"hi")

    monkeypatch.setattr("nagara.web.cycle._FORMS_KEPT_MAX", 2)
    async with connected(name_anew) as client:
        for _ in range(5):
            client.writer.write(GET)
            await client.read_until(b"hi")
    assert len(forms) <= 2
