"""Events that differ in a text alone count what they would count if they were read."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nagara.dialects import anthropic_messages, openai_chat
from nagara.dialects.base import ForwardedStream
from nagara.dialects.likeness import Likeness, find_likeness
from nagara.dialects.sse import encode_event

EVENT = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
DELTA = b'{"content":"Hi"}'


def learn(event: bytes = EVENT, delta: bytes = DELTA, bytes_max: int = 1000) -> Likeness:
    likeness = find_likeness(event, delta, counted=2, bytes_max=bytes_max)
    assert likeness is not None
    return likeness


@pytest.mark.parametrize("text", ["", "Hello", "\\n", '\\"', "\\u00e9", "é\u2028"])
def test_another_text_is_alike_and_counted_by_its_length(text: str) -> None:
    data = text.encode()
    assert learn().measure(EVENT.replace(b"Hi", data)) == len(data)


@pytest.mark.parametrize(
    "event",
    [
        EVENT.replace(b"Hi", b'Hi"},"finish_reason":"stop","x":{"y":"'),
        EVENT.replace(b"Hi", b'","usage":"'),
        EVENT.replace(b"Hi", b"\\"),
        EVENT.replace(b"Hi", b"a\nb"),
        EVENT.replace(b"Hi", b"a\r\rb"),
        EVENT.replace(b"Hi", b"\xff"),
        EVENT.replace(b"Hi", b"\\ud83d"),
        EVENT.replace(b"null", b'"stop"'),
        EVENT.replace(b'"content"', b'"conten\\u0074"'),
        EVENT.replace(b":[", b": ["),
        EVENT + EVENT,
        EVENT + b"\n",
        b"\n" + EVENT,
        EVENT[:-1],
        EVENT[:40],
        b"",
    ],
)
def test_whatever_else_differs_is_read(event: bytes) -> None:
    assert learn().measure(event) is None


def test_bound_holds_for_what_is_alike() -> None:
    likeness = learn(bytes_max=len(EVENT) + 1)
    assert likeness.measure(EVENT.replace(b"Hi", b"Hi!")) == 3
    assert likeness.measure(EVENT.replace(b"Hi", b"Hi!!")) is None


def test_padding_may_differ_too_and_is_not_counted() -> None:
    event = EVENT[:-3] + b',"obfuscation":"abc"}\n\n'
    likeness = learn(event)
    assert likeness.measure(event.replace(b"Hi", b"Hello").replace(b"abc", b"")) == 5
    assert likeness.measure(event.replace(b"abc", b'a","usage":"b')) is None
    assert likeness.measure(event.replace(b"abc", b"a\\")) is None
    assert likeness.measure(EVENT) is None


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        (EVENT, b'{"role":"assistant"}'),
        (EVENT, b'{"content":null}'),
        (EVENT, b'{"content":"Ho"}'),
        (EVENT.replace(b'"delta"', b'"delta":{"content":"Hi"},"delta"'), DELTA),
    ],
)
def test_without_a_text_of_its_own_place_nothing_is_learned(event: bytes, delta: bytes) -> None:
    assert find_likeness(event, delta, counted=2, bytes_max=1000) is None


TEXTS = st.text(max_size=12)
CHAT_CHUNKS = st.one_of(
    TEXTS.map(lambda text: {"choices": [_choice({"content": text})]}),
    TEXTS.map(lambda text: {"choices": [_choice({"content": text})], "obfuscation": text[:3]}),
    TEXTS.map(lambda text: {"choices": [_choice({"role": "assistant", "reasoning": text})]}),
    TEXTS.map(lambda text: {"choices": [_choice({"tool_calls": [{"arguments": text}]})]}),
    TEXTS.map(lambda text: {"choices": [_choice({"content": text}), _choice({}, index=1)]}),
    TEXTS.map(lambda text: {"choices": [_choice({"content": text}) | {"finish_reason": "stop"}]}),
    TEXTS.map(
        lambda text: {"choices": [_choice({"content": text})], "usage": {"prompt_tokens": 9}}
    ),
    st.just({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
    st.just({"error": {"message": "no"}}),
)
MESSAGE_EVENTS = st.one_of(
    TEXTS.map(lambda text: _delta({"type": "text_delta", "text": text})),
    TEXTS.map(lambda text: _delta({"text": text})),
    TEXTS.map(lambda text: _delta({"type": "thinking_delta", "thinking": text})),
    TEXTS.map(lambda text: _delta({"type": "input_json_delta", "partial_json": text})),
    TEXTS.map(lambda text: _delta({"text": text}) | {"usage": {"output_tokens": 3}}),
    st.just({"type": "message_delta", "usage": {"output_tokens": 4}}),
    st.just({"type": "error", "error": {}}),
)


def _choice(delta: dict[str, object], index: int = 0) -> dict[str, object]:
    return {"index": index, "delta": delta, "finish_reason": None}


def _delta(delta: dict[str, str]) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


@given(
    st.one_of(
        st.tuples(st.just(openai_chat), st.lists(CHAT_CHUNKS, max_size=20)),
        st.tuples(st.just(anthropic_messages), st.lists(MESSAGE_EVENTS, max_size=20)),
    ),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
)
@example(
    case=(
        openai_chat,
        [
            {"choices": [_choice({"content": ""})]},
            {"choices": [_choice({}, index=1)]},
            {"choices": [_choice({}) | {"finish_reason": "stop"}]},
            {"error": {"message": "no"}},
            {"choices": [_choice({"content": ""})]},
        ],
    ),
    is_ascii=True,
    hides_usage=False,
    at_once=1,
)
@settings(deadline=None)
def test_a_stream_says_the_same_whether_or_not_its_events_are_alike(
    case: tuple[object, list[dict[str, object]]], is_ascii: bool, hides_usage: bool, at_once: int
) -> None:
    dialect, events = case
    wire = [encode_event(json.dumps(event, ensure_ascii=is_ascii).encode()) for event in events]
    reads = [b"".join(wire[i : i + at_once]) for i in range(0, len(wire), at_once)]
    told = []
    for likenesses in (16, 0):
        stream = dialect.forward_stream(10_000, None, hides_usage=hides_usage)  # type: ignore[attr-defined]
        assert isinstance(stream, ForwardedStream)
        stream._likenesses_left = likenesses
        out = b""
        for read in reads:
            if stream.is_ended:
                break
            out += stream.feed(read)
        told.append((out, stream.usage, stream.text_bytes, stream.output_bytes,
                     stream.is_complete, stream.is_ended, stream.has_failed))  # fmt: skip
    assert told[0] == told[1]
