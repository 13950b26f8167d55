"""Answers of Converse, written in few words and read in one go."""

import json
from typing import Any

from hypothesis import strategies as st
from tests.event_stream import encode_event

from nagara.dialects.bedrock_converse import decode_response, decode_stream
from nagara.dialects.codec import Target
from nagara.domain.events import (
    Event,
    Response,
    fold,
)
from nagara.domain.messages import (
    Part,
)

BOUND = 1024 * 1024
TARGET = Target(provider="Amazon Bedrock", model="m", maker="anthropic")
USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}
CUTS = st.lists(st.integers(0, 20_000), max_size=20)


def whole(*blocks: Any, stop: str = "end_turn", **fields: Any) -> Response:
    body = {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        "usage": USAGE,
        "metrics": {"latencyMs": 1},
    }
    return decode_response(json.dumps(body | fields).encode(), TARGET)


def parts_of(response: Response) -> tuple[Part, ...]:
    return response.choices[0].parts


def read_stream(*pieces: bytes, bound: int = BOUND) -> list[Event]:
    decoder = decode_stream(bound, TARGET)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    if decoder.failure is not None:
        raise decoder.failure
    return events if decoder.is_ended else events + decoder.close()


def delta(index: int, **said: Any) -> bytes:
    return encode_event("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def start(index: int, **said: Any) -> bytes:
    return encode_event("contentBlockStart", {"contentBlockIndex": index, "start": said})


def stop(index: int) -> bytes:
    return encode_event("contentBlockStop", {"contentBlockIndex": index})


BEGIN = encode_event("messageStart", {"role": "assistant"})


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    return encode_event("messageStop", {"stopReason": reason}) + encode_event(
        "metadata", {"usage": USAGE | usage, "metrics": {"latencyMs": 1}}
    )


def streamed(*blocks: bytes, reason: str = "end_turn") -> Response:
    return fold(read_stream(BEGIN, *blocks, end(reason)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "contentBlockIndex", "delta", "start", "text", "toolUse", "input", "toolUseId",
                "name", "type", "toolResult", "content", "reasoningContent", "signature",
                "citation", "redactedContent", "image", "source", "bytes", "stopReason",
                "usage", "inputTokens", "output", "message", "json", "location", "web", "url",
                "citationsContent",
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
EVENTS = st.tuples(
    st.sampled_from(
        ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
         "messageStop", "metadata", "other"]
    ),
    JSON,
)  # fmt: skip
