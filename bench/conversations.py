"""The conversation that translations are measured with, in every dialect.

The request is one canonical conversation that each dialect's own codec writes, so all callers ask
the same: instructions, tools with schemas, a call and its result, some 4 KB. The streams are
written by hand as each provider writes them, since what surrounds a text differs from one to the
next, and reading that is what a chunk costs.
"""

import json
from collections.abc import Callable, Mapping, Sequence

import msgspec
from tests.event_stream import encode_event

from nagara.dialects.codec import Outbound, Target
from nagara.domain.catalog import Operation
from nagara.domain.messages import (
    FunctionTool,
    Message,
    Request,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

MODEL = "bench-model"
CHUNKS = 200
_WORD = " rain"

_INSTRUCTIONS = "You plan journeys by train, and say what you do not know. " * 10
_QUESTION = "Which connections are there from Vienna to Trieste in the morning? " * 20
_RESULT = json.dumps([{"train": "EC 151", "leaves": "06:25", "arrives": "15:32"}] * 9)
_FOUND = ToolResult(call_id="call_1", name="find_trains", parts=(Text(_RESULT),))


def _tool(name: str) -> FunctionTool:
    fields = ("origin", "destination", "earliest", "latest", "class")
    schema = {
        "type": "object",
        "properties": {
            field: {"type": "string", "description": f"The {field} that is asked for."}
            for field in fields
        },
        "required": list(fields[:2]),
    }
    raw = msgspec.Raw(msgspec.json.encode(schema))
    return FunctionTool(name=name, description="Looks up trains of a day.", parameters=raw)


REQUEST = Request(
    dialect="bench",
    model=MODEL,
    messages=(
        Message(Role.SYSTEM, (Text(_INSTRUCTIONS),)),
        Message(Role.USER, (Text(_QUESTION),)),
        Message(
            Role.ASSISTANT,
            (
                Text("I shall look that up."),
                ToolCall(
                    id="call_1",
                    name="find_trains",
                    arguments='{"origin":"Vienna","destination":"Trieste"}',
                ),
            ),
        ),
        Message(Role.USER, (_FOUND,)),
        Message(Role.USER, (Text("And the cheapest of them?"),)),
    ),
    tools=(_tool("find_trains"), _tool("find_prices")),
    tool_choice=ToolChoice(ToolChoiceMode.AUTO),
    output_tokens_max=1024,
    is_streamed=True,
)  # fmt: skip


def request_body(dialect: Outbound) -> bytes:
    """The request as a caller of this dialect writes it."""
    target = Target(provider="bench", model=MODEL, maker="bench", abilities=dialect.ABILITIES)
    return dialect.encode_request(REQUEST, target).body


class Stream(msgspec.Struct, frozen=True):
    """A provider's stream, a piece for each time it writes; `chunks` hold a word each."""

    begin: bytes
    chunks: Sequence[bytes]
    end: bytes


def _named_event(name: str, **fields: object) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


def _data_event(fields: object, line_end: str = "\n") -> bytes:
    return f"data: {json.dumps(fields, separators=(',', ':'))}{line_end * 2}".encode()


def _chat_stream() -> Stream:
    def chunk(delta: object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data_event({
            "id": "chatcmpl-bench0000000000000000000000", "object": "chat.completion.chunk",
            "created": 1_750_000_000, "model": MODEL, "service_tier": "default",
            "system_fingerprint": "fp_bench", "choices": [choice], "usage": None,
        })  # fmt: skip

    return Stream(
        chunk({"role": "assistant", "content": "", "refusal": None}),
        [chunk({"content": _WORD})] * CHUNKS,
        chunk({}, "stop") + b"data: [DONE]\n\n",
    )


def _responses_stream() -> Stream:
    item = {"id": "msg_bench", "type": "message", "role": "assistant", "status": "in_progress"}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    response = {"id": "resp_bench", "object": "response", "created_at": 1_750_000_000,
                "model": MODEL, "output": []}  # fmt: skip
    usage = {"input_tokens": 900, "output_tokens": CHUNKS, "total_tokens": 900 + CHUNKS}
    whole = {**part, "text": _WORD * CHUNKS}
    done = {**item, "status": "completed", "content": [whole]}
    begin = (
        _named_event("response.created", response={**response, "status": "in_progress"}),
        _named_event("response.output_item.added", output_index=0, item={**item, "content": []}),
        _named_event("response.content_part.added", **place, part=part),
    )
    end = (
        _named_event("response.output_text.done", **place, text=whole["text"]),
        _named_event("response.content_part.done", **place, part=whole),
        _named_event("response.output_item.done", output_index=0, item=done),
        _named_event(
            "response.completed",
            response={**response, "status": "completed", "output": [done], "usage": usage},
        ),
    )
    delta = "response.output_text.delta"
    chunks = [
        _named_event(delta, sequence_number=4 + n, **place, delta=_WORD, logprobs=[],
                     obfuscation="a1b2c3d4e5")
        for n in range(CHUNKS)
    ]  # fmt: skip
    return Stream(b"".join(begin), chunks, b"".join(end))


def _messages_stream() -> Stream:
    usage = {"input_tokens": 900, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "msg_bench", "type": "message", "role": "assistant", "content": [], "model": MODEL,
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    delta = {"type": "text_delta", "text": _WORD}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return Stream(
        _named_event("message_start", message=message)
        + _named_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        [_named_event("content_block_delta", index=0, delta=delta)] * CHUNKS,
        _named_event("content_block_stop", index=0)
        + _named_event("message_delta", delta=ended, usage={"output_tokens": CHUNKS})
        + _named_event("message_stop"),
    )


def _gemini_stream() -> Stream:
    def chunk(text: str, **others: object) -> bytes:
        content = {"parts": [{"text": text}], "role": "model"}
        usage = {"promptTokenCount": 900, "candidatesTokenCount": CHUNKS,
                 "totalTokenCount": 900 + CHUNKS,
                 "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 900}]}  # fmt: skip
        return _data_event({
            "candidates": [{"content": content, "index": 0, **others}],
            "usageMetadata": usage, "modelVersion": MODEL, "responseId": "bench",
        }, line_end="\r\n")  # fmt: skip

    return Stream(b"", [chunk(_WORD)] * CHUNKS, chunk("", finishReason="STOP"))


def _converse_stream() -> Stream:
    # `p` is what AWS fills its events up with, so that their length says nothing.
    delta = {"contentBlockIndex": 0, "delta": {"text": _WORD}, "p": "abcdefghijklmnop"}
    usage = {"inputTokens": 900, "outputTokens": CHUNKS, "totalTokens": 900 + CHUNKS}
    return Stream(
        encode_event("messageStart", {"role": "assistant"}),
        [encode_event("contentBlockDelta", delta)] * CHUNKS,
        encode_event("contentBlockStop", {"contentBlockIndex": 0})
        + encode_event("messageStop", {"stopReason": "end_turn"})
        + encode_event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    )


STREAMS: Mapping[Operation, Callable[[], Stream]] = {
    Operation.CHAT: _chat_stream,
    Operation.RESPONSES: _responses_stream,
    Operation.MESSAGES: _messages_stream,
    Operation.GENERATE_CONTENT: _gemini_stream,
    Operation.CONVERSE: _converse_stream,
}
