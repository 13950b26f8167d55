"""The clients: each asks, reads or leaves, notes what it received, and asks again.

Nothing is retried: a request that broke off is another request next time, with another id. So what
a client noted is all that it can know of that id.
"""

import asyncio
import enum
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.simulation.real.plan import MODEL, Plan, Usage, draw_plan
from tests.system.caller import Caller, Served

PATH = "/v1/chat/completions"
CAP_HEADER = "x-nagara-max-output-tokens"
POOR_PAUSE_S = 0.5
AWAY_PAUSE_S = 0.2
"""How long a client that was refused, or found nobody there, thinks before it asks again."""


class End(enum.StrEnum):
    """How a request ended, as its client saw it."""

    WHOLE = "whole"
    REFUSED = "refused"
    FAILED = "failed in the stream"
    BROKEN = "broke off"
    LEFT = "left"
    NOBODY = "nobody there"


class Received(msgspec.Struct, kw_only=True):
    """What a client got for one plan. `cap` is the output it was told that it can pay."""

    plan: Plan
    end: End = End.BROKEN
    status: int | None = None
    usage: Usage | None = None
    cap: int | None = None
    error: str | None = None
    body: bytes = b""


class Clients:
    """All clients on all doors. What they received is in `received`, in the order of asking."""

    def __init__(self, doors: Sequence[Served], seed: int, is_over: Callable[[], bool]) -> None:
        self.received: list[Received] = []
        self._doors = doors
        self._seed = seed
        self._is_over = is_over

    async def run(self, count: int) -> None:
        """So many clients at once, each until it is over and its last answer is there."""
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._live(number))

    async def _live(self, number: int) -> None:
        source = random.Random(f"{self._seed}/{number}")
        asked = 0
        while not self._is_over():
            asked += 1
            plan = draw_plan(source, f"c{number}-{asked}")
            received = Received(plan=plan)
            self.received.append(received)
            await ask(source.choice(self._doors), received)
            if received.status == 402:
                await asyncio.sleep(source.uniform(0, POOR_PAUSE_S))
            elif received.end in (End.NOBODY, End.REFUSED):
                await asyncio.sleep(source.uniform(0, AWAY_PAUSE_S))


async def ask(door: Served, received: Received) -> None:
    """One request, on a connection of its own; what comes of it is put into `received`."""
    try:
        async with Caller(door) as caller:
            await _converse(caller, received)
    except ConnectionRefusedError:
        received.end = End.NOBODY
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        received.end = End.BROKEN


async def _converse(caller: Caller, received: Received) -> None:
    plan = received.plan
    caller.post(PATH, make_body(plan), x_request_id=plan.id)
    if plan.leaves_after == 0:
        await caller.writer.drain()
        received.end = End.LEFT
        return
    head = await caller.read_head()
    received.status = head.status
    cap = head.header(CAP_HEADER)
    received.cap = None if cap is None else int(cap)
    pieces = 0
    while piece := await caller.read_piece():
        received.body += piece
        pieces += 1
        if head.status == 200 and pieces == plan.leaves_after:
            received.end = End.LEFT
            return
    read_end(received)


def read_end(received: Received) -> None:
    """What a body that came to its end says."""
    if received.status != 200:
        received.end = End.REFUSED
        received.error = json.loads(received.body)["error"]["code"]
    elif received.plan.is_streamed:
        _read_stream(received)
    else:
        received.end = End.WHOLE
        received.usage = _read_usage(json.loads(received.body).get("usage"))


def _read_stream(received: Received) -> None:
    for event in received.body.split(b"\n\n"):
        text = event.removeprefix(b"data: ")
        if text == b"[DONE]":
            received.end = End.WHOLE
        elif text:
            fields = json.loads(text)
            if "error" in fields:
                received.end, received.error = End.FAILED, fields["error"]["code"]
                return
            received.usage = _read_usage(fields.get("usage")) or received.usage


def _read_usage(fields: dict[str, Any] | None) -> Usage | None:
    return None if fields is None else Usage(fields["prompt_tokens"], fields["completion_tokens"])


def make_body(plan: Plan) -> dict[str, Any]:
    """The request of a plan, which it carries as its message."""
    text = msgspec.json.encode(plan).decode()
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": plan.output_cap,
    }
    if plan.is_streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body
