"""Answers of Converse say in the hub what they say on the wire, whole and streamed alike."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_stream import encode_event, encode_message
from tests.unit.dialects.bedrock_converse.answers import (
    BEGIN,
    JSON,
    TARGET,
    USAGE,
    delta,
    parts_of,
    read_stream,
    start,
    stop,
    streamed,
    whole,
)

from nagara.dialects.bedrock_converse import NAME, decode_response
from nagara.dialects.bedrock_converse.blocks import decode_redacted, encode_redacted
from nagara.dialects.bedrock_converse.finish import FINISH_REASONS
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    FinishReason,
    fold,
)
from nagara.domain.messages import (
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    Opaque,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter


def test_text_and_reasoning_and_calls_are_parts_in_order() -> None:
    response = whole(
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EmwK").decode()}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
        stop="tool_use",
    )
    assert parts_of(response) == (
        Reasoning(text="Hm.", signature=Signature("sig", "anthropic")),
        Reasoning(signature=Signature("EmwK", "anthropic"), is_redacted=True),
        Text("Hi"),
        ToolCall(id="t1", name="f", arguments='{"a": 1}'),
        ToolCall(id="t2", name="g", arguments="{}"),
    )
    assert response.dialect == NAME
    assert response.choices[0].finish is FinishReason.TOOL_CALLS
    assert response.choices[0].native_finish == "tool_use"


def test_stream_says_the_same_as_the_whole_answer() -> None:
    sent = [
        delta(0, reasoningContent={"text": "H"}),
        delta(0, reasoningContent={"text": "m."}),
        delta(0, reasoningContent={"signature": "sig"}),
        stop(0),
        delta(1, reasoningContent={"redactedContent": base64.b64encode(b"EmwK").decode()}),
        stop(1),
        delta(2, text="H"),
        delta(2, text="i"),
        stop(2),
        start(3, toolUse={"toolUseId": "t1", "name": "f"}),
        delta(3, toolUse={"input": '{"a"'}),
        delta(3, toolUse={"input": ": 1}"}),
        stop(3),
        start(4, toolUse={"toolUseId": "t2", "name": "g"}),
        stop(4),
    ]
    expected = whole(
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EmwK").decode()}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
        stop="tool_use",
    )
    assert streamed(*sent, reason="tool_use") == expected


def test_empty_text_is_no_part() -> None:
    assert parts_of(whole({"text": ""}, {"text": "x"})) == (Text("x"),)
    blocks = [delta(0, text=""), stop(0), delta(1, reasoningContent={"text": "r"}), stop(1)]
    assert parts_of(streamed(*blocks)) == (Reasoning(text="r"),)


def test_signature_without_text_is_reasoning_that_is_kept_secret() -> None:
    secret = Reasoning(signature=Signature("sig", "anthropic"))
    block = {"reasoningContent": {"reasoningText": {"text": "", "signature": "sig"}}}
    assert parts_of(whole(block)) == (secret,)
    assert parts_of(streamed(delta(0, reasoningContent={"signature": "sig"}), stop(0))) == (secret,)


def test_tool_that_bedrock_ran_is_a_hosted_call_and_its_result() -> None:
    call = {
        "toolUseId": "t",
        "name": "nova_code_interpreter",
        "input": {"snippet": "1+1"},
        "type": "server_tool_use",
    }
    result = {
        "toolUseId": "t",
        "content": [{"json": {"stdOut": "2"}}],
        "status": "success",
        "type": "nova_code_interpreter_result",
    }
    response = whole({"toolUse": call}, {"toolResult": result}, {"text": "2"})
    hosted, came, _ = parts_of(response)
    assert isinstance(hosted, HostedCall)
    assert isinstance(came, HostedResult)
    assert (hosted.kind, hosted.arguments) == (HostedKind.CODE_EXECUTION, '{"snippet": "1+1"}')
    assert (came.kind, came.output, came.is_error) == (
        HostedKind.CODE_EXECUTION,
        '{"stdOut": "2"}',
        False,
    )
    assert hosted.raw is not None
    assert json.loads(bytes(hosted.raw)) == {"toolUse": call}
    in_pieces = streamed(
        start(0, toolUse={k: v for k, v in call.items() if k != "input"}),
        delta(0, toolUse={"input": '{"snippet": '}),
        delta(0, toolUse={"input": '"1+1"}'}),
        stop(0),
        start(1, toolResult={k: v for k, v in result.items() if k != "content"}),
        delta(1, toolResult=[{"json": {"stdOut": "2"}}]),
        stop(1),
        delta(2, text="2"),
        stop(2),
    )
    for one, other in zip(parts_of(response), parts_of(in_pieces), strict=True):
        assert json_of(one) == json_of(other)


def json_of(part: Part) -> Any:
    """A part with its raw block as a value, since raw bytes may differ in blanks."""
    raw = getattr(part, "raw", None)
    fields = {name: getattr(part, name) for name in part.__struct_fields__}
    return fields | {"raw": json.loads(bytes(raw)) if raw is not None else None}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"documentChar": {"documentIndex": 1, "start": 2, "end": 3}}, ("char", 1, 2, 3)),
        ({"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}, ("page", 0, 1, 2)),
        ({"documentChunk": {"documentIndex": 0, "start": 4, "end": 5}}, ("block", 0, 4, 5)),
        (
            {"searchResultLocation": {"searchResultIndex": 2, "start": 0, "end": 1}},
            ("block", 2, 0, 1),
        ),
    ],
)
def test_citation_of_a_document_says_where(location: Any, expected: tuple[Any, ...]) -> None:
    citation = {"title": "T", "sourceContent": [{"text": "cited"}], "location": location}
    cited = {"citationsContent": {"content": [{"text": "So."}], "citations": [citation]}}
    (text,) = parts_of(whole(cited))
    assert isinstance(text, Text)
    (found,) = text.citations
    place = (found.location, found.document_index, found.location_start, found.location_end)
    assert (text.text, found.title, found.cited_text, place) == ("So.", "T", "cited", expected)
    assert found.kind is CitationKind.DOCUMENT
    assert parts_of(streamed(delta(0, text="So."), delta(0, citation=citation), stop(0))) == (text,)


def test_citation_of_a_page_of_the_web_has_its_address() -> None:
    citation = {"title": "T", "location": {"web": {"url": "https://a.example", "domain": "a"}}}
    cited = {"citationsContent": {"content": [{"text": "So."}], "citations": [citation]}}
    (text,) = parts_of(whole(cited))
    assert isinstance(text, Text)
    assert (text.citations[0].kind, text.citations[0].url) == (
        CitationKind.URL,
        "https://a.example",
    )


def test_image_is_media_and_an_unknown_block_is_kept() -> None:
    image = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    unknown = {"somethingNew": {"a": 1}}
    media, opaque = parts_of(whole(image, unknown))
    assert isinstance(media, Media)
    assert (media.media_type, media.data) == ("image/png", "aGk=")
    assert isinstance(opaque, Opaque)
    assert (opaque.dialect, opaque.type) == (NAME, "somethingNew")
    sent = [start(0, image={"format": "png"}), delta(0, image={"source": {"bytes": "aGk="}})]
    assert parts_of(streamed(*sent, stop(0))) == (media,)


@pytest.mark.parametrize(("word", "reason"), [*FINISH_REASONS.items(), ("new", FinishReason.OTHER)])
def test_finish_reason_is_ours_and_the_word_is_kept(word: str, reason: FinishReason) -> None:
    choice = whole({"text": "x"}, stop=word).choices[0]
    assert (choice.finish, choice.native_finish) == (reason, word)
    assert streamed(delta(0, text="x"), reason=word).choices[0].finish is reason


def test_turn_that_ends_as_any_other_with_a_call_in_it_asks_for_the_call_to_be_run() -> None:
    call = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
    events = (start(0, toolUse={"toolUseId": "t1", "name": "f"}), delta(0, toolUse={"input": "{}"}))
    for response in (whole(call, stop="end_turn"), streamed(*events, stop(0), reason="end_turn")):
        assert response.choices[0].finish is FinishReason.TOOL_CALLS


def test_stop_sequence_is_the_one_that_the_model_reports() -> None:
    fields: Any = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    assert whole({"text": "x"}, **fields).choices[0].stop_sequence == "END"
    assert whole({"text": "x"}, additionalModelResponseFields=[1]).choices[0].stop_sequence is None
    ended = encode_event("messageStop", {"stopReason": "stop_sequence", **fields})
    response = fold(read_stream(BEGIN, delta(0, text="x"), ended))
    assert response.choices[0].stop_sequence == "END"


def test_usage_is_disjoint_and_tells_the_hours_cache_apart() -> None:
    usage = USAGE | {
        "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 70,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 50}, {"ttl": "1h", "inputTokens": 20}],
    }
    found = whole({"text": "x"}, usage=usage).usage
    assert found is not None
    assert found.quantities == {
        Meter.INPUT: 3,
        Meter.CACHE_READ: 100,
        Meter.CACHE_WRITE_5M: 50,
        Meter.CACHE_WRITE_1H: 20,
        Meter.OUTPUT: 5,
    }
    assert whole({"text": "x"}, usage={}).usage is None


def test_service_tier_is_kept() -> None:
    assert whole({"text": "x"}, serviceTier={"type": "flex"}).service_tier == "flex"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"output": 1}', b'{"output": {"message"', b"\xff"]
)
def test_body_that_cannot_be_read_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        decode_response(body, TARGET)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


@pytest.mark.parametrize("text", ["\u2028\u0085\r\n", "🙂", "x" * 500_000])
def test_any_text_comes_through(text: str) -> None:
    assert parts_of(streamed(delta(0, text=text))) == (Text(text),)
    assert parts_of(whole({"text": text})) == (Text(text),)


def test_half_a_surrogate_pair_spoils_no_answer() -> None:
    body = b'{"output":{"message":{"content":[{"text":"a\\ud83d"}]}},"stopReason":"end_turn"}'
    (text,) = parts_of(decode_response(body, TARGET))
    assert isinstance(text, Text)
    assert text.text.startswith("a")
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    payload = b'{"contentBlockIndex":0,"delta":{"text":"a\\ud83d"}}'
    assert parts_of(streamed(encode_message(headers, payload))) == (text,)


@given(st.binary(max_size=60))
def test_redacted_blob_comes_back_as_it_was(data: bytes) -> None:
    blob = base64.b64encode(data).decode()
    signature = decode_redacted(blob, "m").signature
    assert signature is not None
    assert encode_redacted(signature.value) == blob


@given(JSON)
@settings(deadline=None)
def test_no_body_raises_anything_but_our_own_error(value: Any) -> None:
    with contextlib.suppress(GatewayError):
        decode_response(json.dumps(value).encode(), TARGET)
