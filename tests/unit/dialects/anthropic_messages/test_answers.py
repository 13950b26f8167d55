"""Answers of Anthropic's to the hub, and answers of anyone's to a Messages caller."""

import json
from typing import Any

import msgspec
import pytest
from tests.unit.dialects.anthropic_messages.messages_requests import SIGNED, decode, frame, target

from nagara.dialects import anthropic_messages, envelope
from nagara.dialects.codec import Encoded
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Choice, FinishReason, Response
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Source,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, Usage

RAW = msgspec.Raw(b'{"type":"web_search_call"}')
USAGE = Usage({Meter.INPUT: 10, Meter.CACHE_READ: 5, Meter.OUTPUT: 7, Meter.REASONING: 3})


def message(*content: Any, **fields: Any) -> Response:
    body = {"type": "message", "id": "msg_1", "model": "theirs", "content": content}
    return anthropic_messages.decode_response(json.dumps(body | fields).encode(), target())


def answer(*parts: Part, dialect: str = "openai_chat", **fields: Any) -> Response:
    choice = Choice(parts=parts, **fields)
    return Response(dialect=dialect, id="resp_1", choices=(choice,), usage=USAGE)


def encode(response: Response) -> tuple[Any, Encoded]:
    encoded = anthropic_messages.encode_response(response, frame())
    return json.loads(encoded.body), encoded


def replay(response: Response) -> tuple[Part, ...]:
    """What the parts of an answer are when the caller sends them back."""
    said = [{"role": "assistant", "content": encode(response)[0]["content"]}]
    return decode(messages=said).messages[0].parts


def test_signatures_and_redacted_thinking_are_their_makers() -> None:
    parts = message(SIGNED, {"type": "redacted_thinking", "data": "eA=="}).choices[0].parts
    assert parts == (
        Reasoning(text="Hm.", signature=Signature("c2ln", "anthropic")),
        Reasoning(signature=Signature("eA==", "anthropic"), is_redacted=True),
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("pause_turn", FinishReason.PAUSE),
        ("refusal", FinishReason.REFUSAL),
        ("model_context_window_exceeded", FinishReason.CONTEXT_WINDOW),
        ("whim", FinishReason.OTHER),
    ],
)
def test_stop_reasons(reason: str, finish: FinishReason) -> None:
    choice = message(stop_reason=reason).choices[0]
    assert (choice.finish, choice.native_finish) == (finish, reason)


def test_usage_is_told_in_disjoint_meters() -> None:
    usage = message(
        usage={
            "input_tokens": 10,
            "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 6,
            "cache_creation": {"ephemeral_1h_input_tokens": 2, "ephemeral_5m_input_tokens": 4},
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
            "server_tool_use": {"web_search_requests": 1},
            "service_tier": "priority",
        }
    ).usage
    assert usage is not None
    assert usage.quantities == {
        Meter.INPUT: 10,
        Meter.CACHE_READ: 5,
        Meter.CACHE_WRITE_5M: 4,
        Meter.CACHE_WRITE_1H: 2,
        Meter.OUTPUT: 5,
        Meter.REASONING: 4,
        Meter.SEARCHES: 1,
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"content":3}', b"{}", b'{"content":[1]}'])
def test_what_cannot_be_read_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        anthropic_messages.decode_response(body, target())
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_an_error_in_an_answer_of_200_is_an_error() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    with pytest.raises(GatewayError, match="Overloaded") as caught:
        message(type="error", error=error)
    assert caught.value.kind is ErrorKind.UPSTREAM_UNAVAILABLE


def test_a_message_has_the_callers_model_and_all_of_the_usage() -> None:
    encoded, _ = encode(answer(Text("Hi"), finish=FinishReason.STOP))
    assert encoded == {
        "id": "msg_5eed",
        "type": "message",
        "role": "assistant",
        "model": "caller/model",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "output_tokens": 10,
            "output_tokens_details": {"thinking_tokens": 3},
            "cache_creation": None,
            "service_tier": None,
        },
    }


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        (FinishReason.LENGTH, "max_tokens"),
        (FinishReason.TOOL_CALLS, "tool_use"),
        (FinishReason.CONTENT_FILTER, "refusal"),
        (FinishReason.OTHER, "end_turn"),
        (None, "end_turn"),
    ],
)
def test_finish_reasons_have_a_word_each(finish: FinishReason | None, reason: str) -> None:
    assert encode(answer(finish=finish))[0]["stop_reason"] == reason


def test_a_refusal_in_words_is_text_and_a_stop_reason() -> None:
    encoded, _ = encode(answer(Refusal("No."), finish=FinishReason.STOP))
    assert encoded["content"] == [{"type": "text", "text": "No."}]
    assert encoded["stop_reason"] == "refusal"


def test_reasoning_of_others_comes_back_to_them_unchanged() -> None:
    parts = (
        Reasoning(text="Hm.", signature=Signature("sealed", "openai")),
        Reasoning(signature=Signature("secret", "openai"), is_redacted=True),
        Reasoning(text="Aloud."),
        Text("Hi"),
    )
    assert replay(answer(*parts)) == parts


def test_every_thinking_block_of_others_says_that_it_is_not_anthropics() -> None:
    encoded, _ = encode(answer(Reasoning(text="Aloud.")))
    assert encoded["content"][0]["signature"].startswith(envelope.PREFIX)


def test_own_thinking_keeps_its_own_signature() -> None:
    own = Reasoning(text="Hm.", signature=Signature("c2ln", "anthropic"))
    encoded, _ = encode(answer(own, dialect=anthropic_messages.NAME))
    assert encoded["content"] == [SIGNED]
    assert encoded["id"] == "resp_1"


def test_a_signature_of_a_call_is_hidden_before_it_and_comes_back() -> None:
    call = ToolCall(id="c1", name="f", arguments='{"a": 1}', signature=Signature("s", "google"))
    encoded, _ = encode(answer(call))
    assert [block["type"] for block in encoded["content"]] == ["redacted_thinking", "tool_use"]
    assert replay(answer(call)) == (call,)


def test_a_search_of_others_is_shown_and_comes_back_whole() -> None:
    call = HostedCall(
        id="ws_1",
        kind=HostedKind.WEB_SEARCH,
        name="web_search",
        arguments='{"query":"q"}',
        dialect="openai_responses",
        raw=RAW,
    )
    result = HostedResult(
        call_id="ws_1",
        kind=HostedKind.WEB_SEARCH,
        name="web_search",
        sources=(Source("https://a", "A"),),
    )
    encoded, how = encode(answer(call, result, Text("Found.")))
    shown = [block for block in encoded["content"] if block["type"] != "redacted_thinking"]
    assert [block["type"] for block in shown] == [
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]
    assert shown[0]["input"] == {"query": "q"}
    assert shown[1]["tool_use_id"] == shown[0]["id"]
    assert how.dropped == ()
    back = replay(answer(call, result, Text("Found.")))
    assert msgspec.json.encode(back) == msgspec.json.encode((call, result, Text("Found.")))


def test_what_has_no_place_is_named_and_hidden_for_replay() -> None:
    found = HostedCall(
        id="fs_1", kind=HostedKind.FILE_SEARCH, name="file_search", dialect="x", raw=RAW
    )
    opaque = Opaque(dialect="x", type="item", raw=RAW)
    encoded, how = encode(answer(found, opaque))
    assert {block["type"] for block in encoded["content"]} == {"redacted_thinking"}
    assert how.dropped == ("file_search", "item")
    back = replay(answer(found, opaque))
    assert msgspec.json.encode(back) == msgspec.json.encode((found, opaque))


def test_a_voice_is_read_and_a_picture_named() -> None:
    voice = Media(kind=MediaKind.AUDIO, data="aGk=", transcript="Hi")
    encoded, how = encode(answer(voice, Media(kind=MediaKind.IMAGE, data="aGk=")))
    assert encoded["content"] == [{"type": "text", "text": "Hi"}]
    assert how.dropped == ("audio", "image")


def test_citations_of_others_are_pages_without_proof() -> None:
    citation = Citation(kind=CitationKind.URL, url="https://a", title="A", start=0, end=2)
    encoded, _ = encode(answer(Text("Hi", (citation,))))
    assert encoded["content"][0]["citations"] == [
        {
            "type": "web_search_result_location",
            "cited_text": "",
            "encrypted_index": "",
            "title": "A",
            "url": "https://a",
        }
    ]


def test_a_call_without_an_id_gets_one_and_bad_arguments_an_object() -> None:
    encoded, _ = encode(answer(ToolCall(id="", name="f", arguments="nonsense")))
    assert encoded["content"] == [
        {
            "type": "tool_use",
            "id": "toolu_5eed000",
            "name": "f",
            "input": {"arguments": "nonsense"},
        }
    ]


def test_half_a_surrogate_pair_is_mended_both_ways() -> None:
    raw = b'{"content":[{"type":"text","text":"\\ud83d!"}]}'
    response = anthropic_messages.decode_response(raw, target())
    assert response.choices[0].parts == (Text("\ufffd!"),)
    encoded, _ = encode(answer(Text("\ud83d!")))
    assert encoded["content"][0]["text"] == "\ufffd!"


def test_why_a_model_was_stopped_is_kept_and_told() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    response = message(stop_reason="refusal", stop_details=details)
    assert response.choices[0].explanation == "Not that."
    assert encode(response)[0]["stop_details"] == details
    other = answer(finish=FinishReason.CONTENT_FILTER, explanation="It was withheld.")
    assert encode(other)[0]["stop_details"] == {
        "type": "refusal",
        "category": None,
        "explanation": "It was withheld.",
    }
    called = answer(finish=FinishReason.MALFORMED_TOOL_CALL, explanation="No such tool.")
    assert encode(called)[0]["stop_details"] is None


@pytest.mark.parametrize("odd", [None, "refusal", {"explanation": 7}])
def test_odd_details_of_a_stop_fail_no_answer(odd: Any) -> None:
    response = message(stop_reason="refusal", stop_details=odd)
    assert response.choices[0].explanation is None


def test_explanation_of_an_end_without_a_place_for_it_is_named() -> None:
    filtered = answer(Text("a"), finish=FinishReason.OTHER, explanation="The answer was odd.")
    _, encoded = encode(filtered)
    assert encoded.dropped == ("explanation",)


FAILED_RUN = {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"}
VIEWED = {"type": "text_editor_code_execution_view_result", "content": "a file"}
EDITED = {"type": "text_editor_code_execution_str_replace_result", "lines": ["-a", "+b"]}


@pytest.mark.parametrize(
    ("content", "output"),
    [(FAILED_RUN, "unavailable"), (VIEWED, "a file"), (EDITED, "-a\n+b")],
)
def test_what_code_gave_can_be_shown_whatever_it_is(content: Any, output: str) -> None:
    block = {"type": "text_editor_code_execution_tool_result", "tool_use_id": "t"}
    (result,) = message(block | {"content": content}).choices[0].parts
    assert isinstance(result, HostedResult)
    assert result.output == output
