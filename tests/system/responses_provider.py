"""A provider of the Responses API on a real socket, in the test's own loop.

Each turn is scripted by what it says. Every answer has an id of its own; requests are remembered
in the order they came. `gate` holds a stream back after its first piece of text.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fakes import Peer
from tests.system.gateway import GatewayProcess, name_variables
from tests.system.scripts import CALLER_MODEL, STREAM_HEAD, UPSTREAM_MODEL, USAGE, named
from tests.system.stage import Address, Stage

ONE_PROVIDER = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "theirs"

[models.{caller_model}]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "theirs", model = "{upstream_model}" }}]
"""

Item = dict[str, Any]


def message(text: str, number: int = 1) -> Item:
    """A message item."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
            "content": [part]}  # fmt: skip


def call(name: str, arguments: str, number: int = 1) -> Item:
    """A call of a function."""
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}",
            "name": name, "arguments": arguments, "status": "completed"}  # fmt: skip


def reasoning(number: int = 1) -> Item:
    """A reasoning item that refers to what its maker keeps."""
    return {"type": "reasoning", "id": f"rs_{number}", "summary": []}


class ResponsesProvider:
    """Plays one list of output items a request, in turn; the last is repeated."""

    def __init__(self, *turns: list[Item]) -> None:
        self.turns = list(turns) or [[message("Hello.")]]
        self.requests: list[dict[str, Any]] = []
        # No two providers of a module give the same id.
        self.name = os.urandom(8).hex()
        self.gate: asyncio.Event | None = None
        self.left = asyncio.Event()

    async def script(self, peer: Peer) -> None:
        """What the provider does on a connection."""
        while request := await peer.read_request():
            body = json.loads(request.body)
            self.requests.append(body)
            number = len(self.requests)
            items = self.turns[min(number, len(self.turns)) - 1]
            if body.get("stream"):
                await self._stream(peer, number, items, body)
            else:
                answer = self._response(number, "completed", items, body)
                await peer.answer(json.dumps(answer).encode(), b"content-type: application/json")

    async def _stream(self, peer: Peer, number: int, items: list[Item], body: Item) -> None:
        begun = self._response(number, "in_progress", [], body)
        await peer.send(STREAM_HEAD)
        events: list[tuple[str, Item]] = [
            ("response.created", {"response": begun}),
            ("response.in_progress", {"response": begun}),
        ]
        for index, item in enumerate(items):
            events += list(_item_events(index, item))
        ended = self._response(number, "completed", items, body)
        events.append(("response.completed", {"response": ended}))
        gate = self.gate
        for at, (kind, fields) in enumerate(events):
            await peer.send_chunks(named(kind, sequence_number=at, **fields))
            if gate is not None and kind.endswith(".delta"):
                if not await self._pass(gate, peer):
                    return
                gate = None
        await peer.send_chunks(b"")

    async def _pass(self, gate: asyncio.Event, peer: Peer) -> bool:
        """Wait for the gate, or for the client to leave; whether the gate was opened."""
        opened, closed = asyncio.ensure_future(gate.wait()), asyncio.ensure_future(peer.closed())
        await asyncio.wait({opened, closed}, return_when=asyncio.FIRST_COMPLETED)
        is_open = opened.done()
        opened.cancel()
        closed.cancel()
        await asyncio.gather(opened, closed, return_exceptions=True)
        if not is_open:
            self.left.set()
        return is_open

    def _response(self, number: int, status: str, items: list[Item], body: Item) -> Item:
        return {
            "id": f"resp_{self.name}{number}", "object": "response", "created_at": 1,
            "status": status, "model": body["model"], "output": items,
            "tools": body.get("tools", []),
            "tool_choice": "auto", "parallel_tool_calls": True, "previous_response_id": None,
            "store": body.get("store", True), "background": False,
            "usage": USAGE if status == "completed" else None, "error": None,
        }  # fmt: skip


def _item_events(index: int, item: Item) -> list[tuple[str, Item]]:
    place = {"output_index": index, "item_id": item["id"], "content_index": 0}
    added = ("response.output_item.added", {"output_index": index, "item": _empty(item)})
    done = ("response.output_item.done", {"output_index": index, "item": item})
    if item["type"] != "message":
        return [added, done]
    part = item["content"][0]
    text = part["text"]
    middle = (len(text) + 1) // 2
    deltas = [
        ("response.output_text.delta", {**place, "delta": piece, "logprobs": []})
        for piece in (text[:middle], text[middle:])
    ]
    return [
        added,
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}),
        *deltas,
        ("response.output_text.done", {**place, "text": text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": part}),
        done,
    ]


def _empty(item: Item) -> Item:
    return {**item, "content": []} if "content" in item else item


@contextlib.contextmanager
def staged_alone(folder: Path, **settings: object) -> Iterator[Stage]:
    """A stage whose one provider speaks Responses, and nobody else is asked."""
    address = Address()
    config = folder / "nagara.toml"
    config.write_text(
        ONE_PROVIDER.format(
            port=address.port, caller_model=CALLER_MODEL, upstream_model=UPSTREAM_MODEL
        )
    )
    environment = name_variables(settings) | {"THEIR_KEY": "sk-theirs"}
    try:
        with GatewayProcess(folder / "data", environment, "--config", str(config)) as gateway:
            yield Stage(gateway, address)
            assert "Traceback" not in gateway.output, gateway.output
    finally:
        address.close()
