"""What a provider of each dialect says: whole answers and streams, byte for byte.

Every body has a field that no gateway knows, and every stream a comment, so that a test can see
whether they pass. The provider's name for the model is `UPSTREAM_MODEL`, the caller's
`CALLER_MODEL`.
"""

import json
from typing import Any

import msgspec

from tests.fakes import Peer

CALLER_MODEL = "house-model"
UPSTREAM_MODEL = "their-model-2"
TURN = [{"role": "user", "content": "Say hello."}]


def data(value: object) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def named(type_: str, **fields: object) -> bytes:
    """An event with its type as its name."""
    return b"event: " + type_.encode() + b"\n" + data({"type": type_, **fields})


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """One dialect's lines: what is asked, and what the provider answers.

    `events` are the stream without its last ones, `ending` are those. `terminator` is what the
    gateway adds where the provider left it out.
    """

    path: str
    request: dict[str, Any]
    answer: dict[str, Any]
    events: tuple[bytes, ...]
    ending: bytes
    terminator: bytes = b""

    @property
    def streamed(self) -> dict[str, Any]:
        """The request for a stream."""
        return {**self.request, "stream": True}

    @property
    def stream(self) -> bytes:
        """All that the provider sends of a good stream."""
        return b"".join(self.events) + self.ending

    def as_caller_sees(self, sent: bytes) -> bytes:
        """What arrives of `sent`: the same with the caller's name for the model."""
        return sent.replace(UPSTREAM_MODEL.encode(), CALLER_MODEL.encode())


def chat_chunk(delta: dict[str, Any], finish: str | None = None, **more: object) -> bytes:
    """A chunk of a chat stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return data(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
         "model": UPSTREAM_MODEL, "x_unknown": {"deep": [1, "ü"]}, "choices": [choice], **more}
    )  # fmt: skip


CHAT_USAGE = data(
    {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": UPSTREAM_MODEL,
     "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}
)  # fmt: skip
DONE = b"data: [DONE]\n\n"

CHAT = Lines(
    path="/v1/chat/completions",
    request={"model": CALLER_MODEL, "messages": TURN, "x_future": {"a": [1, None]}},
    answer={
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": UPSTREAM_MODEL,
        "x_unknown": {"deep": [1, "ü"]},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."},
                     "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    },
    events=(chat_chunk({"role": "assistant"}), b": keep-alive\n\n", chat_chunk({"content": "Hel"})),
    ending=chat_chunk({"content": "lo."}, "stop") + DONE,
)  # fmt: skip


def response_object(status: str, **more: object) -> dict[str, Any]:
    """A Responses answer."""
    text = {"type": "output_text", "text": "Hello.", "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
               "content": [text]}  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status,
        "model": UPSTREAM_MODEL, "x_unknown": {"deep": [1, "ü"]}, "tools": [],
        "tool_choice": "auto", "parallel_tool_calls": True,
        "output": [message] if status == "completed" else [], **more,
    }  # fmt: skip


USAGE = {
    "input_tokens": 7, "output_tokens": 2, "total_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip

RESPONSES = Lines(
    path="/v1/responses",
    request={"model": CALLER_MODEL, "input": "Say hello.", "x_future": {"a": [1, None]}},
    answer=response_object("completed", usage=USAGE),
    events=(
        named("response.created", sequence_number=0, response=response_object("in_progress")),
        b": keep-alive\n\n",
        named("response.output_text.delta", sequence_number=1, item_id="msg_1", output_index=0,
              content_index=0, delta="Hello.", x_unknown=1, logprobs=[]),
    ),
    ending=named(
        "response.completed", sequence_number=2, response=response_object("completed", usage=USAGE)
    ),
    terminator=DONE,
)  # fmt: skip

MESSAGES_USAGE = {"input_tokens": 7, "output_tokens": 2, "x_tier": "standard"}
MESSAGES = Lines(
    path="/v1/messages",
    request={
        "model": CALLER_MODEL, "max_tokens": 16, "messages": TURN, "x_future": {"a": [1, None]}
    },
    answer={
        "id": "msg_1", "type": "message", "role": "assistant", "model": UPSTREAM_MODEL,
        "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
        "stop_sequence": None, "x_unknown": {"deep": [1, "ü"]}, "usage": MESSAGES_USAGE,
    },
    events=(
        named("message_start", message={
            "id": "msg_1", "type": "message", "role": "assistant", "model": UPSTREAM_MODEL,
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": MESSAGES_USAGE,
        }, x_unknown=1),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named("ping"),
        b": keep-alive\n\n",
        named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."}),
    ),
    ending=named("content_block_stop", index=0)
    + named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 2})
    + named("message_stop"),
)  # fmt: skip

DIALECTS = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


async def begin_stream(peer: Peer, *events: bytes) -> None:
    """Answer with the head of a stream and these events, each in a chunk of its own."""
    await peer.send(STREAM_HEAD)
    await peer.send_chunks(*events)


async def give_stream(peer: Peer, lines: Lines) -> None:
    """A whole good stream."""
    await begin_stream(peer, *lines.events, lines.ending, b"")


async def give_answer(peer: Peer, lines: Lines) -> None:
    """A whole good answer that is no stream."""
    await peer.answer(json.dumps(lines.answer).encode(), b"content-type: application/json")
