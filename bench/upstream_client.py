"""CPU time of the upstream client alone, as a ratio to the least that an asyncio protocol can take.

A server in a process of its own answers a fixed 0.8 KB, or streams chunks slowly enough that
each is read by itself, as a model's are. The floor sends the same bytes by a protocol that parses
nothing and counts bytes. Both run on uvloop, by turns, and the figure is the process's own CPU
time, so the server does not count.

Run as `python -m bench.upstream_client`.
"""

import asyncio
import multiprocessing
import resource
import statistics
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe

import uvloop

from nagara.runtime import SystemClock
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.origin import Origin
from nagara.upstream.pool import Pool
from nagara.upstream.proxy import ProxySettings
from nagara.upstream.tls import TlsSettings

REQUESTS = 10_000
STREAMS = 20
STREAM_CHUNKS = 500
CHUNK_EVERY_S = 0.001
ROUNDS = 5

REQUEST_BODY = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 850)
ANSWER_BODY = b"y" * 800
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 0123456789\r\n"
    b"date: Mon, 01 Jan 2029 00:00:00 GMT\r\nserver: bench\r\ncontent-length: %d\r\n\r\n%b"
) % (len(ANSWER_BODY), ANSWER_BODY)
CHUNK = b"data: " + b"z" * 217 + b"\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

HEADERS = [
    (b"authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"user-agent", b"nagara"),
]
TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=60.0, idle_s=60.0, total_s=600.0)
LIMITS = PoolLimits(
    connections_per_origin_max=100,
    waiting_max=100,
    wait_s=10.0,
    idle_expiry_s=60.0,
    head_bytes_max=64 * 1024,
    header_count_max=200,
    buffer_bytes_high=256 * 1024,
    body_bytes_max=64 * 1024 * 1024,
)


class Server(asyncio.Protocol):
    """Answers each read that ends a request; streams when the path is /stream."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"POST /stream"):
            self.transport.write(STREAM_HEAD)
            self.send_chunks(STREAM_CHUNKS)
        else:
            self.transport.write(ANSWER)

    def send_chunks(self, left: int) -> None:
        if not left:
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        asyncio.get_running_loop().call_later(CHUNK_EVERY_S, self.send_chunks, left - 1)


def serve(pipe: Pipe) -> None:
    """The server's process: says its port, then serves until it is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


class Floor(asyncio.Protocol):
    """Counts bytes; one future per answer."""

    def __init__(self) -> None:
        self.left = 0
        self.pieces = 0
        self.done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        self.pieces += 1
        if self.left <= 0 and self.done is not None:
            self.done.set_result(None)

    async def ask(self, request: bytes, answer_bytes: int) -> None:
        self.left = answer_bytes
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.done


def cpu_us() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


async def measure(work: Callable[[], Awaitable[int]]) -> float:
    """CPU µs for each of as many things as `work` says that it did."""
    before = cpu_us()
    count = await work()
    return (cpu_us() - before) / count


async def compare(port: int) -> dict[str, list[float]]:
    """The figures of each round, by name."""
    loop = asyncio.get_running_loop()
    pool = Pool(LIMITS, TlsSettings(), ProxySettings(), SystemClock())
    origin = Origin("http", "127.0.0.1", port)
    floors = [(await loop.create_connection(Floor, "127.0.0.1", port))[1] for _ in range(STREAMS)]
    floor = floors[0]
    head = b"POST %b HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n"
    request = head % (b"/v1/chat", len(REQUEST_BODY)) + REQUEST_BODY
    stream_bytes = len(STREAM_HEAD) + STREAM_CHUNKS * (len(CHUNK) + 6) + 5

    async def floor_calls() -> int:
        for _ in range(REQUESTS):
            await floor.ask(request, len(ANSWER))
        return REQUESTS

    async def client_calls() -> int:
        for _ in range(REQUESTS):
            answer = await pool.send(origin, b"POST", b"/v1/chat", HEADERS, REQUEST_BODY, TIMEOUTS)
            while await answer.read():
                pass
        return REQUESTS

    async def floor_stream() -> int:
        for each in floors:
            each.pieces = 0
        stream = head % (b"/stream", 2) + b"{}"
        await asyncio.gather(*(each.ask(stream, stream_bytes) for each in floors))
        return sum(each.pieces for each in floors)

    async def read_stream() -> int:
        answer = await pool.send(origin, b"POST", b"/stream", HEADERS, b"{}", TIMEOUTS)
        count = 0
        while await answer.read():
            count += 1
        return count

    async def client_stream() -> int:
        return sum(await asyncio.gather(*(read_stream() for _ in floors)))

    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for work in (floor_calls, client_calls, floor_stream, client_stream):
            figures.setdefault(work.__name__, []).append(await measure(work))
    for each in floors:
        each.transport.close()
    await pool.close()
    return figures


def main() -> None:
    """Print the medians and their ratios."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        figures = uvloop.run(compare(here.recv()))
    finally:
        server.terminate()
        server.join()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for what, per in (("calls", "request"), ("stream", "streamed read")):
        floor, client = medians[f"floor_{what}"], medians[f"client_{what}"]
        print(
            f"upstream client: {client:5.1f} µs a {per}, bare protocol {floor:5.1f} µs, "
            f"ratio {client / floor:.2f}"
        )


if __name__ == "__main__":
    main()
