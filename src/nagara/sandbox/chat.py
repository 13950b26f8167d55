"""Writes replies as OpenAI's Chat Completions: one object, or a stream of chunks and `[DONE]`.

Shapes are those of https://platform.openai.com/docs/api-reference/chat/object and its chunks.
Reasoning goes into `reasoning_content`, the field that compatible servers use; OpenAI itself only
counts it.
"""

from collections.abc import Iterator
from typing import Any, Final

from nagara.sandbox.chat_request import read_chat, wants_usage
from nagara.sandbox.conversation import Call, Conversation, Finish, Ids, Reply, ToolKind
from nagara.sandbox.reply import compose, find_prompt
from nagara.sandbox.request import Field
from nagara.sandbox.script import (
    Answered,
    encode_event,
    make_json_script,
    make_stream_script,
)
from nagara.sandbox.text import split_deltas

FINISH_REASONS: Final = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
}
FINGERPRINT: Final = "fp_nagara_sandbox"
DONE: Final = b"data: [DONE]\n\n"


def answer_chat(body: Field, model: str, now_s: int, ids: Ids) -> Answered:
    """The script for a chat completion. Raises `BadRequest`."""
    conversation = read_chat(body)
    with_usage = wants_usage(body)
    replies = compose(conversation)
    frame = {
        "id": ids.make("chatcmpl-"),
        "object": "chat.completion.chunk" if conversation.is_stream else "chat.completion",
        "created": now_s,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    headers = [("x-request-id", ids.make("req_"))]
    usage = render_usage(conversation, replies)
    if conversation.is_stream:
        chunks = stream_chunks(frame, replies, usage if with_usage else None, ids)
        return Answered(make_stream_script(chunks, headers), find_prompt(conversation))
    choices = [render_choice(index, reply, ids) for index, reply in enumerate(replies)]
    return Answered(
        make_json_script(frame | {"choices": choices, "usage": usage}, headers=headers),
        find_prompt(conversation),
    )


def render_usage(conversation: Conversation, replies: list[Reply]) -> dict[str, Any]:
    """Usage over all choices."""
    output = sum(reply.output_tokens for reply in replies)
    return {
        "prompt_tokens": conversation.input_tokens,
        "completion_tokens": output,
        "total_tokens": conversation.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(reply.reasoning_tokens for reply in replies),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def render_choice(index: int, reply: Reply, ids: Ids) -> dict[str, Any]:
    """One whole choice."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.calls else reply.text,
        "refusal": None,
        "annotations": [],
    }
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            render_call(call, ids.make("call_", index, number))
            for number, call in enumerate(reply.calls)
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": None,
        "finish_reason": FINISH_REASONS[reply.finish],
    }


def render_call(call: Call, call_id: str) -> dict[str, Any]:
    """One tool call."""
    field = "input" if call.tool.kind is ToolKind.CUSTOM else "arguments"
    kind = call.tool.kind.value
    return {"id": call_id, "type": kind, kind: {"name": call.tool.name, field: call.input}}


def stream_chunks(
    frame: dict[str, Any], replies: list[Reply], usage: dict[str, Any] | None, ids: Ids
) -> Iterator[bytes]:
    """All chunks of a stream. With usage asked for, every chunk has the field, as OpenAI does."""
    tail: dict[str, Any] = {} if usage is None else {"usage": None}
    for index, reply in enumerate(replies):
        for delta in stream_deltas(index, reply, ids):
            yield encode_event(frame | {"choices": [render_delta(index, delta)]} | tail)
        last = render_delta(index, {}, FINISH_REASONS[reply.finish])
        yield encode_event(frame | {"choices": [last]} | tail)
    if usage is not None:
        yield encode_event(frame | {"choices": [], "usage": usage})
    yield DONE


def render_delta(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One choice of a chunk."""
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def stream_deltas(index: int, reply: Reply, ids: Ids) -> Iterator[dict[str, Any]]:
    """What is new in each chunk of one choice."""
    content = None if reply.calls else ""
    yield {"role": "assistant", "content": content, "refusal": None}
    for piece in split_deltas(reply.reasoning):
        yield {"reasoning_content": piece}
    for piece in split_deltas(reply.text):
        yield {"content": piece}
    for number, call in enumerate(reply.calls):
        opening = render_call(call, ids.make("call_", index, number))
        kind = call.tool.kind.value
        field = "input" if call.tool.kind is ToolKind.CUSTOM else "arguments"
        opening[kind][field] = ""
        yield {"tool_calls": [{"index": number, **opening}]}
        for piece in split_deltas(call.input):
            yield {"tool_calls": [{"index": number, kind: {field: piece}}]}
