"""A client that leaves: its provider is stopped at once, or read to its end where so configured.

Both ends are in the test's own event loop, so the time from the client's close to the end of the
provider's connection is read from one clock. What the gateway must not do is to go on paying for
tokens that nobody reads.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import FakeUpstream, Peer
from tests.system.caller import Caller, call
from tests.system.scripts import CHAT, CHAT_USAGE, DIALECTS, DONE, Lines, begin_stream, chat_chunk
from tests.system.stage import Stage, is_request, staged

ABORT_S_MAX = 0.05
LARGE_BYTES = 300_000
UNREAD_BYTES_MAX = 200_000_000

in_every_dialect = pytest.mark.parametrize("lines", DIALECTS.values(), ids=DIALECTS.keys())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("leaves")) as stage:
        yield stage


@pytest.fixture(scope="module")
def drained_by_bytes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(
        tmp_path_factory.mktemp("drained-by-bytes"),
        drain_on_disconnect="true",
        drain_timeout_s=100,
        drain_bytes_max=100_000,
    ) as stage:
        yield stage


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(
        tmp_path_factory.mktemp("drained"),
        drain_on_disconnect="true",
        drain_timeout_s=1,
        drain_bytes_max=100_000,
    ) as stage:
        yield stage


async def begin(
    upstream: FakeUpstream, caller: Caller, path: str, body: dict[str, Any], request_id: str = ""
) -> Peer:
    """Send a request and see it arrive at the provider."""
    caller.post(path, body, x_request_id=request_id)
    peer = await upstream.accept()
    assert await peer.read_request()
    return peer


async def leave_and_measure(caller: Caller, peer: Peer) -> float:
    """The time from the client's close to the end of the provider's connection."""
    left_s = time.monotonic()
    caller.leave()
    async with asyncio.timeout(30):
        await peer.closed()
    return time.monotonic() - left_s


@in_every_dialect
async def test_leaving_in_the_middle_of_a_stream_stops_the_upstream(
    stage: Stage, lines: Lines
) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        peer = await begin(upstream, caller, lines.path, lines.streamed)
        await begin_stream(peer, *lines.events)
        head = await caller.read_head()
        await caller.read_until(b"keep-alive")
        took_s = await leave_and_measure(caller, peer)
    print(f"the upstream was closed after {took_s * 1000:.1f} ms")
    assert took_s < ABORT_S_MAX
    line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
    assert line["has_client_left"]
    assert (line["outcome"], line["error"]) == ("cut", "client_closed_request")
    assert line["usage"]


@in_every_dialect
@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_leaving_before_the_first_byte_stops_the_upstream(
    stage: Stage, lines: Lines, is_streamed: bool
) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        request_id = f"before-{is_streamed}-{lines.path[4:8]}"
        body = {**lines.request, "stream": is_streamed}
        peer = await begin(upstream, caller, lines.path, body, request_id)
        assert await leave_and_measure(caller, peer) < ABORT_S_MAX
    line = stage.wait_for_line(is_request(request_id))
    assert line["has_client_left"]
    assert (line["status"], line["error"]) == (499, "client_closed_request")


async def test_leaving_in_the_middle_of_a_whole_answer_stops_the_upstream(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        peer = await begin(upstream, caller, CHAT.path, CHAT.request)
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", b"{")
        assert await leave_and_measure(caller, peer) < ABORT_S_MAX


@pytest.mark.parametrize("moment", ["before the first byte", "in the stream"])
async def test_leaving_after_a_large_request_stops_the_upstream(stage: Stage, moment: str) -> None:
    """An agent's request is larger than what the server reads ahead."""
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        body = {**CHAT.streamed, "user": "x" * LARGE_BYTES}
        peer = await begin(upstream, caller, CHAT.path, body)
        if moment == "in the stream":
            await begin_stream(peer, *CHAT.events)
            await caller.read_until(b"keep-alive") if await caller.read_head() else None
        assert await leave_and_measure(caller, peer) < ABORT_S_MAX


async def test_leaving_while_the_body_is_sent_reaches_no_provider(stage: Stage) -> None:
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-request-id: left-in-body\r\n"
            b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        caller.leave()
        line = await asyncio.to_thread(stage.wait_for_line, is_request("left-in-body"))
        assert not upstream.peers
    assert (line["status"], line["error"]) == (499, "client_closed_request")


async def test_answer_that_was_read_leaves_no_trace_of_leaving(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await begin_stream(peer, CHAT.stream, b"")

    async with stage.upstream(script), Caller(stage.gateway) as caller:
        caller.post(CHAT.path, CHAT.streamed, x_request_id="read-to-its-end")
        _, answer = await caller.read_answer()
        assert answer.endswith(DONE)
        caller.leave()
    line = stage.wait_for_line(is_request("read-to-its-end"))
    assert "has_client_left" not in line
    assert line.get("outcome", "ok") == "ok"


async def test_upstream_is_read_to_its_end_where_the_settings_say_so(drained: Stage) -> None:
    async with drained.upstream() as upstream, Caller(drained.gateway) as caller:
        peer = await begin(upstream, caller, CHAT.path, CHAT.streamed)
        await begin_stream(peer, *CHAT.events)
        head = await caller.read_head()
        await caller.read_until(b"keep-alive")
        caller.leave()
        # A round trip: what came before it has been seen.
        await call(drained.gateway, "/v1/none", {})
        await peer.send_chunks(*[chat_chunk({"content": "more"})] * 20)
        last = chat_chunk({}, "stop")
        await peer.send_chunks(last, CHAT_USAGE, DONE, b"")
        line = await asyncio.to_thread(
            drained.wait_for_line, is_request(head.header("x-request-id") or "")
        )
        assert line["has_client_left"]
        assert line["usage"] == {"input": 7, "output": 2}
        assert "is_usage_estimated" not in line
        assert line.get("outcome", "ok") == "ok"


async def test_whole_answer_is_read_to_its_end_where_the_settings_say_so(drained: Stage) -> None:
    async with drained.upstream() as upstream, Caller(drained.gateway) as caller:
        caller.post(CHAT.path, CHAT.request, x_request_id="drained-whole")
        peer = await upstream.accept()
        assert await peer.read_request()
        caller.leave()
        # A round trip: what came before it has been seen.
        await call(drained.gateway, "/v1/none", {})
        await peer.answer(b'{"usage": {"prompt_tokens": 7, "completion_tokens": 2}}')
        line = await asyncio.to_thread(drained.wait_for_line, is_request("drained-whole"))
    assert line["has_client_left"]
    assert line["usage"] == {"input": 7, "output": 2}


async def test_draining_ends_in_time(drained: Stage) -> None:
    async with drained.upstream() as upstream, Caller(drained.gateway) as caller:
        peer = await begin(upstream, caller, CHAT.path, CHAT.streamed)
        await begin_stream(peer, *CHAT.events)
        await caller.read_head()
        took_s = await leave_and_measure(caller, peer)
    assert 0.9 < took_s < 20


async def test_draining_ends_at_its_bytes(drained_by_bytes: Stage) -> None:
    stage = drained_by_bytes
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        peer = await begin(upstream, caller, CHAT.path, CHAT.streamed)
        await begin_stream(peer, *CHAT.events)
        await caller.read_head()
        caller.leave()
        sent = 0
        try:
            # The sockets between take some megabytes while the gateway waits for its turn.
            while sent < UNREAD_BYTES_MAX:
                await peer.send_chunks(chat_chunk({"content": "x" * 5_000}))
                sent += 5_000
        except ConnectionError:
            pass
        assert 100_000 <= sent < UNREAD_BYTES_MAX
