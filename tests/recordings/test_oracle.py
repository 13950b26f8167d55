"""What the oracle reads where no recording has an example, and what the comparison sees."""

import json
from typing import Any, Final

import msgspec
import pytest
from tests.recordings.askers import Got
from tests.recordings.askers.event_rules import MessagesRules, ResponsesRules
from tests.recordings.comparison import Ask, compare
from tests.recordings.exchanges import Exchange, classify
from tests.recordings.neutral import Answer, Call, Citation, Counts, failed
from tests.recordings.oracle import chat, converse, expect, gemini, messages, responses

SSE: Final = {"content-type": "text/event-stream; charset=utf-8"}
JSON: Final = {"content-type": "application/json"}


def exchange(wire: str, body: bytes, headers: dict[str, str] = SSE, status: int = 200) -> Exchange:
    return Exchange(
        id="case-0",
        recording="case",
        api="case",
        wire=wire,
        path="/",
        request={},
        status=status,
        headers=headers,
        body=body,
    )


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        ("chat", {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}),
        ("responses", {"type": "response.output_text.delta", "delta": "Hel"}),
        ("messages", {"type": "message_start", "message": {"content": [], "stop_reason": None}}),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]}),
    ],
)
def test_stream_without_its_end_is_an_error(wire: str, event: Any) -> None:
    assert expect(exchange(wire, sse(event))).failure is not None


def test_error_event_makes_a_stream_an_error_with_the_providers_words() -> None:
    events = sse({"choices": []}, {"error": {"message": "It broke."}})
    assert expect(exchange("chat", events)) == failed(None, "It broke.")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No.", "type": "x"}},
        {"type": "error", "error": {"message": "No."}},
        {"message": "No."},
        [{"error": {"message": "No.", "code": 400}}],
        {"error": "No."},
    ],
)
def test_error_bodies_of_every_shape_give_their_message(body: Any) -> None:
    refused = exchange("chat", json.dumps(body).encode(), JSON, status=400)
    assert expect(refused) == failed(400, "No.")


def test_refusals_are_no_text() -> None:
    message = {"role": "assistant", "content": None, "refusal": "I will not."}
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    assert chat.read(body) == Answer(refusal="I will not.", finish="stop")
    item = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    answer = responses.read({"status": "completed", "output": [item]})
    assert answer == Answer(refusal="I will not.", finish="stop")


def test_tools_of_the_callers_machine_are_its_own_and_hosted_ones_are_not() -> None:
    output = [
        {"type": "local_shell_call", "id": "1"},
        {"type": "web_search_call", "id": "2"},
        {"type": "custom_tool_call", "call_id": "3", "name": "patch", "input": "+a"},
        {"type": "function_call", "name": "f", "namespace": "n", "arguments": '{"a": 1.0}'},
    ]
    answer = responses.read({"status": "completed", "output": output})
    assert answer.own_calls == ("local_shell",)
    assert answer.server_tools == ("web_search",)
    assert answer.calls == (Call("patch", "+a"), Call("f", {"a": 1}, "n"))


def test_cached_tokens_are_in_the_input_whichever_way_a_provider_counts() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
    expected = Counts(input=321, output=5, cache_read=20, cache_write=300)
    assert messages.read_usage(usage | {"output_tokens": 5}) == expected
    bedrock = {"inputTokens": 1, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 300}
    assert converse.read_usage(bedrock | {"outputTokens": 5}) == expected
    said = {"prompt_tokens": 321, "completion_tokens": 5, "total_tokens": 326}
    details = {"cached_tokens": 20, "cache_write_tokens": 300}
    assert chat.read_usage({"usage": said | {"prompt_tokens_details": details}}) == expected


def test_tokens_of_tools_are_input_and_thoughts_are_output_in_gemini() -> None:
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 200,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 40,
    }
    assert gemini.read_usage(usage) == Counts(input=210, output=43, reasoning=40)


def test_calls_of_parallel_tools_that_a_stream_interleaves_are_told_apart() -> None:
    events: list[Any] = [
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 1, "id": "2", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in events]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    assert chat.read(chat.fold(chunks)).calls == (Call("f", {"a": 1}), Call("g", {}))


def test_exchanges_are_told_by_path_and_shape() -> None:
    def line(path: str, method: str = "POST", body: Any = None) -> Any:
        return {"request": {"method": method, "path": path}, "response": {"json": body}}

    assert classify(line("/x/models/a.b-1:streamGenerateContent"))[0] == "gemini"
    assert classify(line("/model/us.a%3A0/converse-stream"))[0] == "converse"
    assert classify(line("/api/paas/v4/chat/completions"))[0] == "chat"
    assert classify(line("/v1/responses", "GET"))[0] is None
    assert classify(line("/v1/responses", body={"status": "queued"}))[0] is None
    assert classify(line("/v1/messages/count_tokens"))[0] is None


WHOLE: Final = Answer(
    text="It rains.",
    reasoning=("Hm.",),
    calls=(Call("f", {"a": 1}),),
    finish="tool_calls",
    cited=frozenset({Citation("https://a", "A")}),
    citations=frozenset({Citation("https://a", "A")}),
    order=("reasoning", "text", "call"),
    counts=Counts(input=10, output=5, cache_read=3),
)
ASK: Final = Ask("case-0", "messages", "responses", is_streamed=False, is_recorded_stream=False)


def differences(expected: Answer, got: Answer, **changes: Any) -> set[str]:
    """The features that differ; the type of the SDK's object is no matter here."""
    ask = msgspec.structs.replace(ASK, **changes)
    found = compare(expected, Got(got, problems=()), ask)
    return {name for name, wrong in found.items() if wrong} - {"types"}


def test_equal_answers_have_no_differences() -> None:
    assert differences(WHOLE, WHOLE) == set()


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"text": "It rain."}, "text"),
        ({"reasoning": ()}, "reasoning"),
        ({"reasoning": ("H", "m!")}, "reasoning"),
        ({"calls": ()}, "calls"),
        ({"calls": (Call("f", {"a": 2}),)}, "calls"),
        ({"calls": (Call("f", {"a": 1}), Call("web_search", {}))}, "calls"),
        ({"order": ("text", "reasoning", "call")}, "order"),
        ({"finish": "stop"}, "finish"),
        ({"refusal": "No."}, "refusal"),
        ({"citations": frozenset(), "cited": frozenset()}, "citations"),
        ({"citations": WHOLE.citations | {Citation("https://b")}}, "citations"),
        ({"counts": None}, "usage"),
        ({"counts": Counts(input=10, output=5, cache_read=4)}, "usage"),
        ({"counts": Counts(input=7, output=5, cache_read=3)}, "usage"),
    ],
)
def test_every_difference_is_seen(changes: dict[str, Any], feature: str) -> None:
    assert differences(WHOLE, msgspec.structs.replace(WHOLE, **changes)) == {feature}


def test_provider_run_tool_must_be_told_of_and_none_be_invented() -> None:
    plain = Answer(text="Hi", finish="stop")
    invented = msgspec.structs.replace(plain, server_tools=("web_search",))
    assert differences(plain, invented) == {"server tools"}
    expected = msgspec.structs.replace(WHOLE, server_tools=("web_search",))
    assert differences(expected, WHOLE) == {"server tools"}
    found = compare(expected, Got(WHOLE, dropped="web_search"), ASK)
    assert found["server tools"] == ""


def test_error_and_answer_are_not_taken_for_each_other() -> None:
    assert differences(WHOLE, failed(400, "No.")) == {"answer"}
    assert differences(failed(400, "No."), WHOLE) == {"error"}
    assert differences(failed(400, "No."), failed(502, "No.")) == {"error"}
    assert differences(failed(400, "No."), failed(400, "Bad.")) == {"error"}
    assert differences(failed(400, "No."), failed(400, "case: No.")) == set()


def test_namespace_may_become_part_of_a_name() -> None:
    expected = msgspec.structs.replace(WHOLE, calls=(Call("f", {}, "n"),))
    assert differences(expected, msgspec.structs.replace(WHOLE, calls=(Call("n__f", {}),))) == set()
    assert differences(expected, msgspec.structs.replace(WHOLE, calls=(Call("m__f", {}),)))


def test_rules_of_responses_streams_see_wrong_numbers_ids_and_texts() -> None:
    rules = ResponsesRules()
    text = {"output_index": 0, "item_id": "a", "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "a"}},
        {"type": "response.output_text.delta", "delta": "Hi", **text},
        {"type": "response.output_text.done", "text": "Hi!", **text},
        {"type": "response.output_text.delta", "delta": "x", **text, "item_id": "b"},
        {"type": "response.output_item.done", "output_index": 0, "item": {"id": "a"}},
    ]
    for number, event in enumerate(events):
        rules.take({**event, "sequence_number": number})
    rules.take({"type": "response.completed", "sequence_number": 9, "response": {"output": []}})
    assert len(rules.problems) == 4


def test_rules_of_messages_streams_see_blocks_that_overlap() -> None:
    rules = MessagesRules()
    for event in (
        {"type": "message_start"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_start", "index": 1},
        {"type": "content_block_delta", "index": 0},
        {"type": "message_stop"},
    ):
        rules.take(event)
    assert len(rules.problems) == 3
