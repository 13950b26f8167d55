"""Google's own SDK reads what callers of this dialect are sent, whole and streamed alike."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.dialects.google_gemini.test_answers import FRAME

from nagara.dialects import google_gemini
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import Choice, FinishReason, Response, TokenLogprob, unfold
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    Reasoning,
    Signature,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, make_usage

genai = pytest.importorskip("google.genai", reason="make install-clients")
httpx = pytest.importorskip("httpx")
errors = pytest.importorskip("google.genai.errors")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANSWER = Response(
    dialect="anthropic_messages",
    choices=(
        Choice(
            parts=(
                Reasoning(text="hm", signature=Signature("S", "anthropic")),
                HostedCall(id="h", kind=HostedKind.WEB_SEARCH, name="w", arguments='{"query":"q"}'),
                Text("Là.", (Citation(kind=CitationKind.URL, url="https://x", start=0, end=3),)),
                ToolCall(id="c", name="f", arguments='{"a":[1]}'),
            ),
            finish=FinishReason.TOOL_CALLS,
            logprobs=(TokenLogprob("L", -0.5),),
        ),
    ),
    usage=make_usage((Meter.INPUT, 3), (Meter.CACHE_READ, 2), (Meter.REASONING, 4)),
)


def client(body: bytes, kind: str = "application/json", status: int = 200) -> Any:
    def answer(request: Any) -> Any:
        return httpx.Response(status, content=body, headers={"content-type": kind})

    options = {
        "base_url": "http://gateway",
        "client_args": {"transport": httpx.MockTransport(answer)},
    }
    return genai.Client(api_key="k", vertexai=False, http_options=options)


def ask(client: Any) -> Any:
    return client.models.generate_content(model="m", contents="hi")


def ask_streamed(client: Any) -> list[Any]:
    return list(client.models.generate_content_stream(model="m", contents="hi"))


def stream_of(response: Response) -> bytes:
    encoder = google_gemini.encode_stream(FRAME)
    return b"".join(map(encoder.encode, unfold(response)))


def test_a_whole_answer_is_one_of_the_sdks_types() -> None:
    answer = ask(client(google_gemini.encode_response(ANSWER, FRAME).body))
    assert answer.text == "Là."
    assert [(call.id, call.name, call.args) for call in answer.function_calls] == [
        ("c", "f", {"a": [1]})
    ]
    (candidate,) = answer.candidates
    assert candidate.finish_reason.value == "STOP"
    assert candidate.grounding_metadata.web_search_queries == ["q"]
    assert candidate.grounding_metadata.grounding_supports[0].segment.end_index == 4
    assert candidate.logprobs_result.chosen_candidates[0].token == "L"
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (5, 2)
    assert (usage.thoughts_token_count, usage.total_token_count) == (4, 9)


def test_the_pieces_of_a_stream_add_up_to_the_whole_answer() -> None:
    whole = ask(client(google_gemini.encode_response(ANSWER, FRAME).body))
    pieces = ask_streamed(client(stream_of(ANSWER), "text/event-stream"))
    parts = [part for piece in pieces for part in piece.candidates[0].content.parts or ()]
    expected = whole.candidates[0].content.parts
    for read in (read_text, read_thought, read_calls):
        assert read(parts) == read(expected)
    assert {part.thought_signature for part in parts} == {p.thought_signature for p in expected}
    last = pieces[-1]
    assert last.usage_metadata == whole.usage_metadata
    assert last.candidates[0].grounding_metadata == whole.candidates[0].grounding_metadata
    assert last.candidates[0].finish_reason == whole.candidates[0].finish_reason
    assert last.response_id == whole.response_id


def read_text(parts: list[Any]) -> str:
    return "".join(part.text for part in parts if part.text and not part.thought)


def read_thought(parts: list[Any]) -> str:
    return "".join(part.text for part in parts if part.text and part.thought)


def read_calls(parts: list[Any]) -> list[Any]:
    return [part.function_call for part in parts if part.function_call]


def test_what_the_sdk_replays_decodes_to_what_was_said() -> None:
    answer = ask(client(google_gemini.encode_response(ANSWER, FRAME).body))
    content = answer.candidates[0].content.model_dump(mode="json", by_alias=True, exclude_none=True)
    request = google_gemini.decode_request(json.dumps({"contents": [content]}).encode())
    reasoning, text, call = request.messages[0].parts
    assert reasoning == ANSWER.choices[0].parts[0]
    assert isinstance(text, Text)
    assert isinstance(call, ToolCall)
    assert (call.id, json.loads(call.arguments)) == ("c", {"a": [1]})


def whole_error(error: GatewayError) -> Any:
    return lambda: ask(client(google_gemini.encode_error(error, "r"), status=error.status))


def streamed_error(error: GatewayError) -> Any:
    encoder = google_gemini.encode_stream(FRAME)
    begun = b"".join(map(encoder.encode, list(unfold(ANSWER))[:4]))
    return lambda: ask_streamed(client(begun + encoder.fail(error), "text/event-stream"))


@pytest.mark.parametrize("make", [whole_error, streamed_error])
def test_an_error_is_raised_with_our_message(make: Callable[[GatewayError], Any]) -> None:
    with pytest.raises(errors.APIError) as caught:
        make(GatewayError(ErrorKind.UPSTREAM_UNAVAILABLE, "Come back."))()
    assert caught.value.code == 503
    assert caught.value.message == "Come back."
