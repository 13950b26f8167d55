"""What a provider of this dialect answers, whole and streamed, in the hub's words."""

from typing import Any

import msgspec
import pytest

from nagara.dialects.codec import Target
from nagara.dialects.openai_responses import ABILITIES, decode_response, decode_stream
from nagara.dialects.openai_responses.stream_decoder import ResponsesStreamDecoder
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Event, Failed, FinishReason, Response, fold, unfold
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedResult,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolKind,
)
from nagara.domain.usage import Meter

TARGET = Target(provider="OpenAI", model="m", maker="openai", abilities=ABILITIES)
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 6,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}


def answer(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    fields = {"status": "completed", "usage": USAGE} | fields
    return {"id": "resp_1", "object": "response", "model": "m", "output": list(items), **fields}


def decode(*items: dict[str, Any], **fields: Any) -> Response:
    response = decode_response(msgspec.json.encode(answer(*items, **fields)), TARGET)
    assert fold(unfold(response)) == response
    return response


def message(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": list(content)}


def text(said: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": list(annotations)}


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    "encrypted_content": "sealed",
}


def tell(*events: dict[str, Any]) -> list[Event]:
    decoder = decode_stream(100_000, TARGET)
    body = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)
    events_read = decoder.feed(body)
    assert decoder.failure is None
    return events_read if decoder.is_ended else events_read + decoder.close()


CREATED = {"type": "response.created", "response": answer(status="in_progress", usage=None)}


def test_every_item_has_its_parts() -> None:
    image = {"type": "image_generation_call", "id": "ig_1", "result": "AA", "output_format": "png"}
    novel = {"type": "novel", "id": "n"}
    mark = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    response = decode(
        THOUGHT,
        message(text("hi", mark), {"type": "refusal", "refusal": "no"}),
        {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
        CALL | {"namespace": "ns"},
        image,
        novel,
    )
    thought, said, no, custom, call, drawing, picture, unknown = response.choices[0].parts
    assert thought == Reasoning(
        text="a\n\nb", signature=Signature("rs_1\nsealed", "openai"), is_summary=True
    )
    assert said == Text(
        "hi", (Citation(kind=CitationKind.URL, url="u", title="t", start=0, end=1),)
    )
    assert no == Refusal("no")
    assert custom == ToolCall(id="d", name="g", arguments="x", kind=ToolKind.CUSTOM)
    assert call == ToolCall(id="c", name="f", arguments="{}", namespace="ns")
    assert isinstance(drawing, HostedCall)
    assert isinstance(picture, Media)
    assert picture.data == "AA"
    assert isinstance(unknown, Opaque)


def test_hosted_tools_are_never_calls_for_the_caller() -> None:
    response = decode(
        {"type": "web_search_call", "id": "w", "status": "completed",
         "action": {"type": "search", "query": "q"}},
        {"type": "code_interpreter_call", "id": "c", "code": "1", "container_id": "k",
         "outputs": [{"type": "logs", "logs": "1"}]},
        {"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "server_label": "s",
         "error": {"message": "bad"}},
        {"type": "file_search_call", "id": "f", "queries": ["q"], "results": [{"text": "t"}]},
        {"type": "tool_search_call", "id": "t", "arguments": {"q": 1}, "execution": "server"},
        {"type": "tool_search_output", "id": "o", "tools": [], "execution": "server"},
    )  # fmt: skip
    parts = response.choices[0].parts
    assert not any(isinstance(part, ToolCall) for part in parts)
    results = [part for part in parts if isinstance(part, HostedResult)]
    assert [result.output for result in results] == [None, "1", '{"message":"bad"}', "t", None]
    assert [result.is_error for result in results] == [False, False, True, False, False]
    assert response.choices[0].finish is FinishReason.STOP


def test_usage_is_disjoint() -> None:
    usage = decode().usage
    assert usage is not None
    assert usage.quantities == {
        Meter.INPUT: 5,
        Meter.CACHE_READ: 4,
        Meter.CACHE_WRITE_5M: 1,
        Meter.OUTPUT: 4,
        Meter.REASONING: 2,
    }
    assert (usage.input_tokens, usage.output_tokens) == (10, 6)


@pytest.mark.parametrize(
    ("items", "fields", "finish"),
    [
        ((message(text("x")),), {}, FinishReason.STOP),
        ((CALL,), {}, FinishReason.TOOL_CALLS),
        ((message({"type": "refusal", "refusal": "no"}),), {}, FinishReason.REFUSAL),
        ((), {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
         FinishReason.LENGTH),
        ((), {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
         FinishReason.CONTENT_FILTER),
        ((), {"status": "incomplete", "incomplete_details": {"reason": "steered"}},
         FinishReason.OTHER),
        ((), {"status": "cancelled"}, FinishReason.OTHER),
        ((), {"status": "queued"}, None),
    ],
)  # fmt: skip
def test_why_it_ended_is_one_of_ours(items: Any, fields: Any, finish: FinishReason | None) -> None:
    assert decode(*items, **fields).choices[0].finish is finish
    kind = "response.incomplete" if fields.get("status") == "incomplete" else "response.completed"
    streamed = fold(tell(CREATED, {"type": kind, "response": answer(*items, **fields)}))
    assert streamed.choices[0].finish is finish


def test_a_failed_answer_is_an_error_in_its_provider_s_words() -> None:
    failed = answer(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow."})
    with pytest.raises(GatewayError, match="Slow") as caught:
        decode_response(msgspec.json.encode(failed), TARGET)
    assert caught.value.kind is ErrorKind.UPSTREAM_RATE_LIMIT
    *_, last = tell(CREATED, {"type": "response.failed", "response": failed})
    assert isinstance(last, Failed)
    assert (last.error.kind, last.error.message) == (ErrorKind.UPSTREAM_RATE_LIMIT, "Slow.")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "Oh."},
        {"type": "error", "error": {"type": "server_error", "message": "Oh."}},
    ],
)
def test_an_error_event_ends_the_stream(event: dict[str, Any]) -> None:
    *_, last = tell(CREATED, event, {"type": "response.failed", "response": answer()})
    assert isinstance(last, Failed)
    assert (last.error.kind, last.error.message) == (ErrorKind.UPSTREAM_ERROR, "Oh.")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"output":5}', b'{"output":[{}]}', b'{"output":["x"]}', b"\xff",
     b'{"output":[{"type":"message","content":[{"type":5}]}]}'],
)  # fmt: skip
def test_what_cannot_be_read_is_the_provider_s_fault(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        decode_response(body, TARGET)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_an_answer_that_comes_only_in_the_last_event_is_told_whole() -> None:
    items = (THOUGHT, message(text("x")), CALL)
    streamed = fold(tell(CREATED, {"type": "response.completed", "response": answer(*items)}))
    assert streamed.choices == decode(*items).choices
    assert streamed.usage == decode(*items).usage


def test_items_without_deltas_are_told_once() -> None:
    items = (THOUGHT, message(text("x")), CALL)
    done = [
        {"type": "response.output_item.done", "output_index": index, "item": item}
        for index, item in enumerate(items)
    ]
    completed = {"type": "response.completed", "response": answer(*items)}
    assert fold(tell(CREATED, *done, completed)).choices == decode(*items).choices


def test_deltas_are_given_as_they_come_and_not_again() -> None:
    added = {"type": "response.output_item.added", "output_index": 0}
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0}
    streamed = fold(
        tell(
            CREATED,
            added | {"item": CALL | {"arguments": ""}},
            delta | {"delta": "{"},
            delta | {"delta": "}"},
            {"type": "response.function_call_arguments.done", "output_index": 0,
             "arguments": "{}"},
            {"type": "response.output_item.done", "output_index": 0, "item": CALL},
            {"type": "response.completed", "response": answer(CALL)},
        )
    )  # fmt: skip
    assert streamed.choices == decode(CALL).choices


def test_sections_of_a_summary_are_one_text_as_in_a_whole_answer() -> None:
    delta = {"type": "response.reasoning_summary_text.delta", "output_index": 0}
    streamed = fold(
        tell(
            CREATED,
            delta | {"summary_index": 0, "delta": "a"},
            delta | {"summary_index": 1, "delta": "b"},
            {"type": "response.output_item.done", "output_index": 0, "item": THOUGHT},
            {"type": "response.completed", "response": answer(THOUGHT)},
        )
    )
    assert streamed.choices == decode(THOUGHT).choices


def test_a_thought_and_its_summary_are_both_told_whole_and_streamed() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "In short."}],
        "content": [{"type": "reasoning_text", "text": "At length."}],
    }
    place = {"output_index": 0, "item_id": "rs_1"}
    summary = {"type": "response.reasoning_summary_text.delta", **place, "summary_index": 0}
    thought = {"type": "response.reasoning_text.delta", **place, "content_index": 0}
    streamed = tell(
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"summary": []}},
        summary | {"delta": "In short."},
        thought | {"delta": "At length."},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer(item)},
    )
    for response in (decode(item), fold(streamed)):
        (part,) = response.choices[0].parts
        assert isinstance(part, Reasoning)
        assert part.text == "In short.\n\nAt length."


def test_a_stream_without_its_terminal_event_is_cut() -> None:
    delta = {"type": "response.output_text.delta", "delta": "x"}
    with pytest.raises(GatewayError) as caught:
        tell(CREATED, delta)
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT


def test_one_event_of_a_megabyte_is_read() -> None:
    said = "x" * 1_000_000
    decoder = ResponsesStreamDecoder(2_000_000, TARGET)
    event = {"type": "response.output_text.delta", "delta": said}
    body = b"event: e\rdata: " + msgspec.json.encode(event) + b"\r\r"
    pieces = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    assert len(events) == 2
    assert events[1].text == said  # type: ignore[union-attr]


def test_tokens_that_perplexity_wrote_to_the_cache_lie_inside_its_input() -> None:
    # From a recorded answer of the Agent API.
    usage = {
        "input_tokens": 3007,
        "input_tokens_details": {
            "cache_creation_input_tokens": 1224,
            "cache_read_input_tokens": 1780,
            "cached_tokens": 1780,
        },
        "output_tokens": 36,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3043,
    }
    met = decode(message(text("Hi")), usage=usage).usage
    assert met is not None
    assert met.quantities == {
        Meter.INPUT: 3,
        Meter.CACHE_READ: 1780,
        Meter.CACHE_WRITE_5M: 1224,
        Meter.OUTPUT: 36,
    }
