"""Streams of Anthropic's to events, and events to the stream that a Messages caller reads."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.dialects.anthropic_messages.messages_requests import frame, target

from nagara.dialects import anthropic_messages
from nagara.dialects.codec import StreamEncoder
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    Failed,
    FinishReason,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    UsageReported,
    fold,
)
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    Opaque,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, Usage

BYTES_MAX = 100_000
BEGAN = Began(dialect="openai_chat")
CALLS = (ToolCall(id="c0", name="f"), ToolCall(id="c1", name="g"))


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def start(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


BEGIN = event("message_start", message={"id": "m1", "model": "x", "usage": {"input_tokens": 9}})
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4}) + event(
    "message_stop"
)


def decode(*pieces: bytes) -> list[Event]:
    decoder = anthropic_messages.decode_stream(BYTES_MAX, target())
    events = [event for piece in (BEGIN, *pieces, END) for event in decoder.feed(piece)]
    assert decoder.is_ended
    return events


def parts_of(*pieces: bytes) -> Sequence[Any]:
    return fold(decode(*pieces)).choices[0].parts


def read(stream: bytes) -> list[Any]:
    """The events of a stream; the name of each must be its type."""
    events = []
    for piece in stream.decode().split("\n\n")[:-1]:
        name, data = piece.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def write(*events: Event, encoder: StreamEncoder | None = None) -> list[Any]:
    encoder = encoder or anthropic_messages.encode_stream(frame())
    whole = (BEGAN, *events, ChoiceEnded(finish=FinishReason.STOP), Ended())
    return read(b"".join(encoder.encode(event) for event in whole))


def blocks_of(*events: Event) -> list[tuple[int, str, str]]:
    """Index, type and joined deltas of each block; they must be strictly one after the other."""
    blocks: list[list[Any]] = []
    is_open = False
    for wire in write(*events):
        if wire["type"] == "content_block_start":
            assert not is_open
            assert wire["index"] == len(blocks)
            blocks.append([wire["index"], wire["content_block"]["type"], ""])
            is_open = True
        elif wire["type"] == "content_block_delta":
            assert is_open
            assert wire["index"] == blocks[-1][0]
            said = wire["delta"]
            blocks[-1][2] += (
                said.get("text") or said.get("partial_json") or said.get("thinking", "")
            )
        elif wire["type"] == "content_block_stop":
            is_open = False
    assert not is_open
    return [(index, kind, text) for index, kind, text in blocks]


def test_blocks_are_told_as_they_come() -> None:
    pieces = (
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm."),
        delta(0, "signature_delta", signature="c2ln"),
        stop(0),
        start(1, type="tool_use", id="t1", name="f", input={}),
        delta(1, "input_json_delta", partial_json=""),
        delta(1, "input_json_delta", partial_json='{"a":'),
        delta(1, "input_json_delta", partial_json="1}"),
        stop(1),
    )
    assert decode(*pieces) == [
        Began(dialect="anthropic_messages", id="m1", model="x", usage=Usage({Meter.INPUT: 9})),
        PartBegan(0, Reasoning()),
        PartDelta(0, "Hm."),
        PartAmended(index=0, signature=Signature("c2ln", "anthropic")),
        PartEnded(0),
        PartBegan(1, ToolCall(id="t1", name="f")),
        PartDelta(1, '{"a":'),
        PartDelta(1, "1}"),
        PartEnded(1),
        UsageReported(Usage({Meter.INPUT: 9, Meter.OUTPUT: 4})),
        ChoiceEnded(finish=FinishReason.TOOL_CALLS, native_finish="end_turn"),
        Ended(),
    ]


def test_hosted_calls_are_told_whole_with_their_input() -> None:
    (part,) = parts_of(
        start(0, type="server_tool_use", id="s1", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json='"q"}'),
        stop(0),
    )
    assert isinstance(part, HostedCall)
    assert part.arguments == '{"query":"q"}'
    assert part.raw is not None
    assert json.loads(bytes(part.raw))["input"] == {"query": "q"}


def test_a_compaction_is_whole_with_what_came_after_its_beginning() -> None:
    (part,) = parts_of(
        start(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="So far."),
        stop(0),
    )
    assert isinstance(part, Opaque)
    assert json.loads(bytes(part.raw)) == {"type": "compaction", "content": "So far."}


def test_servers_that_leave_out_the_ends_of_blocks_are_understood() -> None:
    parts = parts_of(
        start(0, type="text", text="a"),
        delta(0, "text_delta", text="b"),
        start(1, type="text", text=""),
        delta(1, "text_delta", text="c"),
    )
    assert parts == (Text("ab"), Text("c"))
    assert parts_of(delta(0, "text_delta", text="unannounced")) == (Text("unannounced"),)


def test_citations_come_with_their_text() -> None:
    citation = {"type": "web_search_result_location", "url": "https://a", "encrypted_index": "e"}
    (part,) = parts_of(
        start(0, type="text", text=""),
        delta(0, "text_delta", text="a"),
        delta(0, "citations_delta", citation=citation),
        stop(0),
    )
    assert [c.url for c in part.citations] == ["https://a"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"type": "overloaded_error", "message": "Busy"}, ErrorKind.UPSTREAM_UNAVAILABLE),
        ({"type": "rate_limit_error", "message": "Busy"}, ErrorKind.UPSTREAM_RATE_LIMIT),
        ({"type": "api_error", "message": "Busy"}, ErrorKind.UPSTREAM_ERROR),
        ({"type": "invalid_request_error", "message": "Busy"}, ErrorKind.INVALID_REQUEST),
    ],
)
def test_an_error_event_fails_the_answer(said: Any, kind: ErrorKind) -> None:
    decoder = anthropic_messages.decode_stream(BYTES_MAX, target())
    *_, failed = decoder.feed(BEGIN + event("error", error=said))
    assert isinstance(failed, Failed)
    assert (failed.error.kind, failed.error.message) == (kind, "Busy")
    assert decoder.is_ended


def test_a_stream_without_its_end_is_cut() -> None:
    decoder = anthropic_messages.decode_stream(BYTES_MAX, target())
    decoder.feed(BEGIN + start(0, type="text", text=""))
    with pytest.raises(GatewayError) as caught:
        decoder.close()
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT


def test_a_stream_begins_and_ends_as_the_api_has_it() -> None:
    usage = UsageReported(Usage({Meter.INPUT: 3, Meter.CACHE_READ: 2, Meter.OUTPUT: 5}))
    begin, ping, *_, end, last = write(PartBegan(0, Text("Hi")), PartEnded(0), usage)
    assert begin["message"]["id"] == "msg_5eed"
    assert begin["message"]["content"] == []
    assert ping == {"type": "ping"}
    assert end["delta"] == {
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
    }
    assert end["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2,
        "output_tokens": 5,
    }
    assert last == {"type": "message_stop"}


def test_interleaved_calls_become_one_after_the_other() -> None:
    assert blocks_of(
        PartBegan(0, CALLS[0]),
        PartBegan(1, CALLS[1]),
        PartEnded(0),
        PartDelta(0, '{"a"'),
        PartDelta(1, '{"b"'),
        PartDelta(0, ":1}"),
        PartDelta(1, ":2}"),
        PartEnded(1),
    ) == [(0, "tool_use", '{"a":1}'), (1, "tool_use", '{"b":2}')]


def test_a_whole_call_is_closed_before_the_answer_ends() -> None:
    encoder = anthropic_messages.encode_stream(frame())
    written = [
        encoder.encode(event)
        for event in (BEGAN, PartBegan(0, CALLS[0]), PartDelta(0, "{}"), PartEnded(0))
    ]
    assert b"content_block_stop" in written[-1]


def test_a_text_of_nothing_is_never_begun_and_more_of_a_closed_one_is_not_lost() -> None:
    assert blocks_of(PartBegan(0, Text("")), PartEnded(0)) == []
    assert blocks_of(
        PartBegan(0, Text("")),
        PartDelta(0, "a"),
        PartEnded(0),
        PartBegan(1, Refusal("")),
        PartDelta(1, "b"),
        PartEnded(1),
        PartDelta(0, "c"),
    ) == [(0, "text", "a"), (1, "text", "b"), (2, "text", "c")]


def test_thinking_ends_with_its_signature() -> None:
    written = write(
        PartBegan(0, Reasoning()),
        PartDelta(0, "Hm."),
        PartAmended(index=0, signature=Signature("sealed", "openai")),
        PartEnded(0),
    )
    signed = [w["delta"] for w in written if w.get("delta", {}).get("type") == "signature_delta"]
    assert len(signed) == 1
    assert signed[0]["signature"].startswith("nagara1-")


def test_a_refusal_is_why_the_message_ended() -> None:
    end = write(PartBegan(0, Refusal("")), PartDelta(0, "No."), PartEnded(0))[-2]
    assert end["delta"]["stop_reason"] == "refusal"


def test_citations_follow_their_text() -> None:
    citation = Citation(kind=CitationKind.URL, url="https://a")
    written = write(PartBegan(0, Text("a")), PartAmended(index=0, citation=citation), PartEnded(0))
    assert [w["delta"]["type"] for w in written if w["type"] == "content_block_delta"] == [
        "text_delta",
        "citations_delta",
    ]


def test_what_is_dropped_is_named() -> None:
    encoder = anthropic_messages.encode_stream(frame())
    call = HostedCall(id="f", kind=HostedKind.FILE_SEARCH, name="file_search")
    write(PartBegan(0, call), PartEnded(0), encoder=encoder)
    assert encoder.dropped == ["file_search"]


def test_a_failure_is_an_error_event_with_the_requests_id() -> None:
    encoder = anthropic_messages.encode_stream(frame())
    (failed,) = read(encoder.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "Cut.")))
    assert failed["error"]["message"] == "Cut."
    assert failed["request_id"] == "r1"
