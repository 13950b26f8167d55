"""Writes replies as Anthropic's Messages: one object, or the stream of named events with a ping.

Shapes and the order of events are those of https://docs.claude.com/en/api/messages-streaming.
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nagara.sandbox.conversation import Call, Finish, Ids, Reply
from nagara.sandbox.messages_request import read_messages, read_prompt
from nagara.sandbox.reply import compose, find_prompt
from nagara.sandbox.request import Field
from nagara.sandbox.script import (
    Answered,
    encode_event,
    make_json_script,
    make_stream_script,
)
from nagara.sandbox.text import split_deltas

STOP_REASONS: Final = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
}


def answer_messages(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for a message. Raises `BadRequest`."""
    conversation = read_messages(body)
    [reply] = compose(conversation)
    shows_thinking = body["thinking"].is_absent or (
        body["thinking"]["display"].find_text() != "omitted"
    )
    blocks = list(render_blocks(reply, ids, shows_thinking=shows_thinking))
    edits: dict[str, Any] | None
    edits = None if body["context_management"].is_absent else {"applied_edits": []}
    message: dict[str, Any] = {
        "model": model,
        "id": ids.make("msg_"),
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": STOP_REASONS[reply.finish],
        "stop_sequence": reply.stop_sequence,
        "stop_details": None,
        "usage": render_usage(conversation.input_tokens, reply),
    }
    headers = [("request-id", ids.make("req_"))]
    if conversation.is_stream:
        return Answered(
            make_stream_script(stream_events(message, edits, reply), headers),
            find_prompt(conversation),
        )
    if edits is not None:
        message["context_management"] = edits
    return Answered(make_json_script(message, headers=headers), find_prompt(conversation))


def answer_count(body: Field, _model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for counting the tokens of a message."""
    conversation = read_prompt(body, None)
    headers = [("request-id", ids.make("req_"))]
    return Answered(
        make_json_script({"input_tokens": conversation.input_tokens}, headers=headers),
        find_prompt(conversation),
    )


def render_usage(input_tokens: int, reply: Reply) -> dict[str, Any]:
    """Usage of the whole message."""
    usage: dict[str, Any] = {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": reply.output_tokens,
        "service_tier": "standard",
    }
    if reply.reasoning_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": reply.reasoning_tokens}
    return usage


def render_blocks(reply: Reply, ids: Ids, *, shows_thinking: bool) -> Iterator[dict[str, Any]]:
    """The content: thinking, then text, then calls."""
    if reply.reasoning:
        thinking = reply.reasoning if shows_thinking else ""
        yield {"type": "thinking", "thinking": thinking, "signature": sign(reply.reasoning)}
    if reply.text:
        yield {"type": "text", "text": reply.text}
    for number, call in enumerate(reply.calls):
        yield render_call(call, ids.make("toolu_", number))


def render_call(call: Call, call_id: str) -> dict[str, Any]:
    """One tool call; its input is an object here."""
    arguments = msgspec.json.decode(call.input)
    return {"type": "tool_use", "id": call_id, "name": call.tool.name, "input": arguments}


def sign(thinking: str) -> str:
    """A signature as opaque as the real one, the same for the same thinking."""
    return base64.b64encode(hashlib.sha512(thinking.encode()).digest()).decode()


def stream_events(
    message: dict[str, Any], edits: dict[str, Any] | None, reply: Reply
) -> Iterator[bytes]:
    """All events of a stream."""
    opening = message | {"content": [], "stop_reason": None, "stop_sequence": None}
    opening["usage"] = render_usage(message["usage"]["input_tokens"], reply) | {
        "output_tokens": min(1, reply.output_tokens)
    }
    opening["usage"].pop("output_tokens_details", None)
    yield encode_named({"type": "message_start", "message": opening})
    for index, block in enumerate(message["content"]):
        for number, event in enumerate(stream_block(index, block)):
            yield encode_named(event)
            if index == number == 0:
                yield encode_named({"type": "ping"})
    if not message["content"]:
        yield encode_named({"type": "ping"})
    usage = {key: n for key, n in message["usage"].items() if key in DELTA_USAGE}
    delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    closing: dict[str, Any] = {"type": "message_delta", "delta": delta, "usage": usage}
    if edits is not None:
        closing["context_management"] = edits
    yield encode_named(closing)
    yield encode_named({"type": "message_stop"})


DELTA_USAGE: Final = frozenset(
    {
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
        "output_tokens_details",
    }
)


def encode_named(event: dict[str, Any]) -> bytes:
    """An event under the name of its type."""
    return encode_event(event, event["type"])


def stream_block(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one block: it starts empty, grows by deltas, and stops."""
    empty: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    opening = {key: empty.get(key, value) for key, value in block.items()}
    yield {"type": "content_block_start", "index": index, "content_block": opening}
    for delta in stream_deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def stream_deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is new in each event of one block."""
    if block["type"] == "text":
        for piece in split_deltas(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in split_deltas(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in split_deltas(msgspec.json.encode(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": piece}
