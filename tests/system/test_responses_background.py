"""Responses made in the background, with OpenAI's SDK: polled, followed, resumed, cancelled."""

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from nagara.storage.data_folder import database_path
from nagara.storage.driver import Statement
from nagara.storage.sqlite import SqliteDriver
from tests.fakes import Peer
from tests.system.gateway import GatewayProcess, served
from tests.system.responses_provider import ResponsesProvider, message, staged_alone
from tests.system.scripts import CALLER_MODEL
from tests.system.stage import Stage, is_request, log_lines

SANDBOX_MODEL = "gpt-4.1-mini"
DEADLINE_S = 10.0
POLL_S = 0.02
TEXT = "Hello there."


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_alone(tmp_path_factory.mktemp("background")) as stage:
        yield stage


@pytest.fixture
async def provider(stage: Stage) -> AsyncIterator[ResponsesProvider]:
    """A provider that stops in the middle until its gate is opened."""
    provider = ResponsesProvider([message(TEXT)])
    provider.gate = asyncio.Event()
    async with stage.upstream(provider.script):
        yield provider


def client_of(gateway: GatewayProcess, key: str | None = None) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=gateway.openai_url, api_key=key or gateway.key, max_retries=0
    )


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(stage.gateway) as client:
        yield client


async def begin(client: openai.AsyncOpenAI, **more: Any) -> Response:
    asked = {"model": CALLER_MODEL, "input": "Hi.", "background": True, **more}
    return await client.responses.create(**asked)  # type: ignore[no-any-return]


async def until(
    client: openai.AsyncOpenAI, response_id: str, is_it: Callable[[Response], bool]
) -> Response:
    """The response once it is as wanted, as a caller finds out."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            response = await client.responses.retrieve(response_id)
            if is_it(response):
                return response
            await asyncio.sleep(POLL_S)


def has_ended(response: Response) -> bool:
    return response.status not in ("queued", "in_progress")


async def read(
    client: openai.AsyncOpenAI, response_id: str, after: int | None = None
) -> list[ResponseStreamEvent]:
    more: Any = {} if after is None else {"starting_after": after}
    async with asyncio.timeout(DEADLINE_S):
        stream = await client.responses.retrieve(response_id, stream=True, **more)
        return [event async for event in stream]


def numbers(events: list[ResponseStreamEvent]) -> list[int]:
    return [event.sequence_number for event in events]


async def test_background_response_is_queued_at_once_and_polled_to_its_end(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    begun = await begin(client, metadata={"a": "b"}, instructions="Be brief.", temperature=0.5)
    assert (begun.status, begun.background, begun.output) == ("queued", True, [])
    assert (begun.metadata, begun.instructions) == ({"a": "b"}, "Be brief.")
    assert (begun.model, begun.temperature) == (CALLER_MODEL, 0.5)
    await until(client, begun.id, lambda r: r.status == "in_progress")
    assert provider.gate is not None
    provider.gate.set()
    ended = await until(client, begun.id, has_ended)
    assert (ended.status, ended.output_text, ended.background) == ("completed", TEXT, True)
    assert (ended.id, ended.created_at) == (begun.id, begun.created_at)
    assert ended.usage is not None
    # The gateway runs it: its provider is asked for a stream like any other.
    assert "background" not in provider.requests[0]
    assert provider.requests[0]["stream"] is True


@pytest.mark.parametrize("is_streamed", [False, True], ids=["polled", "streamed"])
async def test_background_response_has_one_line_in_the_log_once_it_has_ended(
    stage: Stage, client: openai.AsyncOpenAI, provider: ResponsesProvider, is_streamed: bool
) -> None:
    request_id = f"one-line-{is_streamed}"
    asked: Any = {"model": CALLER_MODEL, "input": "Hi.", "background": True, "stream": is_streamed}
    assert provider.gate is not None
    provider.gate.set()
    async with client.responses.with_streaming_response.create(
        extra_headers={"x-request-id": request_id}, **asked
    ) as answer:
        await answer.read()
    line = await asyncio.to_thread(stage.wait_for_line, is_request(request_id))
    # Whatever is said later stands after it.
    await client.models.list(extra_headers={"x-request-id": f"{request_id}-next"})
    await asyncio.to_thread(stage.wait_for_line, is_request(f"{request_id}-next"))
    lines = [each for each in log_lines(stage.gateway.output) if is_request(request_id)(each)]
    assert lines == [line]
    assert (line["operation"], line["status"]) == ("responses.background", 200)
    # Left out is ok.
    assert "outcome" not in line
    assert line["usage"]


async def test_background_response_can_be_continued_and_continues(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    provider.gate = None
    first = await begin(client)
    await until(client, first.id, has_ended)
    second = await begin(client, previous_response_id=first.id)
    ended = await until(client, second.id, has_ended)
    assert second.previous_response_id == ended.previous_response_id == first.id
    assert [item["role"] for item in provider.requests[1]["input"]] == ["user", "assistant", "user"]
    items = await client.responses.input_items.list(second.id)
    assert len(items.data) == 3


async def test_response_that_still_runs_cannot_be_continued(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    begun = await begin(client)
    with pytest.raises(openai.BadRequestError) as caught:
        await begin(client, previous_response_id=begun.id)
    assert caught.value.code == "previous_response_not_found"
    assert provider.gate is not None
    provider.gate.set()


async def test_background_needs_the_response_to_be_stored(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await begin(client, store=False)
    assert caught.value.param == "background"


async def test_stream_survives_its_client_and_is_resumed_from_the_middle_and_after_the_end(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    stream: Any = await begin(client, stream=True)
    seen: list[ResponseStreamEvent] = []
    async for event in stream:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    assert [event.type for event in seen[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    response_id = seen[0].response.id  # type: ignore[union-attr]
    resumed = asyncio.create_task(read(client, response_id, seen[-1].sequence_number))
    again = asyncio.create_task(read(client, response_id))
    await until(client, response_id, lambda r: r.status == "in_progress")
    assert provider.gate is not None
    provider.gate.set()
    rest, whole = await resumed, await again
    assert numbers(whole) == list(range(len(whole)))
    assert whole == [*seen, *rest]
    assert whole[-1].type == "response.completed"
    # From the store alone, once it has ended.
    await until(client, response_id, has_ended)
    assert await read(client, response_id) == whole
    assert await read(client, response_id, 4) == whole[5:]
    assert await read(client, response_id, len(whole) - 1) == []


async def test_sdk_helper_follows_a_background_response_to_its_final_object(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    provider.gate = None
    begun = await begin(client)
    async with client.responses.stream(response_id=begun.id) as stream:
        final = await stream.get_final_response()
    assert final.output_text == TEXT
    stored = await client.responses.retrieve(begun.id)
    assert stored.id == final.id


@pytest.mark.parametrize("query", ["starting_after=-1", "starting_after=x", "stream=maybe"])
async def test_wrong_query_is_refused_by_name(
    client: openai.AsyncOpenAI, provider: ResponsesProvider, query: str
) -> None:
    provider.gate = None
    begun = await begin(client)
    with pytest.raises(openai.BadRequestError) as caught:
        await client.get(f"/responses/{begun.id}?{query}", cast_to=object)
    assert caught.value.param == query.partition("=")[0]


async def test_number_that_the_stream_has_not_reached_is_refused(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    begun = await begin(client)
    with pytest.raises(openai.BadRequestError) as caught:
        await read(client, begun.id, 999)
    assert caught.value.param == "starting_after"
    assert provider.gate is not None
    provider.gate.set()


async def test_cancelling_stops_the_provider_and_may_be_repeated(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    begun = await begin(client)
    following = asyncio.create_task(read(client, begun.id))
    await until(client, begun.id, lambda r: r.status == "in_progress")
    cancelled = await client.responses.cancel(begun.id)
    assert cancelled.status == "cancelled"
    async with asyncio.timeout(DEADLINE_S):
        await provider.left.wait()
    events = await following
    assert str(events[-1].type) == "response.cancelled"
    assert numbers(events) == list(range(len(events)))
    assert (await client.responses.cancel(begun.id)).to_dict() == cancelled.to_dict()
    assert (await client.responses.retrieve(begun.id)).to_dict() == cancelled.to_dict()
    assert await read(client, begun.id) == events


def read_charges(gateway: GatewayProcess) -> list[tuple[int, str]]:
    """Of every request so far: what it was charged, and how it ended."""
    with contextlib.closing(sqlite3.connect(database_path(gateway.data))) as connection:
        return connection.execute(
            "SELECT charge_nano, outcome FROM requests ORDER BY seq"
        ).fetchall()


@pytest.mark.parametrize("way", ["cancel", "delete", "cancel elsewhere", "delete elsewhere"])
async def test_who_ends_a_background_response_pays_for_what_was_written_until_then(
    client: openai.AsyncOpenAI, stage: Stage, provider: ResponsesProvider, way: str
) -> None:
    before = len(read_charges(stage.gateway))
    begun = await begin(client)
    await until(client, begun.id, lambda r: r.status == "in_progress")
    with contextlib.ExitStack() as stack:
        caller = client
        if way.endswith("elsewhere"):
            other = stack.enter_context(GatewayProcess(stage.gateway.data))
            caller = client_of(other, stage.gateway.key)
        if way.startswith("cancel"):
            await caller.responses.cancel(begun.id)
        else:
            await caller.responses.delete(begun.id)
        async with asyncio.timeout(DEADLINE_S):
            await provider.left.wait()
            while True:
                charges = read_charges(stage.gateway)
                if len(charges) > before:
                    break
                await asyncio.sleep(POLL_S)
        if caller is not client:
            await caller.close()
    charge_nano, outcome = charges[-1]
    assert outcome == "cut"
    assert charge_nano > 0


async def test_cancelling_what_has_ended_changes_nothing(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    provider.gate = None
    begun = await begin(client)
    ended = await until(client, begun.id, has_ended)
    assert (await client.responses.cancel(begun.id)).to_dict() == ended.to_dict()


async def test_deleting_stops_the_provider(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    begun = await begin(client)
    await until(client, begun.id, lambda r: r.status == "in_progress")
    await client.responses.delete(begun.id)
    async with asyncio.timeout(DEADLINE_S):
        await provider.left.wait()
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(begun.id)


async def refuse(peer: Peer) -> None:
    while await peer.read_request():
        error = b'{"error":{"message":"too many","type":"rate_limit_exceeded","code":null}}'
        await peer.answer(error, b"content-type: application/json", status=429)


async def cut(peer: Peer) -> None:
    await peer.read_request()
    provider = ResponsesProvider([message(TEXT)])
    provider.gate = asyncio.Event()
    serving = asyncio.ensure_future(provider._stream(peer, 1, provider.turns[0], {"model": "m"}))
    await asyncio.sleep(0)
    peer.close()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("script", [refuse, cut], ids=["refused", "cut"])
async def test_failure_of_the_provider_is_the_end_of_the_response(
    client: openai.AsyncOpenAI, stage: Stage, script: Callable[[Peer], Awaitable[None]]
) -> None:
    async with stage.upstream(script):
        begun = await begin(client)
        ended = await until(client, begun.id, has_ended)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.message
    events = await read(client, begun.id)
    assert events[-1].type == "response.failed"
    assert numbers(events) == list(range(len(events)))


async def test_strangers_neither_follow_nor_cancel(
    client: openai.AsyncOpenAI, stage: Stage, provider: ResponsesProvider
) -> None:
    begun = await begin(client)
    async with client_of(stage.gateway, stage.gateway.make_key("ci", "--test")) as stranger:
        with pytest.raises(openai.NotFoundError):
            await read(stranger, begun.id)
        with pytest.raises(openai.NotFoundError):
            await stranger.responses.cancel(begun.id)
    assert provider.gate is not None
    provider.gate.set()
    assert (await until(client, begun.id, has_ended)).status == "completed"


async def test_two_gateways_on_one_store_show_and_cancel_each_others(
    client: openai.AsyncOpenAI, stage: Stage, provider: ResponsesProvider
) -> None:
    with GatewayProcess(stage.gateway.data) as other:
        async with client_of(other, stage.gateway.key) as elsewhere:
            begun = await begin(client)
            following = asyncio.create_task(read(elsewhere, begun.id))
            await until(elsewhere, begun.id, lambda r: r.status == "in_progress")
            assert provider.gate is not None
            provider.gate.set()
            events = await following
            assert events == await read(client, begun.id)
            assert events[-1].type == "response.completed"
            provider.gate = asyncio.Event()
            begun = await begin(client)
            await until(elsewhere, begun.id, lambda r: r.status == "in_progress")
            assert (await elsewhere.responses.cancel(begun.id)).status == "cancelled"
            async with asyncio.timeout(DEADLINE_S):
                await provider.left.wait()
            events = await read(client, begun.id)
            assert numbers(events) == list(range(len(events)))
            assert str(events[-1].type) == "response.cancelled"


async def test_response_whose_process_died_is_failed_when_its_lease_has_lapsed(
    tmp_path: Path,
) -> None:
    gateway = GatewayProcess(tmp_path)
    # Not in a block of its own, which would expect an orderly end.
    gateway.__enter__()
    try:
        async with client_of(gateway) as client:
            begun = await begin(client, model=SANDBOX_MODEL, input="sandbox:slow-stream")
            await until(client, begun.id, lambda r: r.status == "in_progress")
    finally:
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.stop()
    driver = await SqliteDriver.open(database_path(tmp_path))
    await driver.commit([Statement("UPDATE responses SET lease_until_s = 1")])
    await driver.close()
    with GatewayProcess(tmp_path) as later:
        async with client_of(later, gateway.key) as client:
            ended = await until(client, begun.id, has_ended)
            events = await read(client, begun.id)
    assert ended.status == "failed"
    assert ended.error is not None
    assert "process" in ended.error.message
    assert events[-1].type == "response.failed"
    assert numbers(events) == list(range(len(events)))


@pytest.mark.parametrize("grace_s", [1, 30])
async def test_shutdown_gives_background_responses_their_time(tmp_path: Path, grace_s: int) -> None:
    with staged_alone(tmp_path, shutdown_grace_s=grace_s) as stage:
        provider = ResponsesProvider([message(TEXT)])
        provider.gate = asyncio.Event()
        async with stage.upstream(provider.script):
            async with client_of(stage.gateway) as client:
                begun = await begin(client)
                await until(client, begun.id, lambda r: r.status == "in_progress")
            os.kill(stage.gateway.pid, signal.SIGTERM)
            await asyncio.to_thread(stage.gateway.wait_for, re.compile("stopping: 1 running"))
            if grace_s > 1:
                provider.gate.set()
            assert await asyncio.to_thread(stage.gateway.wait) == 0
        with GatewayProcess(stage.gateway.data) as later:
            async with client_of(later, stage.gateway.key) as client:
                ended = await client.responses.retrieve(begun.id)
                events = await read(client, begun.id)
    assert ended.status == ("failed" if grace_s == 1 else "completed")
    assert events[-1].type == f"response.{ended.status}"
    if ended.error is not None:
        assert "shutting down" in ended.error.message


async def test_no_more_run_than_may(tmp_path: Path) -> None:
    with served(tmp_path, {"background_running_max": 2}) as gateway:
        async with client_of(gateway) as client:
            slow = {"model": SANDBOX_MODEL, "input": "sandbox:slow-first-byte"}
            running = [await begin(client, **slow) for _ in range(2)]
            with pytest.raises(openai.InternalServerError, match="as many as"):
                await begin(client, **slow)
            for response in running:
                await client.responses.cancel(response.id)
            await client.responses.cancel((await begin(client, **slow)).id)


async def test_stream_that_is_too_large_to_keep_fails_with_a_clear_error(tmp_path: Path) -> None:
    with served(tmp_path, {"background_events_bytes_max": 4096}) as gateway:
        async with client_of(gateway) as client:
            begun = await begin(client, model=SANDBOX_MODEL)
            ended = await until(client, begun.id, has_ended)
            events = await read(client, begun.id)
    assert ended.status == "failed"
    assert ended.error is not None
    assert "background_events_bytes_max" in ended.error.message
    assert [a + 1 for a in numbers(events)[:-1]] == numbers(events)[1:]
