"""What a provider of each wire format answers: the same turn in all of them, and the same failures.

The turn is a text and a tool call; a stream breaks its pieces as the real ones do. Errors have the
shape that each API documents for a status, and for an event in the middle of a stream.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from tests.event_stream import encode_event, encode_exception

from nagara.domain.catalog import Operation

TEXT: Final = "Let me look."
TOOL: Final = "get_weather"
ARGUMENTS: Final = {"city": "Paris"}
INPUT_TOKENS: Final = 11
OUTPUT_TOKENS: Final = 7
SAID: Final = "Their own words about it."

_CALL = json.dumps(ARGUMENTS)
_ANSWERED = {"id": "x1", "model": "their-model", "created": 1}


class Wire(msgspec.Struct, frozen=True):
    """One wire format. `begun` is a stream up to its text, `rest` what makes it whole.

    `broken` is the event that says, in place of `rest`, that it failed.
    """

    name: str
    ending: str
    whole: Mapping[str, Any]
    begun: bytes
    rest: bytes
    broken: bytes
    error: Mapping[str, Any]
    media_type: str = "text/event-stream"


def data(value: object) -> bytes:
    """A server-sent event without a name."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def named(type_: str, **fields: object) -> bytes:
    """One with its type as its name."""
    return b"event: " + type_.encode() + b"\n" + data({"type": type_, **fields})


_CHAT_USAGE = {
    "prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}  # fmt: skip
_CHAT_CALL = {"id": "call00001", "type": "function", "function": {"name": TOOL, "arguments": _CALL}}


def _chunk(delta: Mapping[str, Any], finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return data({**_ANSWERED, "object": "chat.completion.chunk", "choices": [choice], **more})


# https://platform.openai.com/docs/api-reference/chat
CHAT = Wire(
    name="chat",
    ending="/chat/completions",
    whole={
        **_ANSWERED, "object": "chat.completion", "usage": _CHAT_USAGE,
        "choices": [{
            "index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": TEXT, "tool_calls": [_CHAT_CALL]},
        }],
    },
    begun=_chunk({"role": "assistant", "content": ""}) + _chunk({"content": TEXT}),
    rest=_chunk({"tool_calls": [{"index": 0, **_CHAT_CALL}]})
    + _chunk({}, "tool_calls")
    + data({**_ANSWERED, "object": "chat.completion.chunk", "choices": [], "usage": _CHAT_USAGE})
    + b"data: [DONE]\n\n",
    broken=data({"error": {"message": SAID, "type": "server_error", "code": None}}),
    error={"error": {"message": SAID, "type": "invalid_request_error", "param": None,
                     "code": None}},
)  # fmt: skip

_PART = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant"}
_DONE_MESSAGE = {**_MESSAGE, "status": "completed", "content": [_PART]}
_FUNCTION = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": TOOL}
_DONE_FUNCTION = {**_FUNCTION, "status": "completed", "arguments": _CALL}
_RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "their-model", "tools": [],
    "tool_choice": "auto", "parallel_tool_calls": True, "error": None, "incomplete_details": None,
}  # fmt: skip
_RESPONSE_WHOLE = {
    **_RESPONSE, "status": "completed", "output": [_DONE_MESSAGE, _DONE_FUNCTION],
    "usage": {
        "input_tokens": INPUT_TOKENS, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT_TOKENS, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    },
}  # fmt: skip
_BEGUN = {**_RESPONSE, "status": "in_progress", "output": []}
_AT_TEXT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_AT_CALL = {"item_id": "fc_1", "output_index": 1}

# https://platform.openai.com/docs/api-reference/responses-streaming
RESPONSES = Wire(
    name="responses",
    ending="/responses",
    whole=_RESPONSE_WHOLE,
    begun=named("response.created", sequence_number=0, response=_BEGUN)
    + named("response.output_item.added", sequence_number=1, output_index=0,
            item={**_MESSAGE, "status": "in_progress", "content": []})
    + named("response.content_part.added", sequence_number=2, part={**_PART, "text": ""},
            **_AT_TEXT)
    + named("response.output_text.delta", sequence_number=3, delta=TEXT, logprobs=[], **_AT_TEXT),
    rest=named("response.output_text.done", sequence_number=4, text=TEXT, logprobs=[], **_AT_TEXT)
    + named("response.content_part.done", sequence_number=5, part=_PART, **_AT_TEXT)
    + named("response.output_item.done", sequence_number=6, output_index=0, item=_DONE_MESSAGE)
    + named("response.output_item.added", sequence_number=7, output_index=1,
            item={**_FUNCTION, "status": "in_progress", "arguments": ""})
    + named("response.function_call_arguments.delta", sequence_number=8, delta=_CALL, **_AT_CALL)
    + named("response.function_call_arguments.done", sequence_number=9, arguments=_CALL,
            **_AT_CALL)
    + named("response.output_item.done", sequence_number=10, output_index=1, item=_DONE_FUNCTION)
    + named("response.completed", sequence_number=11, response=_RESPONSE_WHOLE),
    broken=named("error", sequence_number=4, code="server_error", message=SAID, param=None),
    error=CHAT.error,
)  # fmt: skip

_STARTED = {"id": "msg_1", "type": "message", "role": "assistant", "model": "their-model"}
_TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": TOOL}

# https://docs.anthropic.com/en/docs/build-with-claude/streaming
MESSAGES = Wire(
    name="messages",
    ending="/messages",
    whole={
        **_STARTED, "stop_reason": "tool_use", "stop_sequence": None,
        "content": [{"type": "text", "text": TEXT}, {**_TOOL_USE, "input": ARGUMENTS}],
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    },
    begun=named("message_start", message={
        **_STARTED, "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1},
    })
    + named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + named("ping")
    + named("content_block_delta", index=0, delta={"type": "text_delta", "text": TEXT}),
    rest=named("content_block_stop", index=0)
    + named("content_block_start", index=1, content_block={**_TOOL_USE, "input": {}})
    + named("content_block_delta", index=1,
            delta={"type": "input_json_delta", "partial_json": _CALL})
    + named("content_block_stop", index=1)
    + named("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None},
            usage={"output_tokens": OUTPUT_TOKENS})
    + named("message_stop"),
    broken=named("error", error={"type": "api_error", "message": SAID}),
    error={"type": "error", "error": {"type": "invalid_request_error", "message": SAID}},
)  # fmt: skip

_GEMINI_USAGE = {
    "promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS,
    "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
}  # fmt: skip
_GEMINI_CALL = {"functionCall": {"name": TOOL, "args": ARGUMENTS}}


def _gemini(*parts: Mapping[str, Any], **more: object) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}
    return {"candidates": [candidate], "usageMetadata": _GEMINI_USAGE, "modelVersion": "theirs"}


# https://ai.google.dev/api/generate-content
GEMINI = Wire(
    name="gemini",
    ending="enerateContent",
    whole=_gemini({"text": TEXT}, _GEMINI_CALL, finishReason="STOP"),
    begun=data(_gemini({"text": TEXT})),
    rest=data(_gemini(_GEMINI_CALL, finishReason="STOP")),
    broken=data({"error": {"code": 500, "message": SAID, "status": "INTERNAL"}}),
    error={"error": {"code": 400, "message": SAID, "status": "INVALID_ARGUMENT"}},
)

_CONVERSE_USAGE = {
    "inputTokens": INPUT_TOKENS, "outputTokens": OUTPUT_TOKENS,
    "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
}  # fmt: skip
_CONVERSE_CALL = {"toolUseId": "tooluse_1", "name": TOOL}

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
CONVERSE = Wire(
    name="converse",
    ending="/converse",
    whole={
        "output": {"message": {"role": "assistant", "content": [
            {"text": TEXT}, {"toolUse": {**_CONVERSE_CALL, "input": ARGUMENTS}},
        ]}},
        "stopReason": "tool_use", "usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 1},
    },
    begun=encode_event("messageStart", {"role": "assistant"})
    + encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}}),
    rest=encode_event("contentBlockStop", {"contentBlockIndex": 0})
    + encode_event("contentBlockStart",
                   {"contentBlockIndex": 1, "start": {"toolUse": _CONVERSE_CALL}})
    + encode_event("contentBlockDelta",
                   {"contentBlockIndex": 1, "delta": {"toolUse": {"input": _CALL}}})
    + encode_event("contentBlockStop", {"contentBlockIndex": 1})
    + encode_event("messageStop", {"stopReason": "tool_use"})
    + encode_event("metadata", {"usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 1}}),
    broken=encode_exception("modelStreamErrorException", {"message": SAID}),
    error={"message": SAID},
    media_type="application/vnd.amazon.eventstream",
)  # fmt: skip

WIRES: Final[Mapping[Operation, Wire]] = {
    Operation.CHAT: CHAT,
    Operation.RESPONSES: RESPONSES,
    Operation.MESSAGES: MESSAGES,
    Operation.GENERATE_CONTENT: GEMINI,
    Operation.CONVERSE: CONVERSE,
}


def find_wire(path: str) -> Wire:
    """The wire format that is spoken at a path."""
    bare = path.partition("?")[0].removesuffix("-stream")
    return next(wire for wire in WIRES.values() if bare.endswith(wire.ending))
