"""Messages by way of the hub, on requests and streams of every kind, and on bytes of none."""

import contextlib
import itertools
import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagara.dialects import anthropic_messages
from nagara.dialects.codec import Frame, StreamDecoder, Target
from nagara.domain.errors import GatewayError
from nagara.domain.events import Event, fold, unfold
from nagara.domain.messages import Request

BYTES_MAX = 2_000_000
TARGET = Target(
    provider="Anthropic",
    model="claude-opus-4-6",
    maker="anthropic",
    abilities=anthropic_messages.ABILITIES,
)

TEXTS = st.text(min_size=1, max_size=20).filter(str.strip)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
MARKS = st.sampled_from([{}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])
SOURCES = st.sampled_from(
    [
        {"type": "url", "url": "https://a/b"},
        {"type": "file", "file_id": "file_1"},
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
    ]
)


def block(kind: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda mark, rest: {"type": kind, **rest, **mark}, MARKS, st.fixed_dictionaries(fields)
    )


SAID = st.lists(
    block("text", text=TEXTS)
    | block("image", source=SOURCES)
    | block("document", source=st.just({"type": "text", "media_type": "text/plain", "data": "d"})),
    min_size=1,
    max_size=3,
)
ANSWERED = st.lists(
    block("text", text=TEXTS)
    | st.builds(lambda t: {"type": "thinking", "thinking": t, "signature": "s"}, TEXTS)
    | st.builds(lambda t: {"type": "redacted_thinking", "data": t}, NAMES),
    min_size=1,
    max_size=3,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Any]:
    """Turns in the order that Anthropic holds them to, with tools between."""
    messages: list[Any] = [{"role": "user", "content": draw(SAID)}]
    for turn in range(draw(st.integers(0, 3))):
        count = draw(st.integers(0, 2))
        calls = [
            {"type": "tool_use", "id": f"t{turn}_{n}", "name": draw(NAMES), "input": draw(INPUTS)}
            for n in range(count)
        ]
        results = [
            {"type": "tool_result", "tool_use_id": f"t{turn}_{n}", "content": draw(SAID)}
            for n in range(count)
        ]
        messages.append({"role": "assistant", "content": draw(ANSWERED) + calls})
        messages.append({"role": "user", "content": results + draw(SAID)})
    return messages


INPUTS = st.dictionaries(NAMES, JSON, max_size=3)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "input_schema": st.just({"type": "object"})},
        optional={"description": TEXTS, "strict": st.just(False), "defer_loading": st.booleans()},
    ),
    max_size=3,
)
REQUESTS = st.fixed_dictionaries(
    {"model": NAMES, "max_tokens": st.integers(5000, 9000), "messages": conversations()},
    optional={
        "system": TEXTS | st.lists(block("text", text=TEXTS), min_size=1, max_size=2),
        "tools": TOOLS,
        "tool_choice": st.sampled_from(
            [{"type": "auto"}, {"type": "any", "disable_parallel_tool_use": True}, {"type": "none"}]
        ),
        "thinking": st.sampled_from(
            [
                {"type": "adaptive"},
                {"type": "disabled"},
                {"type": "enabled", "budget_tokens": 2000},
                {"type": "adaptive", "display": "omitted"},
            ]
        ),
        "output_config": st.fixed_dictionaries(
            {"effort": st.sampled_from(["low", "medium", "high", "max"])}
        ),
        "stop_sequences": st.lists(TEXTS, min_size=1, max_size=2),
        "metadata": st.fixed_dictionaries({"user_id": NAMES}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "container": NAMES,
        "stream": st.booleans(),
        "cache_control": st.just({"type": "ephemeral"}),
    },
)


def rewritten(request: Request) -> Request:
    encoded = anthropic_messages.encode_request(request, TARGET)
    again = anthropic_messages.decode_request(encoded.body)
    return Request(
        **{n: getattr(again, n) for n in again.__struct_fields__} | {"model": request.model}
    )


@given(REQUESTS)
@settings(deadline=None, max_examples=150)
def test_a_request_written_and_read_again_is_the_same(asked: dict[str, Any]) -> None:
    # Once around makes of each raw piece the bytes that our encoder writes.
    request = rewritten(anthropic_messages.decode_request(json.dumps(asked).encode()))
    assert rewritten(request) == request
    assert request.dialect == "anthropic_messages"


def check_refusal(error: GatewayError) -> None:
    assert error.kind.value.status == 400
    assert error.message


def mutate(body: bytes, places: list[tuple[int, int]]) -> bytes:
    changed = bytearray(body)
    for place, byte in places:
        changed[place % len(changed)] = byte
    return bytes(changed)


MUTATIONS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4)
ODD = st.sampled_from([None, 0, "", [], {}, [None], {"type": None}, {"type": "text"}, 1e400])


@given(REQUESTS, MUTATIONS)
@settings(deadline=None, max_examples=150)
def test_a_mutated_request_is_read_or_refused(asked: dict[str, Any], places: Any) -> None:
    try:
        request = anthropic_messages.decode_request(mutate(json.dumps(asked).encode(), places))
        anthropic_messages.encode_request(request, TARGET)
    except GatewayError as error:
        check_refusal(error)


@given(REQUESTS, st.data())
@settings(deadline=None, max_examples=150)
def test_a_wrong_value_anywhere_is_read_or_refused(asked: Any, data: st.DataObject) -> None:
    asked = deepcopy(asked)
    value: Any = asked
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(value[key], dict | list) or data.draw(st.booleans()):
            # A copy: a value of the strategy's own would be changed by the next example.
            value[key] = deepcopy(data.draw(ODD))
            break
        value = value[key]
    try:
        request = anthropic_messages.decode_request(json.dumps(asked).encode())
        anthropic_messages.encode_request(request, TARGET)
    except GatewayError as error:
        check_refusal(error)


EVENTS = [
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "\u2028\x85"}},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "\U0001f600\n"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
    },
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop"},
    {
        "type": "content_block_start",
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "content_block_stop"},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]


def stream_of(line_end: str, *, is_ascii: bool) -> bytes:
    pieces = (json.dumps(event, ensure_ascii=is_ascii) for event in EVENTS)
    return "".join(f"data: {piece}{line_end}{line_end}" for piece in pieces).encode()


def read_all(decoder: StreamDecoder, pieces: list[bytes]) -> list[Event]:
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events if decoder.is_ended else events + decoder.close()


@given(
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(0, 3000), max_size=30),
)
@settings(deadline=None, max_examples=150)
def test_any_split_gives_the_same_events(line_end: str, is_ascii: bool, cuts: list[int]) -> None:
    whole = stream_of(line_end, is_ascii=is_ascii)
    at = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(at)]
    events = read_all(anthropic_messages.decode_stream(BYTES_MAX, TARGET), pieces)
    reference = stream_of("\n", is_ascii=True)
    expected = read_all(anthropic_messages.decode_stream(BYTES_MAX, TARGET), [reference])
    response = fold(events)
    # Raw pieces keep the escapes that they came with.
    assert str(events).count("PartBegan") == str(expected).count("PartBegan") == 4
    assert [getattr(p, "text", None) for p in response.choices[0].parts] == [
        getattr(p, "text", None) for p in fold(expected).choices[0].parts
    ]
    assert fold(unfold(response)) == response


@given(MUTATIONS)
@settings(deadline=None, max_examples=300)
def test_a_mutated_stream_is_read_or_refused(places: Any) -> None:
    frame = Frame(
        request=Request(dialect="anthropic_messages", model="m", messages=()),
        model="m",
        seed="s",
        created_s=0,
    )
    encoder = anthropic_messages.encode_stream(frame)
    try:
        mutated = mutate(stream_of("\n", is_ascii=True), places)
        for event in read_all(anthropic_messages.decode_stream(BYTES_MAX, TARGET), [mutated]):
            encoder.encode(event)
    except GatewayError:
        pass


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for decode in (
        lambda: anthropic_messages.decode_request(data),
        lambda: anthropic_messages.decode_response(data, TARGET),
        lambda: read_all(
            anthropic_messages.decode_stream(1000, TARGET), [b"data: " + data + b"\n\n"]
        ),
    ):
        # An orderly end alone is a stream too, so not all need be refused.
        with contextlib.suppress(GatewayError):
            decode()


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    request = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":%b}]}' % nested
    with pytest.raises(GatewayError):
        anthropic_messages.decode_request(request)
    tool = b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t",'
    tool += b'"name":"f","input":{"a":%b}}]}]}' % nested
    try:
        anthropic_messages.encode_request(anthropic_messages.decode_request(tool), TARGET)
    except GatewayError as error:
        check_refusal(error)


def test_one_event_of_a_megabyte_is_one_delta() -> None:
    text = "\u2028" + "x" * 1_000_000
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    decoder = anthropic_messages.decode_stream(BYTES_MAX, TARGET)
    whole = f"data: {json.dumps(delta, ensure_ascii=False)}\n\n".encode()
    events = [e for at in range(0, len(whole), 9973) for e in decoder.feed(whole[at : at + 9973])]
    assert [getattr(event, "text", "") for event in events] == ["", text]
