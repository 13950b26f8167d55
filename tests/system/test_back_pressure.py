"""Slow readers and many streams: the gateway's memory stays flat, and nothing is mixed up.

Memory is the process's own resident set, read from outside. The provider of the long stream counts
what it could send, so that holding back is seen at the socket and not only in a figure.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator

import pytest

from tests.fakes import Peer
from tests.system.caller import Caller, call
from tests.system.scripts import CHAT, DONE, STREAM_HEAD, begin_stream, chat_chunk
from tests.system.stage import Stage, staged

STREAM_BYTES = 500 * 2**20
GROWTH_BYTES_MAX = 16 * 2**20
HELD_BACK_BYTES_MAX = 24 * 2**20
"""What the sockets' buffers of both hops and the gateway may hold together, generously."""

STREAMS = 200
STREAM_GROWTH_BYTES_MAX = 40_000
EVENT = chat_chunk({"content": "x" * 16_000})
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
BATCH = CHUNK * 16


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    # Each of many streams at once holds the most that it may cost.
    with staged(tmp_path_factory.mktemp("pressure"), opening_grant_usd=10_000) as stage:
        yield stage


async def test_500_mb_to_a_slow_reader_leave_memory_flat(stage: Stage) -> None:
    sent_bytes = 0

    async def script(peer: Peer) -> None:
        nonlocal sent_bytes
        await peer.read_request()
        peer.writer.write(STREAM_HEAD)
        for _ in range(STREAM_BYTES // len(BATCH) + 1):
            peer.writer.write(BATCH)
            await peer.writer.drain()
            sent_bytes += len(BATCH)
        await peer.send_chunks(CHAT.ending, b"")

    # The first stream brings in what every one uses.
    async with stage.upstream(give_small_stream):
        await call(stage.gateway, CHAT.path, CHAT.streamed)
    before = stage.gateway.resident_bytes
    async with (
        stage.upstream(script),
        Caller(stage.gateway, receive_buffer_bytes=65_536) as caller,
    ):
        caller.post(CHAT.path, CHAT.streamed)
        await caller.read_head()
        held_bytes = await wait_until_still(lambda: sent_bytes)
        assert held_bytes < HELD_BACK_BYTES_MAX
        held_growth = stage.gateway.resident_bytes - before
        assert held_growth < GROWTH_BYTES_MAX
        read_bytes, peak = 0, 0
        tail = b""
        while piece := await caller.reader.read(2**18):
            read_bytes += len(piece)
            tail = (tail + piece)[-40:]
            if read_bytes % 2**25 < len(piece):
                peak = max(peak, stage.gateway.resident_bytes)
            if tail.endswith(DONE + b"\r\n0\r\n\r\n"):
                break
    print(f"held back at {held_bytes} bytes, RSS grew {held_growth} then {peak - before} bytes")
    # The events are written anew for the name of the model, with fewer spaces.
    assert read_bytes >= STREAM_BYTES * 0.99
    assert peak - before < GROWTH_BYTES_MAX


async def give_small_stream(peer: Peer) -> None:
    await peer.read_request()
    await begin_stream(peer, *[EVENT] * 64, CHAT.ending, b"")


async def wait_until_still(read: Callable[[], int]) -> int:
    """The value once it has been the same for a good number of looks."""
    last, same = -1, 0
    async with asyncio.timeout(20):
        while same < 20:
            await asyncio.sleep(0.01)
            now = read()
            same = same + 1 if now == last and now else 0
            last = now
    return last


async def test_many_streams_at_once_take_little_each_and_are_not_mixed_up(stage: Stage) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            name = json.loads(request.body)["user"]
            pieces = [chat_chunk({"content": f"{name}:{index};"}) for index in range(5)]
            await begin_stream(peer, *pieces[:2])
            await go_on.wait()
            await peer.send_chunks(*pieces[2:], CHAT.ending, b"")

    async with stage.upstream(script), contextlib.AsyncExitStack() as stack:
        await run_streams(stage, stack, 20, go_on)
        go_on.clear()
        before = stage.gateway.resident_bytes
        growth = await run_streams(stage, stack, STREAMS, go_on) - before
    print(f"{growth / STREAMS:.0f} bytes a stream")
    assert growth / STREAMS < STREAM_GROWTH_BYTES_MAX


async def run_streams(
    stage: Stage, stack: contextlib.AsyncExitStack, count: int, go_on: asyncio.Event
) -> int:
    """Read so many streams at once to their ends; resident memory when all were in the middle."""
    callers = [await stack.enter_async_context(Caller(stage.gateway)) for _ in range(count)]
    for index, caller in enumerate(callers):
        caller.post(CHAT.path, {**CHAT.streamed, "user": f"user-{index}"})
    begun = []
    for index, caller in enumerate(callers):
        assert (await caller.read_head()).status == 200
        begun.append(await caller.read_until(f"user-{index}:1;".encode()))
    resident = stage.gateway.resident_bytes
    go_on.set()
    for index, caller in enumerate(callers):
        assert_is_own(begun[index] + await caller.read_body(), index)
    return resident


def assert_is_own(answer: bytes, index: int) -> None:
    events = [json.loads(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data: {")]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert text == "".join(f"user-{index}:{part};" for part in range(5)) + "lo."
    assert answer.endswith(DONE)
