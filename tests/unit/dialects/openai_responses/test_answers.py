"""Answers of other dialects for a Responses caller, whole and streamed, as the SDK reads them."""

from typing import Any

import msgspec
import pytest
from tests.unit.dialects.openai_responses.answers import (
    ANSWERS,
    BEGAN,
    CALLS,
    CUT,
    REASONING,
    REQUEST,
    SEARCH,
    TEXT,
    USAGE,
    ask_sdk,
    end,
    make_frame,
    read_events,
    stream,
    whole,
)

from nagara.dialects.openai_responses import decode_request, encode_response, encode_stream
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Event,
    FinishReason,
    LogprobsAdded,
    PartBegan,
    PartDelta,
    PartEnded,
    TokenLogprob,
    UsageReported,
    fold,
)
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Reasoning,
    Signature,
    Text,
    ToolCall,
)


@pytest.mark.parametrize("name", ANSWERS)
def test_sdk_accumulates_the_stream_to_the_unstreamed_object(name: str) -> None:
    events = ANSWERS[name]
    unstreamed = whole(events)
    told = ask_sdk(msgspec.json.encode(unstreamed), is_streamed=False)
    accumulated = ask_sdk(stream(events), is_streamed=True)
    assert accumulated.to_dict() == told.to_dict()


@pytest.mark.parametrize("name", ANSWERS)
def test_items_of_the_stream_are_those_of_the_unstreamed_object(name: str) -> None:
    events = read_events(stream(ANSWERS[name]))
    done = {e["output_index"]: e["item"] for e in events if e["type"].endswith("item.done")}
    output = whole(ANSWERS[name])["output"]
    assert [done[index] for index in sorted(done)] == output
    assert events[-1]["response"]["output"] == output


@pytest.mark.parametrize("name", ANSWERS)
def test_every_event_has_its_number_and_its_place(name: str) -> None:
    events = read_events(stream(ANSWERS[name]))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    ids: dict[int, str] = {}
    for event in events:
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(ids)
            ids[event["output_index"]] = event["item"]["id"]
        elif "item_id" in event:
            assert ids[event["output_index"]] == event["item_id"]
    assert len(set(ids.values())) == len(ids)


def test_text_is_told_in_the_order_of_the_api() -> None:
    assert [event["type"] for event in read_events(stream(TEXT))] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_reasoning_is_told_in_the_order_of_the_api() -> None:
    kinds = [event["type"] for event in read_events(stream(REASONING))]
    assert kinds[2:9] == [
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ]


def test_a_search_is_told_in_the_order_of_the_api() -> None:
    kinds = [event["type"] for event in read_events(stream(SEARCH))]
    assert kinds[2:7] == [
        "response.output_item.added",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
        "response.output_item.done",
    ]


def test_usage_is_to_the_token() -> None:
    assert whole(TEXT)["usage"] == {
        "input_tokens": 8,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 17,
    }


def test_what_was_asked_is_said_again() -> None:
    body = {
        "model": "m",
        "input": "Hi",
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": None}],
        "tool_choice": "required",
        "temperature": 0.5,
        "store": False,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 9,
    }
    told = whole(TEXT, decode_request(msgspec.json.encode(body)))
    for name in ("instructions", "tools", "tool_choice", "temperature", "store", "metadata"):
        assert told[name] == body[name], name
    assert told["reasoning"] == {"effort": "low", "summary": None}
    assert told["max_output_tokens"] == 9
    assert told["text"] == {"format": {"type": "text"}}
    assert (told["model"], told["created_at"], told["object"]) == ("m", 1_700_000_000, "response")


def test_calls_written_in_turns_are_done_only_when_they_are_whole() -> None:
    calls = [item for item in whole(CALLS)["output"] if item["type"].endswith("_call")]
    assert [(c["call_id"], c.get("arguments") or c.get("input")) for c in calls] == [
        ("c1", '{"a":1}'),
        ("c2", "{}"),
        ("c3", "free"),
        ("c4", "{}"),
    ]
    assert calls[0]["namespace"] == "ns"
    done = [e["item"]["call_id"] for e in read_events(stream(CALLS))
            if e["type"] == "response.output_item.done" and "call_id" in e["item"]]  # fmt: skip
    assert done == ["c2", "c3", "c1", "c4"]


def replay(events: list[Event]) -> Any:
    """What the next turn's request holds when the caller sends the output back."""
    body = {"model": "m", "input": whole(events)["output"]}
    request = decode_request(msgspec.json.encode(body))
    return [part for message in request.messages for part in message.parts]


def test_reasoning_comes_back_signed_and_redacted_as_it_was() -> None:
    thought, hidden, text = replay(REASONING)
    assert thought.text == "I think"
    assert thought.signature == Signature("sig", "anthropic")
    assert hidden == Reasoning(signature=Signature("hidden", "anthropic"), is_redacted=True)
    assert text == Text("So.")


def test_a_signed_call_comes_back_signed() -> None:
    calls = [part for part in replay(CALLS) if isinstance(part, ToolCall)]
    assert [call.signature for call in calls] == [None, Signature("g", "google"), None, None]
    assert not any(isinstance(part, Reasoning) for part in replay(CALLS))


def test_a_search_comes_back_as_its_provider_made_it() -> None:
    call, result, *texts = replay(SEARCH)
    assert isinstance(call, HostedCall)
    assert isinstance(result, HostedResult)
    assert (call.dialect, result.dialect) == ("anthropic_messages", "anthropic_messages")
    assert call.raw is not None
    assert msgspec.json.decode(call.raw) == {"type": "server_tool_use", "id": "s1"}
    assert [text.text for text in texts] == ["ab", "cd"]


def test_citations_of_the_whole_text_get_its_length() -> None:
    message = whole(SEARCH)["output"][-1]
    assert [len(part["annotations"]) for part in message["content"]] == [2, 0]
    assert message["content"][0]["annotations"][1] == {
        "type": "url_citation",
        "url": "https://b",
        "title": "https://b",
        "start_index": 0,
        "end_index": 2,
    }


def test_what_has_no_item_is_named_and_kept_for_its_provider() -> None:
    raw = msgspec.Raw(b'{"type":"advisor"}')
    advice = HostedCall(
        id="h", kind=HostedKind.ADVISOR, name="advisor", dialect="anthropic_messages", raw=raw
    )
    block = Opaque(dialect="anthropic_messages", type="novel", raw=raw)
    events: list[Event] = [
        BEGAN,
        PartBegan(0, advice),
        PartEnded(0),
        PartBegan(1, block),
        PartEnded(1),
        *end(FinishReason.STOP),
    ]
    encoded = encode_response(fold(events), make_frame())
    assert sorted(encoded.dropped) == ["advisor", "novel"]
    assert not any(item["type"].endswith("_call") for item in whole(events)["output"])
    kinds = {type(part): part.dialect for part in replay(events)}
    assert kinds == {HostedCall: "anthropic_messages", Opaque: "anthropic_messages"}


def test_a_picture_of_the_model_is_an_image_generation() -> None:
    image = Media(kind=MediaKind.IMAGE, media_type="image/png", data="AAAA")
    events: list[Event] = [BEGAN, PartBegan(0, image), PartEnded(0), *end(FinishReason.STOP)]
    (item,) = whole(events)["output"]
    assert (item["type"], item["result"]) == ("image_generation_call", "AAAA")


def test_a_cut_answer_is_incomplete_and_says_why() -> None:
    told = whole(CUT)
    assert (told["status"], told["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    assert read_events(stream(CUT))[-1]["type"] == "response.incomplete"


def test_probabilities_go_with_their_delta() -> None:
    request = msgspec.structs.replace(REQUEST, top_logprobs=0)
    token = TokenLogprob("Hel", -0.5)
    events = [*TEXT[:3], LogprobsAdded((token,)), *TEXT[3:]]
    said = read_events(stream(events, request))
    deltas = [event["logprobs"] for event in said if event["type"].endswith("text.delta")]
    told = {"token": "Hel", "bytes": [72, 101, 108], "logprob": -0.5, "top_logprobs": []}
    assert deltas == [[told], []]
    assert whole(events, request)["output"][0]["content"][0]["logprobs"] == [told]


def test_a_failure_in_the_midst_keeps_what_was_told() -> None:
    encoder = encode_stream(make_frame())
    body = b"".join(encoder.encode(event) for event in TEXT[:3])
    error = GatewayError(ErrorKind.UPSTREAM_CUT, "It was cut.")
    events = read_events(body + encoder.fail(error))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2]["message"] == "It was cut."
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"]["message"] == "It was cut."
    assert events[-1]["sequence_number"] == len(events) - 1
    (message,) = events[-1]["response"]["output"]
    assert message["status"] == "incomplete"
    assert message["content"][0]["text"] == "Hel"


def fail_after(*events: Event) -> list[dict[str, Any]]:
    encoder = encode_stream(make_frame())
    body = b"".join(encoder.encode(event) for event in events)
    return read_events(body + encoder.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "It was cut.")))


def test_a_call_that_failed_halfway_is_kept_and_never_told_as_done() -> None:
    signed = ToolCall(id="c2", name="f", signature=Signature("g", "google"))
    first_call = PartBegan(0, ToolCall(id="c1", name="f"))
    events = fail_after(BEGAN, first_call, PartDelta(0, '{"a":'), PartBegan(1, signed))
    assert not any(event["type"].endswith(".done") for event in events)
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events)))
    first, second, *_ = events[-1]["response"]["output"]
    assert (first["arguments"], first["status"]) == ('{"a":', "incomplete")
    assert (second["arguments"], second["status"]) == ("", "incomplete")


def test_a_call_that_was_cut_before_its_arguments_is_given_none() -> None:
    begun = PartBegan(0, ToolCall(id="c1", name="f"))
    (call,) = whole([BEGAN, begun, *end(FinishReason.LENGTH)])["output"]
    assert (call["arguments"], call["status"]) == ("", "incomplete")


def test_a_failure_tells_the_usage_that_was_known_when_the_answer_began() -> None:
    events = fail_after(msgspec.structs.replace(BEGAN, usage=USAGE), *TEXT[1:3])
    assert events[0]["response"]["usage"] is None
    assert events[-1]["response"]["usage"]["input_tokens"] == USAGE.input_tokens


def test_text_after_its_part_has_ended_is_not_lost() -> None:
    events: list[Event] = [*TEXT[:5], PartDelta(0, "!"), *end(FinishReason.STOP)]
    told = ask_sdk(stream(events), is_streamed=True)
    assert told.output_text == "Hello!"


def test_half_a_surrogate_pair_passes_in_both_halves() -> None:
    events: list[Event] = [
        BEGAN,
        PartBegan(0, Text("")),
        PartDelta(0, "\ud83d"),
        PartDelta(0, "\ude00"),
        PartEnded(0),
        UsageReported(USAGE),
        *end(FinishReason.STOP),
    ]
    body = stream(events)
    assert rb"\ud83d\ude00" in body
    body.decode()
