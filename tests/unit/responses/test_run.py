"""One background response: its numbers, its states, and what is held of it."""

import asyncio
import json
from typing import Any

import pytest
from tests.system.scripts import RESPONSES, USAGE, named, response_object

from nagara.dialects.sse import DONE
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations.response_state import begin_response, own_fields
from nagara.responses import run as run_module
from nagara.responses.run import Run
from nagara.storage.responses import Owner, StoredResponse

STREAM = {"type": "http.response.start", "headers": [(b"content-type", b"text/event-stream")]}
WHOLE = {"type": "http.response.start", "headers": [(b"content-type", b"application/json")]}


class Written:
    """Plays the store: what was unwritten is written when it is asked to, unless it is down."""

    def __init__(self) -> None:
        self.count = 0
        self.is_down = False
        self.has_failed_often = asyncio.Event()

    async def write(self, run: Run) -> None:
        self.count += 1
        if self.is_down and self.count > 4:
            self.has_failed_often.set()
        block = run.unwritten()
        if block is not None and not self.is_down:
            run.mark_written(block.first_number + len(block.events) - 1)


def make_run(written: Written | None = None, events_bytes_max: int = 10**9) -> Run:
    begun = begin_response({}, "resp_ours", "m", 7)
    stored = StoredResponse(
        owner=Owner(1, False),
        id="resp_ours",
        key_id=1,
        status="queued",
        created_at_s=7,
        expires_at_s=9,
        response=json.dumps({name: json.loads(bytes(raw)) for name, raw in begun.items()}).encode(),
        input=b"",
        is_background=True,
    )
    write = (written or Written()).write
    return Run(stored, own_fields(begun), 10**6, events_bytes_max, write)


async def feed(run: Run, *pieces: bytes, head: dict[str, Any] = STREAM) -> None:
    await run.receive(dict(head))
    for piece in pieces:
        await run.receive({"type": "http.response.body", "body": piece, "more_body": True})


def events_of(run: Run) -> list[dict[str, Any]]:
    events = run.events_after(-1)
    assert events is not None
    said: list[dict[str, Any]] = [json.loads(event.partition(b"data: ")[2]) for _, event in events]
    assert [event["sequence_number"] for event in said] == list(range(len(said)))
    return said


async def test_events_of_the_provider_become_ours_under_our_id() -> None:
    run = make_run()
    await feed(run, *RESPONSES.events, RESPONSES.ending, DONE)
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


async def test_any_split_of_the_bytes_gives_the_same_events() -> None:
    whole, split = make_run(), make_run()
    data = RESPONSES.stream + DONE
    await feed(whole, data)
    await feed(split, *(data[at : at + 1] for at in range(len(data))))
    assert events_of(whole) == events_of(split)


async def test_first_event_of_the_provider_sets_it_in_progress() -> None:
    run = make_run()
    await feed(run, named("response.in_progress", response=response_object("in_progress")))
    assert run.stored.status == "in_progress"


async def test_answer_that_is_no_stream_is_one_last_event() -> None:
    run = make_run()
    await feed(run, json.dumps(RESPONSES.answer).encode(), head=WHOLE)
    assert events_of(run)[-1]["type"] == "response.completed"
    assert json.loads(run.stored.response)["id"] == "resp_ours"


async def test_end_from_outside_keeps_the_items_that_are_whole_and_is_the_last_word() -> None:
    run = make_run()
    item = {"type": "message", "id": "msg_1"}
    await feed(run, named("response.output_item.done", output_index=0, item=item))
    run.end("failed", GatewayError(ErrorKind.UPSTREAM_CUT, "It broke off."))
    run.end("cancelled")
    await feed(run, RESPONSES.ending)
    final = json.loads(run.stored.response)
    assert (final["status"], final["output"]) == ("failed", [item])
    assert final["error"]["message"] == "It broke off."
    assert [event["type"] for event in events_of(run)][-1] == "response.failed"


async def test_too_large_a_stream_is_an_error_and_can_still_be_ended() -> None:
    run = make_run(events_bytes_max=4096)
    delta = named("response.output_text.delta", delta="x" * 4096)
    with pytest.raises(GatewayError, match="background_events_bytes_max") as caught:
        await feed(run, delta)
    run.end("failed", caught.value)
    assert events_of(run)[-1]["type"] == "response.failed"


async def test_memory_is_bounded_by_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "WINDOW_BYTES", 10_000)
    monkeypatch.setattr(run_module, "UNWRITTEN_BYTES_MAX", 20_000)
    written = Written()
    run = make_run(written)
    delta = named("response.output_text.delta", delta="x" * 1000)
    await feed(run, *(delta for _ in range(200)))
    assert written.count >= 9
    assert run.events_after(-1) is None
    assert run.last == 201
    held = run.events_after(run.written)
    assert held is not None
    assert sum(len(event) for _, event in held) <= 21_000
    assert run.events_after(run.last) == []


async def test_provider_is_held_back_while_the_store_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "UNWRITTEN_BYTES_MAX", 5000)
    monkeypatch.setattr(run_module, "RETRY_S", 0.001)
    written = Written()
    written.is_down = True
    run = make_run(written)
    delta = named("response.output_text.delta", delta="x" * 1000)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(feed(run, *(delta for _ in range(20))))
        await written.has_failed_often.wait()
        assert run.last < 8
        written.is_down = False
    assert run.last == 21


async def test_follower_is_woken_by_the_next_event_and_by_the_end() -> None:
    run = make_run()
    waiting = asyncio.create_task(run.wait(run.last))
    await asyncio.sleep(0)
    assert not waiting.done()
    await feed(run, RESPONSES.events[2])
    async with asyncio.timeout(5):
        await waiting
        run.end("cancelled")
        await run.wait(run.last)
