"""Answers of providers that speak Chat Completions: what they say, whole and streamed."""

import json

import msgspec
import pytest
from tests.unit.dialects.openai_chat.chat import DONE, answer, chunk, events_of, target

from nagara.dialects import openai_chat
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Ended,
    Failed,
    FinishReason,
    PartBegan,
    Response,
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
    Refusal,
    Text,
    ToolCall,
    ToolKind,
)


def read(body: bytes) -> Response:
    return openai_chat.decode_response(body, target())


def parts_of(*pieces: bytes) -> tuple[object, ...]:
    return fold(events_of(*pieces)).choices[0].parts


def test_a_whole_answer_says_who_made_it() -> None:
    response = read(answer({"content": "hi"}, service_tier="flex"))
    assert (response.id, response.model, response.created_s) == ("c", "theirs", 5)
    assert response.service_tier == "flex"
    assert response.choices[0].parts == (Text("hi"),)
    assert response.choices[0].finish is FinishReason.STOP


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_comes_under_either_name_before_the_text(name: str) -> None:
    parts = read(answer({"content": "4", name: "two and two"})).choices[0].parts
    assert parts == (Reasoning(text="two and two"), Text("4"))


def test_mistrals_list_of_content_is_reasoning_and_text_in_order_and_nothing_is_lost() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "4"},
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        {"type": "reference", "reference_ids": [1]},
    ]
    assert read(answer({"content": content})).choices[0].parts == (
        Reasoning(text="hm"),
        Text("4"),
        Media(kind=MediaKind.IMAGE, media_type="image/png", data="AAAA"),
        Opaque(
            dialect="openai_chat",
            type="reference",
            raw=msgspec.Raw(b'{"type": "reference", "reference_ids": [1]}'),
        ),
    )


def test_signed_reasoning_keeps_all_that_its_maker_wants_back() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "f", "index": 0},
        {"type": "reasoning.encrypted", "data": "D", "id": "rs_1", "format": "f", "index": 1},
    ]
    message = {"content": "4", "reasoning": "hm", "reasoning_details": details}
    signed, hidden, text = read(answer(message)).choices[0].parts
    assert isinstance(signed, Reasoning)
    assert isinstance(hidden, Reasoning)
    assert signed.text == "hm"
    assert signed.signature is not None
    assert signed.signature.maker == "them"
    assert json.loads(signed.signature.value)["signature"] == "S"
    assert hidden.is_redacted
    assert hidden.id == "rs_1"
    assert text == Text("4")


def test_details_in_a_stream_are_one_part_until_their_index_changes() -> None:
    def detail(index: int, **fields: str) -> dict[str, object]:
        return {"reasoning_details": [{"type": "reasoning.text", "index": index} | fields]}

    parts = parts_of(
        chunk(detail(0, text="a") | {"reasoning": "a"}),
        chunk(detail(0, text="b") | {"reasoning": "b"}),
        chunk(detail(0, signature="S")),
        chunk(detail(1, text="c")),
        chunk({"content": "x"}, finish_reason="stop"),
        DONE,
    )
    assert [part.text for part in parts] == ["ab", "c", "x"]  # type: ignore[attr-defined]
    assert parts[0].signature is not None  # type: ignore[attr-defined]
    assert parts[1].signature is None  # type: ignore[attr-defined]


def test_calls_of_a_whole_answer_keep_ids_names_and_arguments() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
    ]
    response = read(answer({"content": None, "tool_calls": calls}, "tool_calls"))
    assert response.choices[0].parts == (
        ToolCall(id="a", name="f", arguments='{"x": 1}'),
        ToolCall(id="b", name="g", arguments="free", kind=ToolKind.CUSTOM),
    )
    assert response.choices[0].finish is FinishReason.TOOL_CALLS


def call(index: int | None = None, name: str | None = None, text: str = "", **fields: str) -> bytes:
    function = {"arguments": text} | ({"name": name} if name else {})
    piece: dict[str, object] = {"function": function, **fields}
    if index is not None:
        piece["index"] = index
    return chunk({"tool_calls": [piece]})


END = (chunk({}, finish_reason="tool_calls"), DONE)
TWO = (ToolCall(id="a", name="f", arguments="12"), ToolCall(id="b", name="g", arguments="34"))


@pytest.mark.parametrize(
    "pieces",
    [
        # OpenAI: the id and the name once, then pieces by index.
        (call(0, "f", id="a"), call(0, text="1"), call(0, text="2"),
         call(1, "g", id="b"), call(1, text="3"), call(1, text="4")),
        # Interleaved.
        (call(0, "f", id="a"), call(1, "g", id="b"), call(1, text="3"), call(0, text="1"),
         call(0, text="2"), call(1, text="4")),
        # No index at all, and no id after the first piece.
        (call(None, "f", "1", id="a"), call(text="2"),
         call(None, "g", "3", id="b"), call(text="4")),
        # Each whole, and all numbered 0, as Gemini's compatible endpoint does.
        (call(0, "f", "12", id="a"), call(0, "g", "34", id="b")),
        # Everything again in each piece.
        (call(0, "f", "1", id="a"), call(0, "f", "2", id="a"),
         call(1, "g", "3", id="b"), call(1, "g", "4", id="b")),
        # The id first, the name later.
        (call(0, id="a"), call(0, "f", "12"), call(1, id="b"), call(1, "g", "34")),
    ],
)  # fmt: skip
def test_parallel_calls_are_put_together_however_they_are_streamed(
    pieces: tuple[bytes, ...],
) -> None:
    assert parts_of(*pieces, *END) == TWO


def test_arguments_that_are_an_object_become_json_text() -> None:
    message = {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]}
    assert read(answer(message)).choices[0].parts == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
    )


def test_the_deprecated_call_is_a_call() -> None:
    message = {"function_call": {"name": "f", "arguments": "{}"}}
    response = read(answer(message, "function_call"))
    assert response.choices[0].parts == (ToolCall(id="", name="f", arguments="{}"),)
    assert response.choices[0].finish is FinishReason.TOOL_CALLS


def test_a_forced_call_that_ends_with_stop_is_to_be_run_all_the_same() -> None:
    message = {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    choice = read(answer(message, "stop")).choices[0]
    assert (choice.finish, choice.native_finish) == (FinishReason.TOOL_CALLS, "stop")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("sensitive", FinishReason.CONTENT_FILTER),
        ("never_heard_of", FinishReason.OTHER),
    ],
)
def test_finish_reasons_of_every_server_have_a_meaning(word: str, reason: FinishReason) -> None:
    assert read(answer({"content": "x"}, word)).choices[0].finish is reason


def test_reason_error_is_a_failure_and_no_end() -> None:
    with pytest.raises(GatewayError) as raised:
        read(answer({"content": "x"}, "error"))
    assert raised.value.kind is ErrorKind.UPSTREAM_ERROR


def test_a_refusal_is_no_text() -> None:
    assert read(answer({"content": None, "refusal": "no"})).choices[0].parts == (Refusal("no"),)


def test_annotations_are_citations_of_the_text() -> None:
    cited = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 3}
    message = {
        "content": "text",
        "annotations": [{"type": "url_citation", "url_citation": cited}, {"type": "file"}],
    }
    (text,) = read(answer(message)).choices[0].parts
    assert isinstance(text, Text)
    (citation,) = text.citations
    assert (citation.url, citation.title) == ("https://a.example", "A")
    assert (citation.start, citation.end) == (1, 3)


def test_pages_that_perplexity_found_are_citations_once() -> None:
    found = [{"url": "https://a.example", "title": "A"}]
    pieces = [
        chunk({"content": text}).replace(
            b'"id": "c"', b'"search_results": %b' % json.dumps(found).encode()
        )
        for text in "xy"
    ]
    (text,) = parts_of(*pieces, chunk({}, finish_reason="stop"))
    assert isinstance(text, Text)
    assert text.text == "xy"
    assert [c.url for c in text.citations] == ["https://a.example"]


def test_what_groq_ran_itself_is_never_a_call_to_run() -> None:
    executed = {
        "index": 0,
        "type": "search",
        "arguments": '{"query": "x"}',
        "output": "found",
        "search_results": {"results": [{"url": "https://a.example", "title": "A"}]},
    }
    ran, gave, text = read(answer({"content": "x", "executed_tools": [executed]})).choices[0].parts
    assert isinstance(ran, HostedCall)
    assert isinstance(gave, HostedResult)
    assert ran.kind is HostedKind.WEB_SEARCH
    assert gave.sources[0].url == "https://a.example"
    assert text == Text("x")


def test_what_groq_is_still_running_is_told_once_with_its_output() -> None:
    running = {"index": 0, "type": "python", "arguments": "1+1"}
    parts = parts_of(
        chunk({"executed_tools": [running]}),
        chunk({"executed_tools": [running | {"output": "2"}]}),
        chunk({"content": "2"}, finish_reason="stop"),
    )
    assert [type(part) for part in parts] == [HostedCall, HostedResult, Text]


def test_streamed_audio_is_one_piece_of_media() -> None:
    (audio,) = parts_of(
        chunk({"audio": {"id": "a", "data": "QUJD"}}),
        chunk({"audio": {"data": "REVG", "transcript": "hello"}}),
        chunk({}, finish_reason="stop"),
        DONE,
    )
    assert audio == Media(kind=MediaKind.AUDIO, data="QUJDREVG", transcript="hello")


def test_more_audio_than_the_bound_is_refused() -> None:
    stream = openai_chat.decode_stream(1000, target())
    stream.feed(chunk({"audio": {"data": "A" * 600}}))
    with pytest.raises(GatewayError) as raised:
        stream.feed(chunk({"audio": {"data": "A" * 600}}))
    assert raised.value.kind is ErrorKind.UPSTREAM_TOO_LARGE


def test_a_made_image_is_media() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    (media,) = read(answer({"content": "", "images": [image]})).choices[0].parts
    assert media == Media(kind=MediaKind.IMAGE, media_type="image/png", data="QUJD")


def test_choices_may_come_interleaved() -> None:
    response = fold(
        events_of(
            chunk({"content": "a"}),
            chunk({"content": "x"}, 1),
            chunk({"content": "b"}, finish_reason="stop"),
            chunk({"content": "y"}, 1, finish_reason="length"),
            DONE,
        )
    )
    assert [choice.parts for choice in response.choices] == [(Text("ab"),), (Text("xy"),)]
    assert [choice.finish for choice in response.choices] == ["stop", "length"]


def test_logprobs_are_kept_with_their_alternatives() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    said = {"content": [token | {"top_logprobs": [token]}], "refusal": None}
    response = fold(events_of(chunk({"content": "a"}, logprobs=said, finish_reason="stop"), DONE))
    (logprob,) = response.choices[0].logprobs
    assert (logprob.token, logprob.logprob, logprob.bytes) == ("a", -0.5, (97,))
    assert logprob.top[0].token == "a"


def test_usage_may_come_with_the_last_chunk_or_after_it() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    for pieces in (
        [chunk({"content": "a"}, finish_reason="stop", usage=usage)],
        [chunk({"content": "a"}, finish_reason="stop"), chunk(usage=usage)],
    ):
        response = fold(events_of(*pieces, DONE))
        assert response.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 4)


def test_usage_that_cannot_be_read_does_not_cost_the_answer() -> None:
    response = read(answer({"content": "a"}, usage={"prompt_tokens": "many"}))
    assert response.usage is None
    assert response.choices[0].parts == (Text("a"),)


def test_a_stream_without_done_is_whole_when_every_choice_has_its_reason() -> None:
    events = events_of(chunk({"content": "a"}), chunk({}, finish_reason="stop"))
    assert isinstance(events[-1], Ended)


def test_a_stream_that_stops_before_its_reason_is_cut() -> None:
    with pytest.raises(GatewayError) as raised:
        events_of(chunk({"content": "a"}))
    assert raised.value.kind is ErrorKind.UPSTREAM_CUT


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ({"message": "m", "code": 502}, ErrorKind.UPSTREAM_ERROR, "m"),
        ({"message": "m", "code": 429}, ErrorKind.UPSTREAM_RATE_LIMIT, "m"),
        ({"message": "m", "code": "503"}, ErrorKind.UPSTREAM_UNAVAILABLE, "m"),
        ({"message": "m", "type": "invalid_request_error", "status_code": 400},
         ErrorKind.INVALID_REQUEST, "m"),
        ({"message": "key sk-1 is bad", "code": 401}, ErrorKind.UPSTREAM_CREDENTIAL, "operator"),
        ("m", ErrorKind.UPSTREAM_ERROR, "m"),
        ({}, ErrorKind.UPSTREAM_ERROR, "did not say why"),
    ],
)  # fmt: skip
def test_an_error_in_a_stream_is_of_the_kind_that_the_provider_says(
    said: object, kind: ErrorKind, message: str
) -> None:
    *_, last = events_of(chunk({"content": "a"}), chunk(error=said))
    assert isinstance(last, Failed)
    assert last.error.kind is kind
    assert message in last.error.message
    assert "sk-1" not in last.error.message


def test_nothing_is_read_after_the_providers_own_error() -> None:
    stream = openai_chat.decode_stream(10_000, target())
    events = stream.feed(
        chunk({"content": "a"}) + chunk(error={"message": "m"}) + chunk({"content": "b"})
    )
    assert stream.is_ended
    assert isinstance(events[-1], Failed)


def test_an_error_in_an_answer_of_200_is_raised() -> None:
    with pytest.raises(GatewayError) as raised:
        read(b'{"error": {"message": "no", "code": 429}}')
    assert raised.value.kind is ErrorKind.UPSTREAM_RATE_LIMIT


def test_a_failed_choice_is_a_failure() -> None:
    *_, last = events_of(chunk({"content": "a"}, error={"message": "m"}, finish_reason="error"))
    assert isinstance(last, Failed)


def test_half_a_surrogate_pair_is_replaced_and_the_rest_read() -> None:
    piece = b'data: {"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}\n\n'
    assert parts_of(piece, DONE) == (Text("a\ufffd"),)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"3", b'{"choices": 3}', b'{"id": "\\x"}'])
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(GatewayError) as raised:
        read(body)
    assert raised.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_an_event_of_a_megabyte_is_read() -> None:
    text = "x\u2028\u0085" * 100_000
    (part,) = parts_of(chunk({"content": text}, finish_reason="stop"), DONE)
    assert part == Text(text)


def test_every_part_that_began_is_a_new_number() -> None:
    events = events_of(
        chunk({"reasoning": "a"}), chunk({"content": "b"}), chunk({"reasoning": "c"}), *END
    )
    assert [e.index for e in events if isinstance(e, PartBegan)] == [0, 1, 2]
