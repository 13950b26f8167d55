"""Converse's streams: how they end, fail and are split."""

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_stream import encode_event, encode_exception, encode_message
from tests.unit.dialects.bedrock_converse.answers import (
    BEGIN,
    CUTS,
    EVENTS,
    USAGE,
    delta,
    end,
    parts_of,
    read_stream,
    start,
    stop,
    streamed,
)

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Ended,
    Failed,
    FinishReason,
    PartBegan,
    PartEnded,
    fold,
)
from nagara.domain.messages import (
    Text,
    ToolCall,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", ErrorKind.UPSTREAM_RATE_LIMIT),
        ("serviceUnavailableException", ErrorKind.UPSTREAM_UNAVAILABLE),
        ("internalServerException", ErrorKind.UPSTREAM_ERROR),
        ("modelStreamErrorException", ErrorKind.UPSTREAM_ERROR),
        ("validationException", ErrorKind.INVALID_REQUEST),
        ("somethingNewException", ErrorKind.UPSTREAM_ERROR),
    ],
)
def test_exception_in_the_stream_fails_it_in_bedrocks_words(name: str, kind: ErrorKind) -> None:
    events = read_stream(BEGIN, delta(0, text="x"), encode_exception(name, {"message": "Why."}))
    assert isinstance(events[-1], Failed)
    assert (events[-1].error.kind, events[-1].error.message) == (kind, "Why.")


def test_error_of_the_transport_fails_the_stream_too() -> None:
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh."}
    events = read_stream(BEGIN, encode_message(headers, b""))
    assert isinstance(events[-1], Failed)
    assert events[-1].error.message == "Oh."
    silent = read_stream(encode_message({":message-type": "exception"}, b"no json"))
    assert isinstance(silent[-1], Failed)
    assert "Amazon Bedrock" in silent[-1].error.message


def test_nothing_is_read_after_the_end() -> None:
    events = read_stream(BEGIN + delta(0, text="x") + end() + delta(0, text="y") + b"junk")
    assert isinstance(events[-1], Ended)


def test_turn_that_is_over_is_whole_without_its_usage() -> None:
    ended = encode_event("messageStop", {"stopReason": "end_turn"})
    response = fold(read_stream(BEGIN, delta(0, text="x"), ended))
    assert (response.usage, response.choices[0].finish) == (None, FinishReason.STOP)
    half = encode_event("metadata", {"usage": USAGE})[:-3]
    assert fold(read_stream(BEGIN, delta(0, text="x"), ended, half)) == response


@pytest.mark.parametrize("rest", [b"", stop(0), delta(0, text="y")[:20]])
def test_stream_that_ends_before_its_turn_is_cut(rest: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_stream(BEGIN, delta(0, text="x"), rest)
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT


def test_new_events_and_odd_ones_are_passed_over() -> None:
    odd = [
        encode_event("somethingNew", {"a": 1}),
        delta(7, toolUse={"input": "{}"}),
        delta(7, somethingNew=1),
        stop(9),
        start(5, somethingNew={}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 3}),
    ]
    assert parts_of(streamed(*odd, delta(0, text="x"), stop(0))) == (Text("x"),)


def test_what_is_kept_of_a_block_is_bounded() -> None:
    sent = [start(0, toolUse={"toolUseId": "t", "name": "n", "type": "server_tool_use"})]
    sent += [delta(0, toolUse={"input": "x" * 400})] * 3
    with pytest.raises(GatewayError) as caught:
        read_stream(BEGIN, *sent, bound=1000)
    assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE


def test_events_of_interleaved_calls_stay_apart() -> None:
    sent = [
        start(0, toolUse={"toolUseId": "a", "name": "f"}),
        start(1, toolUse={"toolUseId": "b", "name": "g"}),
        delta(1, toolUse={"input": '{"y":'}),
        delta(0, toolUse={"input": '{"x":1}'}),
        delta(1, toolUse={"input": "2}"}),
    ]
    assert parts_of(streamed(*sent, reason="tool_use")) == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments='{"y":2}'),
    )


def test_parts_are_numbered_as_they_begin_and_all_end() -> None:
    events = read_stream(BEGIN, delta(4, text="x"), stop(4), delta(9, text="y"), end())
    assert [event.index for event in events if isinstance(event, PartBegan)] == [0, 1]
    assert [event.index for event in events if isinstance(event, PartEnded)] == [0, 1]


@given(st.lists(EVENTS, max_size=8))
@settings(deadline=None)
def test_no_events_raise_anything_but_our_own_error(events: list[tuple[str, Any]]) -> None:
    stream = b"".join(encode_event(name, value) for name, value in events)
    with contextlib.suppress(GatewayError):
        read_stream(stream)


@given(CUTS)
@settings(deadline=None)
def test_any_split_of_a_stream_gives_the_same_events(cuts: list[int]) -> None:
    stream = b"".join(
        [
            BEGIN,
            delta(0, reasoningContent={"text": "Hm."}),
            delta(0, reasoningContent={"signature": "s"}),
            stop(0),
            delta(1, text="H\u2028i"),
            stop(1),
            start(2, toolUse={"toolUseId": "t", "name": "f"}),
            delta(2, toolUse={"input": "{}"}),
            stop(2),
            end("tool_use"),
        ]
    )
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(at)]
    assert read_stream(*pieces) == read_stream(stream)
