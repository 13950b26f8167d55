"""How a gateway ends: running streams get their time, nobody else gets in, the exit code is 0."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.fakes import Peer
from tests.system.caller import Caller
from tests.system.scripts import CHAT, DIALECTS, Lines, begin_stream
from tests.system.stage import Stage, is_request, staged
from tests.system.test_cuts import assert_error_events

GRACE_S = 1

in_every_dialect = pytest.mark.parametrize("lines", DIALECTS.values(), ids=DIALECTS.keys())
on_both_signals = pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, shutdown_grace_s=GRACE_S) as stage:
        yield stage


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, shutdown_grace_s=30) as stage:
        yield stage


async def begin(caller: Caller, lines: Lines) -> str:
    """See a stream begin; its request id."""
    caller.post(lines.path, lines.streamed)
    head = await caller.read_head()
    await caller.read_until(b"keep-alive")
    return head.header("x-request-id") or ""


async def wait_until_refused(stage: Stage) -> None:
    """Return when connections are refused; a request that gets in before is turned away."""
    port = urlsplit(stage.gateway.url).port
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.close()


async def wait_for_exit(stage: Stage) -> int:
    return await asyncio.to_thread(stage.gateway.wait)


@on_both_signals
async def test_running_stream_ends_in_its_own_time(patient: Stage, number: signal.Signals) -> None:
    async with patient.upstream() as upstream, Caller(patient.gateway) as caller:
        beginning = asyncio.create_task(begin(caller, CHAT))
        peer = await upstream.accept()
        await peer.read_request()
        await begin_stream(peer, *CHAT.events)
        await beginning
        os.kill(patient.gateway.pid, number)
        await wait_until_refused(patient)
        stopping = re.compile("stopping: 1 running request may take 30 s more")
        await asyncio.to_thread(patient.gateway.wait_for, stopping)
        await peer.send_chunks(CHAT.ending, b"")
        assert (await caller.read_body()).endswith(b"data: [DONE]\n\n")
        ended_s = time.monotonic()
        assert await wait_for_exit(patient) == 0
        assert time.monotonic() - ended_s < 2.5


async def test_running_whole_answer_ends_in_its_own_time(patient: Stage) -> None:
    async with patient.upstream() as upstream, Caller(patient.gateway) as caller:
        caller.post(CHAT.path, CHAT.request)
        peer = await upstream.accept()
        await peer.read_request()
        os.kill(patient.gateway.pid, signal.SIGTERM)
        await wait_until_refused(patient)
        await peer.answer(b'{"choices": []}')
        head, _ = await caller.read_answer()
        assert head.status == 200
        assert head.header("connection") == "close"
        assert await wait_for_exit(patient) == 0


@in_every_dialect
async def test_stream_that_takes_too_long_ends_with_an_error_event(
    stage: Stage, lines: Lines
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, *lines.events)
        await peer.stall()

    async with stage.upstream(script) as upstream, Caller(stage.gateway) as caller:
        request_id = await begin(caller, lines)
        os.kill(stage.gateway.pid, signal.SIGTERM)
        asked_s = time.monotonic()
        rest = await caller.read_body()
        waited_s = time.monotonic() - asked_s
        await upstream.peers[0].closed()
        assert await wait_for_exit(stage) == 0
    assert GRACE_S <= waited_s < GRACE_S + 1.5
    events = rest.removesuffix(b"\n\n").split(b"\n\n")
    after_ping = [event for event in events if b"Hel" not in event]
    assert_error_events(after_ping, lines, "shutting_down")
    line = stage.wait_for_line(is_request(request_id))
    assert (line["outcome"], line["error"]) == ("cut", "shutting_down")
    assert "has_client_left" not in line


async def test_answer_that_has_not_begun_in_time_is_503(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.stall()

    async with stage.upstream(script) as upstream, Caller(stage.gateway) as caller:
        caller.post(CHAT.path, CHAT.request)
        await upstream.accept()
        os.kill(stage.gateway.pid, signal.SIGTERM)
        head, body = await caller.read_answer()
        assert await wait_for_exit(stage) == 0
    assert head.status == 503
    assert head.header("retry-after")
    assert b"shutting_down" in body


async def test_idle_connections_are_closed(patient: Stage) -> None:
    async with Caller(patient.gateway) as caller:
        caller.post("/v1/none", {})
        await caller.read_answer()
        os.kill(patient.gateway.pid, signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await caller.reader.read() == b""
        assert await wait_for_exit(patient) == 0


async def test_new_requests_are_refused_from_the_signal_on(patient: Stage) -> None:
    """On a connection that is there already: a good answer or a close, never one that hangs."""
    async with patient.upstream(), Caller(patient.gateway) as caller:
        os.kill(patient.gateway.pid, signal.SIGTERM)
        caller.post(CHAT.path, CHAT.request)
        try:
            head, body = await caller.read_answer()
            assert head.status == 503
            assert b"shutting_down" in body
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        assert await wait_for_exit(patient) == 0


def test_readiness_is_503_or_gone_from_the_signal_on(patient: Stage) -> None:
    with requests.Session() as session:
        assert session.get(f"{patient.gateway.url}/readyz", timeout=5).status_code == 200
        os.kill(patient.gateway.pid, signal.SIGTERM)
        statuses = []
        try:
            while True:
                answer = session.get(f"{patient.gateway.url}/readyz", timeout=5)
                statuses.append(answer.status_code)
        except requests.ConnectionError:
            pass
    assert 503 in statuses
    assert patient.gateway.wait() == 0


async def test_second_interrupt_does_not_wait(patient: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, *CHAT.events)
        await peer.stall()

    async with patient.upstream(script), Caller(patient.gateway) as caller:
        await begin(caller, CHAT)
        os.kill(patient.gateway.pid, signal.SIGINT)
        await wait_until_refused(patient)
        os.kill(patient.gateway.pid, signal.SIGINT)
        asked_s = time.monotonic()
        rest = await caller.read_body()
        assert await wait_for_exit(patient) == 0
        assert time.monotonic() - asked_s < 1.0
    assert b"shutting_down" in rest


def test_signal_right_after_the_start_ends_it(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        os.kill(stage.gateway.pid, signal.SIGTERM)
        assert stage.gateway.wait() == 0
