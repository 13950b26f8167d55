"""Gemini's answers to the hub, and any answer for a caller of Gemini's dialect."""

import json
from typing import Any

import pytest

from nagara.dialects import google_gemini
from nagara.dialects.codec import Frame, Target
from nagara.dialects.envelope import disclose
from nagara.dialects.google_gemini.signatures import STAND_IN
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.events import (
    Began,
    Choice,
    ChoiceEnded,
    Ended,
    Event,
    Failed,
    FinishReason,
    PartBegan,
    PartDelta,
    PartEnded,
    Response,
    fold,
    unfold,
)
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Source,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, Usage, make_usage

TARGET = Target(provider="Google", model="gemini-3-flash", maker="google")
FRAME = Frame(
    request=Request(dialect="google_gemini", model="m", messages=()),
    model="m",
    seed="s",
    created_s=0,
)


def decode(*parts: Any, finish: str = "STOP", **candidate: Any) -> Response:
    said = {"content": {"parts": parts, "role": "model"}, "finishReason": finish, **candidate}
    return google_gemini.decode_response(json.dumps({"candidates": [said]}).encode(), TARGET)


def decode_pieces(*candidates: Any) -> Response:
    decoder = google_gemini.decode_stream(100_000, TARGET)
    events: list[Event] = []
    for candidate in candidates:
        data = json.dumps({"candidates": [candidate]}).encode()
        events += decoder.feed(b"data: " + data + b"\r\n\r\n")
    return fold([*events, *decoder.close()])


def encode(response: Response) -> Any:
    return json.loads(google_gemini.encode_response(response, FRAME).body)


def test_a_turn_with_calls_ends_as_such_though_google_says_stop() -> None:
    response = decode({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "S"})
    call = response.choices[0].parts[0]
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, json.loads(call.arguments)) == ("", "f", {"a": 1})
    assert call.signature == Signature("S", "google")
    assert response.choices[0].finish is FinishReason.TOOL_CALLS


def test_a_signature_on_text_is_kept_beside_it() -> None:
    parts = decode({"text": "hi", "thoughtSignature": "S"}).choices[0].parts
    assert parts == (Text("hi"), Reasoning(signature=Signature("S", "google", "")))


def test_a_signature_in_a_last_piece_of_empty_text_is_kept_behind_the_text() -> None:
    response = decode_pieces(
        {"content": {"parts": [{"text": "Hel"}]}},
        {"content": {"parts": [{"text": "lo"}]}},
        {"content": {"parts": [{"text": "", "thoughtSignature": "U0lH"}]}, "finishReason": "STOP"},
    )
    text, signed = response.choices[0].parts
    assert text == Text("Hello")
    assert isinstance(signed, Reasoning)
    # It came with an empty text of its own, so it goes back with one.
    assert signed == Reasoning(signature=Signature("U0lH", "google"))


def test_first_call_of_another_maker_gets_a_stand_in_and_its_own_signature_if_it_has_one() -> None:
    calls = [ToolCall(id=str(number), name="f", arguments="{}") for number in range(2)]
    told = encode(fold(events_of(*calls)))["candidates"][0]["content"]["parts"]
    assert [part.get("thoughtSignature") for part in told] == [STAND_IN, None]
    signature = Signature("S", "anthropic")
    signed = ToolCall(id="1", name="f", arguments="{}", signature=signature)
    (part,) = encode(fold(events_of(signed)))["candidates"][0]["content"]["parts"]
    assert disclose(part["thoughtSignature"]) == signature


def test_pieces_of_text_are_one_part_while_their_kind_stays() -> None:
    def piece(text: str, *, thought: bool = False, **more: Any) -> Any:
        return {"content": {"parts": [{"text": text, "thought": thought}]}, **more}

    response = decode_pieces(
        piece("a", thought=True),
        piece("b", thought=True),
        piece("c"),
        piece("d", finishReason="STOP"),
    )
    assert response.choices[0].parts == (Reasoning(text="ab"), Text("cd"))


def test_places_of_citations_count_characters_where_google_counts_bytes() -> None:
    text = "Ça coûte 5 €. Vraiment."
    start = len("Ça coûte 5 €. ".encode())
    response = decode(
        {"text": text},
        groundingMetadata={
            "groundingChunks": [{"web": {"uri": "https://x.example", "title": "X"}}],
            "groundingSupports": [
                {
                    "segment": {
                        "startIndex": start,
                        "endIndex": start + 9,
                        "text": "Vraiment.",
                    },
                    "groundingChunkIndices": [0],
                }
            ],
            "webSearchQueries": ["prix"],
        },
    )
    cited, call, result = response.choices[0].parts
    assert isinstance(cited, Text)
    (citation,) = cited.citations
    assert text[citation.start : citation.end] == "Vraiment."
    assert citation.url == "https://x.example"
    assert isinstance(call, HostedCall)
    assert json.loads(call.arguments)["query"] == "prix"
    assert isinstance(result, HostedResult)
    assert result.sources == (Source("https://x.example", "X"),)


def test_what_google_ran_is_never_a_call_for_the_caller() -> None:
    response = decode(
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["q"]}}},
        {"toolResponse": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}},
        {"somethingNew": {}},
        {"text": "2"},
    )
    kinds = [type(part) for part in response.choices[0].parts]
    assert kinds == [HostedCall, HostedResult, HostedCall, HostedResult, Opaque, Text]
    assert response.choices[0].finish is FinishReason.STOP


def test_a_blocked_prompt_is_an_answer_held_back_by_a_filter() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    response = google_gemini.decode_response(json.dumps(body).encode(), TARGET)
    assert response.choices[0].finish is FinishReason.CONTENT_FILTER
    assert response.usage is not None
    assert response.usage.input_tokens == 4
    assert encode(response)["promptFeedback"] == {"blockReason": "SAFETY"}


def test_usage_is_told_in_disjoint_meters_to_the_token() -> None:
    counts = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 30,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 50,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 40}],
        "thoughtsTokenCount": 9,
        "totalTokenCount": 166,
    }
    body = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts}
    usage = google_gemini.decode_response(json.dumps(body).encode(), TARGET).usage
    assert usage is not None
    assert usage.quantities == {
        Meter.INPUT: 62,
        Meter.CACHE_READ: 25,
        Meter.CACHE_READ_AUDIO: 5,
        Meter.INPUT_AUDIO: 15,
        Meter.OUTPUT: 10,
        Meter.OUTPUT_IMAGE: 40,
        Meter.REASONING: 9,
    }
    assert usage.input_tokens + usage.output_tokens == 166


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ErrorKind.INVALID_REQUEST),
        (403, ErrorKind.UPSTREAM_CREDENTIAL),
        (429, ErrorKind.UPSTREAM_RATE_LIMIT),
        (500, ErrorKind.UPSTREAM_ERROR),
        (503, ErrorKind.UPSTREAM_UNAVAILABLE),
    ],
)
def test_an_error_in_a_stream_is_the_providers_own(code: int, kind: ErrorKind) -> None:
    error = {"error": {"code": code, "message": "Why.", "status": "X"}}
    for body in (error, [error]):
        decoder = google_gemini.decode_stream(10_000, TARGET)
        (event,) = decoder.feed(b"data: " + json.dumps(body).encode() + b"\n\n")
        assert isinstance(event, Failed)
        assert event.error.kind is kind
        assert decoder.is_ended


def test_what_the_first_piece_counts_is_known_when_the_answer_begins() -> None:
    body = {
        "candidates": [{"content": {"parts": [{"text": "a"}]}}],
        "usageMetadata": {"promptTokenCount": 80, "cachedContentTokenCount": 64},
    }
    decoder = google_gemini.decode_stream(10_000, TARGET)
    began, *_ = decoder.feed(b"data: " + json.dumps(body).encode() + b"\n\n")
    assert isinstance(began, Began)
    assert began.usage == make_usage((Meter.INPUT, 16), (Meter.CACHE_READ, 64))


def test_a_stream_without_a_finish_reason_was_cut() -> None:
    decoder = google_gemini.decode_stream(10_000, TARGET)
    decoder.feed(b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\n\n')
    with pytest.raises(GatewayError) as caught:
        decoder.close()
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT


def events_of(*parts: Any, finish: FinishReason = FinishReason.STOP) -> list[Event]:
    events: list[Event] = [Began(dialect="anthropic_messages")]
    for index, part in enumerate(parts):
        events += [PartBegan(index, part), PartEnded(index)]
    return [*events, ChoiceEnded(finish=finish), Ended()]


def test_anothers_search_is_told_as_grounding_in_bytes() -> None:
    text = "Où ? Là."
    citation = Citation(kind=CitationKind.URL, url="https://x.example", start=5, end=8)
    said = encode(
        fold(
            events_of(
                HostedCall(
                    id="h",
                    kind=HostedKind.WEB_SEARCH,
                    name="web_search",
                    arguments='{"query":"q"}',
                    dialect="anthropic_messages",
                ),
                Text(text, (citation,)),
            )
        )
    )["candidates"][0]
    assert said["content"]["parts"] == [{"text": text}]
    grounding = said["groundingMetadata"]
    segment = grounding["groundingSupports"][0]["segment"]
    assert text.encode()[segment["startIndex"] : segment["endIndex"]].decode() == "Là."
    assert grounding["webSearchQueries"] == ["q"]
    assert grounding["groundingChunks"] == [{"web": {"uri": "https://x.example"}}]


def test_a_citation_without_a_place_is_of_the_whole_text_that_it_stands_on() -> None:
    citation = Citation(kind=CitationKind.URL, url="https://x.example")
    said = encode(fold(events_of(Text("Où ? "), Text("Là.", (citation,)))))["candidates"][0]
    segment = said["groundingMetadata"]["groundingSupports"][0]["segment"]
    assert segment == {"startIndex": 6, "endIndex": 10, "text": "Là."}


def test_a_citation_of_a_document_has_no_place_and_is_named() -> None:
    cited = Text("a", (Citation(kind=CitationKind.DOCUMENT, document_index=0),))
    whole = google_gemini.encode_response(fold(events_of(cited)), FRAME)
    assert whole.dropped == ("citations",)
    encoder = google_gemini.encode_stream(FRAME)
    for event in unfold(fold(events_of(cited))):
        encoder.encode(event)
    assert encoder.dropped == ["citations"]


@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.REFUSAL])
def test_a_refusal_is_told_as_one_though_it_ended_in_order(finish: FinishReason) -> None:
    response = fold(events_of(Refusal("no"), finish=finish))
    assert encode(response)["candidates"][0]["finishReason"] == "SAFETY"
    encoder = google_gemini.encode_stream(FRAME)
    assert b'"SAFETY"' in b"".join(encoder.encode(event) for event in unfold(response))


def test_anothers_signature_comes_in_an_envelope() -> None:
    signature = Signature("S", "anthropic")
    said = encode(fold(events_of(Reasoning(text="why", signature=signature))))
    (part,) = said["candidates"][0]["content"]["parts"]
    assert part["thought"] is True
    assert disclose(part["thoughtSignature"]) == signature


def test_a_hosted_tool_without_a_place_is_named_and_left_out() -> None:
    call = HostedCall(id="h", kind=HostedKind.MCP, name="mcp_call", dialect="openai_responses")
    encoded = google_gemini.encode_response(fold(events_of(call, Text("a"))), FRAME)
    assert encoded.dropped == ("mcp_call",)
    assert json.loads(encoded.body)["candidates"][0]["content"]["parts"] == [{"text": "a"}]


def test_calls_that_interleave_come_whole_and_in_order() -> None:
    encoder = google_gemini.encode_stream(FRAME)
    events: list[Event] = [
        Began(dialect="openai_chat"),
        PartBegan(0, ToolCall(id="a", name="f")),
        PartEnded(0),
        PartBegan(1, ToolCall(id="b", name="g")),
        PartDelta(1, '{"x":'),
        PartDelta(0, "{}"),
        PartDelta(1, "1}"),
        PartEnded(1),
        ChoiceEnded(finish=FinishReason.TOOL_CALLS),
        Ended(),
    ]
    written = [encoder.encode(event) for event in events]
    (last,) = [json.loads(data[6:]) for data in written if data]
    candidate = last["candidates"][0]
    assert [part["functionCall"] for part in candidate["content"]["parts"]] == [
        {"id": "a", "name": "f", "args": {}},
        {"id": "b", "name": "g", "args": {"x": 1}},
    ]
    assert candidate["finishReason"] == "STOP"


def test_googles_own_answer_is_told_as_it_came() -> None:
    given = {"text": "hi", "thoughtSignature": "S"}
    response = decode(given, finish="RECITATION", safetyRatings=[{"category": "X"}])
    candidate = encode(response)["candidates"][0]
    assert candidate["finishReason"] == "RECITATION"
    assert candidate["safetyRatings"] == [{"category": "X"}]
    (part,) = candidate["content"]["parts"]
    assert disclose(part["thoughtSignature"]).value == "S"


def test_unfolded_and_whole_say_the_same_to_a_caller() -> None:
    response = decode({"text": "a"}, {"functionCall": {"name": "f", "args": {}}})
    encoder = google_gemini.encode_stream(FRAME, is_array=True)
    told = json.loads(b"".join(map(encoder.encode, unfold(response))))
    parts = [p for body in told for p in body["candidates"][0]["content"]["parts"]]
    assert parts == encode(response)["candidates"][0]["content"]["parts"]


def test_an_error_has_googles_shape() -> None:
    error = GatewayError(ErrorKind.RATE_LIMIT, "Slower.", param="p")
    said = json.loads(google_gemini.encode_error(error, "req"))["error"]
    assert (said["code"], said["status"], said["message"]) == (429, "RESOURCE_EXHAUSTED", "Slower.")
    assert said["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert said["details"][0]["metadata"] == {"param": "p"}
    assert said["details"][1]["requestId"] == "req"


def test_texts_of_another_are_one_part_so_that_places_count_the_same_in_both_readings() -> None:
    cited = Text("It rains.", (Citation(kind=CitationKind.URL, url="https://a", start=0, end=9),))
    response = Response(dialect="other", choices=(Choice(parts=(Text("Héllo. "), cited)),))
    candidate = encode(response)["candidates"][0]
    assert candidate["content"]["parts"] == [{"text": "Héllo. It rains."}]
    segment = candidate["groundingMetadata"]["groundingSupports"][0]["segment"]
    whole = candidate["content"]["parts"][0]["text"].encode()
    assert whole[segment["startIndex"] : segment["endIndex"]] == b"It rains."


@pytest.mark.parametrize("is_cited_first", [True, False])
def test_a_page_found_without_the_title_it_is_cited_by_is_one_chunk(is_cited_first: bool) -> None:
    parts: list[Part] = [
        Text("It rains.", (Citation(kind=CitationKind.URL, url="https://a", title="A"),)),
        HostedResult(
            call_id="1",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            sources=(Source("https://b", "B"), Source("https://a")),
        ),
        Text("So there.", (Citation(kind=CitationKind.URL, url="https://a"),)),
    ]
    ordered = tuple(parts if is_cited_first else parts[::-1])
    response = Response(dialect="other", choices=(Choice(parts=ordered),))
    grounding = encode(response)["candidates"][0]["groundingMetadata"]
    assert grounding["groundingChunks"] == [
        {"web": {"uri": "https://b", "title": "B"}},
        {"web": {"uri": "https://a", "title": "A"}},
    ]
    assert [s["groundingChunkIndices"] for s in grounding["groundingSupports"]] == [[1], [1]]


@pytest.mark.parametrize(
    ("tier", "word"),
    [("default", "standard"), ("standard", "standard"), ("flex", "flex"), ("scale", None)],
)
def test_a_service_tier_is_told_in_a_word_that_googles_sdk_knows(
    tier: str, word: str | None
) -> None:
    usage = Usage({Meter.INPUT: 1, Meter.OUTPUT: 1})
    response = Response(dialect="other", choices=(), usage=usage, service_tier=tier)
    assert encode(response)["usageMetadata"].get("serviceTier") == word
    streamed = google_gemini.encode_stream(FRAME)
    last = b"".join(streamed.encode(event) for event in unfold(response))
    assert json.loads(last.removeprefix(b"data: "))["usageMetadata"].get("serviceTier") == word


def test_why_an_answer_was_held_back_is_kept_and_told() -> None:
    response = decode(finish="SAFETY", finishMessage="It was withheld.")
    assert response.choices[0].explanation == "It was withheld."
    other = Choice(parts=(), finish=FinishReason.REFUSAL, explanation="Not that.")
    told = encode(Response(dialect="other", choices=(other,)))["candidates"][0]
    assert (told["finishReason"], told["finishMessage"]) == ("SAFETY", "Not that.")


@pytest.mark.parametrize("odd", [None, {"a": 1}])
def test_an_odd_explanation_fails_no_answer(odd: Any) -> None:
    assert decode(finish="SAFETY", finishMessage=odd).choices[0].explanation is None
