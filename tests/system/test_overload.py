"""More requests at once than the settings allow: told so, and when to come back."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.caller import Caller, call
from tests.system.error_shapes import is_anthropic
from tests.system.scripts import CHAT, DIALECTS, Lines, begin_stream, give_answer
from tests.system.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, requests_in_flight_max=2, overload_retry_after_s=3) as stage:
        yield stage


async def test_one_request_too_many_is_503_and_the_next_is_served(stage: Stage) -> None:
    async with stage.upstream() as upstream, contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(Caller(stage.gateway)) for _ in range(2)]
        for caller in callers:
            caller.post(CHAT.path, CHAT.streamed)
        peers = [await upstream.accept() for _ in callers]
        for peer, caller in zip(peers, callers, strict=True):
            await peer.read_request()
            await begin_stream(peer, *CHAT.events)
            await caller.read_head()
        for lines in DIALECTS.values():
            await assert_overloaded(stage, lines)
        assert len(upstream.peers) == 2
        await peers[0].send_chunks(CHAT.ending, b"")
        assert (await callers[0].read_body()).endswith(b"[DONE]\n\n")
        again = asyncio.create_task(call(stage.gateway, CHAT.path, CHAT.request))
        await peers[0].read_request()
        await give_answer(peers[0], CHAT)
        head, _ = await again
        assert head.status == 200
        await peers[1].send_chunks(CHAT.ending, b"")
        assert (await callers[1].read_body()).endswith(b"[DONE]\n\n")


async def assert_overloaded(stage: Stage, lines: Lines) -> None:
    head, body = await call(stage.gateway, lines.path, lines.request)
    assert head.status == 503
    assert head.header("retry-after") == "3"
    expected = b"overloaded_error" if is_anthropic(lines.path) else b"server_error"
    assert expected in body
    assert b'"overloaded"' in body


async def test_those_who_left_and_those_refused_take_no_place(stage: Stage) -> None:
    async with stage.upstream() as upstream:
        for _ in range(5):
            async with Caller(stage.gateway) as caller:
                caller.post(CHAT.path, CHAT.request)
                peer = await upstream.accept()
                await peer.read_request()
            await peer.closed()
        for _ in range(5):
            head, _ = await call(stage.gateway, CHAT.path, b"nonsense")
            assert head.status == 400
        serving = asyncio.create_task(call(stage.gateway, CHAT.path, CHAT.request))
        peer = await upstream.accept()
        await peer.read_request()
        await give_answer(peer, CHAT)
        head, _ = await serving
    assert head.status == 200
