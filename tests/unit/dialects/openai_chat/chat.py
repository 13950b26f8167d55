"""What the tests of Chat Completions have in common: targets, frames, requests."""

import json
from typing import Any

from nagara.dialects import openai_chat
from nagara.dialects.codec import Frame, StreamDecoder, Target
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.events import Event
from nagara.domain.messages import Message, Request, Role, Text

EVENT_BYTES_MAX = 2 * 1024 * 1024


def target(*traits: Trait, maker: str = "them", **fields: Any) -> Target:
    return Target(
        provider="Them", model="their-model", maker=maker, traits=frozenset(traits), **fields
    )


def frame(request: Request | None = None, **fields: Any) -> Frame:
    asked = request or Request(dialect="openai_chat", model="ours", messages=(), **fields)
    return Frame(request=asked, model="ours", seed="seed", created_s=1_700_000_000)


def ask(*messages: Any, **fields: Any) -> Request:
    body = {"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}]}
    return openai_chat.decode_request(json.dumps(body | fields).encode())


def from_elsewhere(*messages: Message, **fields: Any) -> Request:
    """A request of a caller who speaks another dialect."""
    said = messages or (Message(Role.USER, (Text("hi"),)),)
    return Request(dialect="anthropic_messages", model="m", messages=said, **fields)


def sent(request: Request, to: Target | None = None) -> dict[str, Any]:
    """The body that the provider gets."""
    body: dict[str, Any] = json.loads(openai_chat.encode_request(request, to or target()).body)
    return body


def answer(message: dict[str, Any], finish: str = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    return json.dumps(
        {"id": "c", "model": "theirs", "created": 5, "choices": [choice]} | fields
    ).encode()


def chunk(delta: dict[str, Any] | None = None, index: int = 0, **fields: Any) -> bytes:
    """One event; `finish_reason` and such go to the choice, `usage` and such to the chunk."""
    outer = {name: fields.pop(name) for name in ("usage", "error") if name in fields}
    choices = [] if delta is None else [{"index": index, "delta": delta} | fields]
    return b"data: " + json.dumps({"id": "c", "choices": choices} | outer).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def events_of(*pieces: bytes, to: Target | None = None) -> list[Event]:
    stream: StreamDecoder = openai_chat.decode_stream(EVENT_BYTES_MAX, to or target())
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events if stream.is_ended else events + stream.close()
