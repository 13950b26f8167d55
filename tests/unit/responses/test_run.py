"""One background response: its numbers, its states, and what is held of it."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from tests.system.scripts import RESPONSES, USAGE, named, response_object

from nagara.dialects.sse import DONE
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.response_state import begin_response, own_fields
from nagara.responses import run as run_module
from nagara.responses.run import Run, RunReply
from nagara.storage.responses import Owner, StoredResponse
from nagara.upstream.reply import ResponseHeaders

STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]
WHOLE = [(b"content-type", b"application/json")]


class Store:
    """What a run asks to be written, written when the test says so."""

    def __init__(self) -> None:
        self.asked = 0

    def hurry(self) -> None:
        self.asked += 1


def write(run: Run) -> None:
    block = run.unwritten()
    assert block is not None
    run.mark_written(block.first_number + len(block.events) - 1)


def make_run(store: Store | None = None, events_bytes_max: int = 10**9) -> Run:
    begun = begin_response({}, "resp_ours", "m", 7)
    stored = StoredResponse(
        owner=Owner(1, False),
        id="resp_ours",
        key_id=1,
        status="queued",
        created_at_s=7,
        expires_at_s=9,
        response=msgspec.json.encode(begun),
        input=b"",
        is_background=True,
    )
    return Run(stored, own_fields(begun), 10**6, events_bytes_max, (store or Store()).hurry)


def feed(run: Run, *pieces: bytes, head: ResponseHeaders = STREAM) -> None:
    reply = RunReply(run)
    reply.start(200, head)
    for piece in pieces:
        reply.write(piece)


def events_of(run: Run) -> list[dict[str, Any]]:
    events = run.events_after(-1)
    assert events is not None
    said: list[dict[str, Any]] = [json.loads(event.partition(b"data: ")[2]) for _, event in events]
    assert [event["sequence_number"] for event in said] == list(range(len(said)))
    return said


def test_events_of_the_provider_become_ours_under_our_id() -> None:
    run = make_run()
    feed(run, *RESPONSES.events, RESPONSES.ending, DONE)
    said = events_of(run)
    assert [event["type"] for event in said] == [
        "response.created",
        "response.queued",
        "response.output_text.delta",
        "response.completed",
    ]
    assert {event["response"]["id"] for event in said if "response" in event} == {"resp_ours"}
    assert (run.stored.status, run.is_active) == ("completed", False)
    final = json.loads(run.stored.response)
    assert (final["background"], final["created_at"], final["usage"]) == (True, 7, USAGE)


def test_any_split_of_the_bytes_gives_the_same_events() -> None:
    whole, split = make_run(), make_run()
    data = RESPONSES.stream + DONE
    feed(whole, data)
    feed(split, *(data[at : at + 1] for at in range(len(data))))
    assert events_of(whole) == events_of(split)


def test_first_event_of_the_provider_sets_it_in_progress() -> None:
    run = make_run()
    feed(run, named("response.in_progress", response=response_object("in_progress")))
    assert run.stored.status == "in_progress"


def test_answer_that_is_no_stream_is_one_last_event() -> None:
    run = make_run()
    feed(run, json.dumps(RESPONSES.answer).encode(), head=WHOLE)
    assert events_of(run)[-1]["type"] == "response.completed"
    assert json.loads(run.stored.response)["id"] == "resp_ours"


def test_end_from_outside_keeps_the_items_that_are_whole_and_is_the_last_word() -> None:
    run = make_run()
    item = {"type": "message", "id": "msg_1"}
    feed(run, named("response.output_item.done", output_index=0, item=item))
    run.end("failed", GatewayError(ErrorKind.UPSTREAM_CUT, "It broke off."))
    run.end("cancelled")
    feed(run, RESPONSES.ending)
    final = json.loads(run.stored.response)
    assert (final["status"], final["output"]) == ("failed", [item])
    assert final["error"]["message"] == "It broke off."
    assert [event["type"] for event in events_of(run)][-1] == "response.failed"


def test_too_large_a_stream_is_an_error_and_can_still_be_ended() -> None:
    run = make_run(events_bytes_max=4096)
    delta = named("response.output_text.delta", delta="x" * 4096)
    with pytest.raises(GatewayError, match="background_events_bytes_max") as caught:
        feed(run, delta)
    run.end("failed", caught.value)
    assert events_of(run)[-1]["type"] == "response.failed"


def test_memory_is_bounded_by_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "WINDOW_BYTES", 10_000)
    run = make_run()
    delta = named("response.output_text.delta", delta="x" * 1000)
    for _ in range(20):
        feed(run, *(delta for _ in range(10)))
        write(run)
    assert run.events_after(-1) is None
    assert run.last == 201
    held = run.events_after(run.last - 7)
    assert held is not None
    assert [number for number, _ in held] == list(range(195, 202))
    assert run.events_after(run.last) == []


def test_run_is_full_until_what_it_has_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "UNWRITTEN_BYTES_MAX", 5000)
    store = Store()
    run = make_run(store)
    reply, rooms = RunReply(run), list[int]()
    reply.on_room = lambda: rooms.append(run.last)
    delta = named("response.output_text.delta", delta="x" * 1000)
    reply.write(delta)
    assert not reply.is_full
    for _ in range(4):
        reply.write(delta)
    assert RunReply(run).is_full
    assert store.asked
    assert not rooms
    write(run)
    assert not reply.is_full
    assert rooms == [run.last]


async def test_follower_is_woken_by_the_next_event_and_by_the_end() -> None:
    run = make_run()
    waiting = asyncio.create_task(run.wait(run.last))
    await asyncio.sleep(0)
    assert not waiting.done()
    feed(run, RESPONSES.events[2])
    async with asyncio.timeout(5):
        await waiting
        run.end("cancelled")
        await run.wait(run.last)
