"""The provider: one address that speaks chat completions and does to each request what it asks for.

It is two providers to the gateway, told apart by their paths, so that one can refuse what the other
answers. What it was asked is kept: nobody may get here whose money was not held.
"""

import asyncio
import json
from collections import defaultdict
from typing import Any

import msgspec

from tests.fakes import FakeUpstream, Peer, Received
from tests.simulation.real.plan import Fate, Plan

FIRST, SECOND = "first", "second"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_decode_plan = msgspec.json.Decoder(Plan).decode


class Provider:
    """`async with Provider() as provider`; `calls` has the caps that it was asked with, by plan."""

    def __init__(self) -> None:
        self.calls: dict[str, list[int]] = defaultdict(list)
        self._upstream = FakeUpstream(self._serve)

    async def __aenter__(self) -> "Provider":
        await self._upstream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._upstream.__aexit__(*error)

    @property
    def url(self) -> str:
        """The address, without the path that says which of the two it is."""
        return self._upstream.url

    async def _serve(self, peer: Peer) -> None:
        while (request := await peer.read_request()) is not None:
            fields = json.loads(request.body)
            plan = _decode_plan(fields["messages"][0]["content"])
            cap = fields.get("max_tokens") or fields["max_completion_tokens"]
            self.calls[plan.id].append(cap)
            if _is_refused(request, plan):
                await peer.answer(b'{"error": {"message": "overloaded"}}', status=503)
            elif not await _answer(peer, plan, cap):
                peer.close()
                return


def _is_refused(request: Received, plan: Plan) -> bool:
    is_first = request.target.startswith(f"/{FIRST}/".encode())
    return plan.fate is Fate.REFUSED or (plan.fate is Fate.FAILS_OVER and is_first)


async def _answer(peer: Peer, plan: Plan, cap: int) -> bool:
    """Answer as planned; whether the connection can be used again."""
    output_tokens = plan.count_output(cap)
    usage = {
        "prompt_tokens": plan.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": plan.input_tokens + output_tokens,
    }
    told = None if plan.fate is Fate.NO_USAGE else usage
    if plan.is_streamed:
        return await _stream(peer, plan, told)
    return await _answer_whole(peer, plan, told)


async def _stream(peer: Peer, plan: Plan, usage: dict[str, int] | None) -> bool:
    await peer.send(STREAM_HEAD)
    for at in range(plan.pieces):
        if plan.fate is Fate.CUT and at == plan.pieces // 2:
            return False
        await peer.send_chunks(_event([_choice({"content": f"word {at} "})]))
        await asyncio.sleep(plan.pause_s)
    await peer.send_chunks(_event([_choice({}, "stop")]))
    if usage is not None:
        await peer.send_chunks(_event([], usage=usage))
    await peer.send_chunks(b"data: [DONE]\n\n", b"")
    return True


async def _answer_whole(peer: Peer, plan: Plan, usage: dict[str, int] | None) -> bool:
    await asyncio.sleep(plan.pause_s * plan.pieces)
    message = {"role": "assistant", "content": "word " * plan.pieces}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    fields = {"object": "chat.completion", "choices": [choice]}
    body = _encode(fields | ({} if usage is None else {"usage": usage}))
    if plan.fate is Fate.CUT:
        length = b"content-length: %d" % len(body)
        await peer.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n" + body[: len(body) // 2])
        return False
    await peer.answer(body, b"content-type: application/json")
    return True


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(choices: list[dict[str, Any]], **more: object) -> bytes:
    fields = {"object": "chat.completion.chunk", "choices": choices, **more}
    return b"data: " + _encode(fields) + b"\n\n"


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps({"id": "chatcmpl-1", "created": 1, "model": "theirs", **fields}).encode()
