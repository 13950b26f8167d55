"""What a request may ask for is found wherever it stands; a lowered cap goes where it is read."""

import json
from typing import Any

import pytest

from nagara.dialects.base import RequestView
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.demand import Demand, SideCalls
from nagara.domain.errors import GatewayError
from nagara.operations import ENDPOINTS, Endpoint

CHAT = ENDPOINTS["/v1/chat/completions"]
RESPONSES = ENDPOINTS["/v1/responses"]
MESSAGES = ENDPOINTS["/v1/messages"]
EMBEDDINGS = ENDPOINTS["/v1/embeddings"]
GEMINI = ENDPOINTS["/v1beta/models/{model}:generateContent"]
DATA = "A" * 5000
IMAGE_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
IMAGE_BLOCK = {"type": "image", "source": {"type": "base64", "data": DATA}}


def view(endpoint: Endpoint, **fields: Any) -> RequestView:
    return endpoint.read_request(json.dumps({"model": "m", **fields}).encode())


def said(endpoint: Endpoint, *parts: Any, **fields: Any) -> Demand:
    """What is asked for by a user who says these parts."""
    if endpoint is GEMINI:
        fields["contents"] = [{"role": "user", "parts": list(parts)}]
    else:
        name = "input" if endpoint is RESPONSES else "messages"
        fields[name] = [{"role": "user", "content": list(parts) or "Hi"}]
    return endpoint.measure(view(endpoint, **fields))


@pytest.mark.parametrize(
    ("endpoint", "parts"),
    [
        (CHAT, [{"type": "text", "text": 'of "type" and of "image_url"'}]),
        (CHAT, []),
        (RESPONSES, [{"type": "input_text", "text": "Hi"}]),
        (MESSAGES, [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]),
        (MESSAGES, [{"type": "tool_use", "input": {"type": "image"}}]),
        (MESSAGES, [{"type": "document", "source": {"type": "text", "data": "Hi"}}]),
        (GEMINI, [{"text": "of inlineData"}]),
    ],
)
def test_text_is_no_more_than_its_bytes(endpoint: Endpoint, parts: list[Any]) -> None:
    demand = said(endpoint, *parts)
    assert (demand.image_count, demand.has_unseen_input, demand.rounds_max) == (0, False, 1)
    assert demand.text_bytes >= len(json.dumps(parts))


@pytest.mark.parametrize(
    ("endpoint", "part"),
    [
        (CHAT, IMAGE_URL),
        (RESPONSES, {"type": "input_image", "image_url": DATA}),
        (MESSAGES, IMAGE_BLOCK),
        (MESSAGES, {"type": "tool_result", "content": [IMAGE_BLOCK]}),
        (GEMINI, {"inlineData": {"mimeType": "image/png", "data": DATA}}),
        (GEMINI, {"inline_data": {"mime_type": "image/png", "data": DATA}}),
    ],
)
def test_image_counts_as_one_and_its_data_as_nothing(endpoint: Endpoint, part: Any) -> None:
    demand = said(endpoint, part, part)
    assert demand.image_count == 2
    assert demand.has_media_input
    assert not demand.has_unseen_input
    assert demand.text_bytes < 5000


@pytest.mark.parametrize(
    ("endpoint", "part"),
    [
        (CHAT, {"type": "input_audio", "input_audio": {"data": DATA}}),
        (CHAT, {"type": "file", "file": {"file_id": "f"}}),
        (CHAT, {"type": "unheard_of"}),
        (CHAT, {"image_url": "https://a.example/b.png"}),
        (RESPONSES, {"type": "input_file", "file_id": "f"}),
        (RESPONSES, {"type": "item_reference", "id": "i"}),
        (RESPONSES, {"type": "reasoning", "id": "r"}),
        (MESSAGES, {"type": "document", "source": {"type": "base64", "data": DATA}}),
        (MESSAGES, {"type": "document", "source": {"type": "file", "file_id": "f"}}),
        (GEMINI, {"inlineData": {"mimeType": "application/pdf", "data": DATA}}),
        (GEMINI, {"fileData": {"fileUri": "u"}}),
    ],
)
def test_what_cannot_be_counted_is_unseen(endpoint: Endpoint, part: Any) -> None:
    assert said(endpoint, part).has_unseen_input


@pytest.mark.parametrize("letter", ["\\u0079", "y"])
def test_part_is_found_whatever_way_its_type_is_written(letter: str) -> None:
    part = b'{"t%bpe":"input_audio","input_audio":{}}' % letter.encode()
    body = b'{"model":"m","messages":[{"role":"user","content":[%b]}]}' % part
    assert CHAT.measure(CHAT.read_request(body)).has_unseen_input


def test_reasoning_that_carries_its_content_is_text() -> None:
    part = {"type": "reasoning", "encrypted_content": "x"}
    assert not said(RESPONSES, part).has_unseen_input


@pytest.mark.parametrize(
    ("endpoint", "fields", "searches", "rounds"),
    [
        (CHAT, {"web_search_options": {}}, 20, 10),
        (RESPONSES, {"tools": [{"type": "web_search_2025_08_26"}]}, 20, 11),
        (RESPONSES, {"tools": [{"type": "web_search"}], "max_tool_calls": 2}, 2, 3),
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "max_uses": 3}]}, 3, 4),
        (GEMINI, {"tools": [{"google_search": {}}]}, 20, 2),
    ],
)
def test_searches_are_bounded_and_read_the_conversation_again(
    endpoint: Endpoint, fields: dict[str, Any], searches: int, rounds: int
) -> None:
    parts = [{"text": "Hi"}] if endpoint is GEMINI else []
    demand = said(endpoint, *parts, **fields)
    assert demand.has_unseen_input
    assert (demand.searches_max, demand.rounds_max) == (searches, rounds)


def test_tools_of_ones_own_are_bytes() -> None:
    function = {"type": "function", "function": {"name": "f"}}
    assert not said(CHAT, tools=[function]).has_unseen_input
    assert not said(RESPONSES, tools=[{"type": "function", "name": "f"}]).has_unseen_input
    assert not said(MESSAGES, tools=[{"name": "f", "input_schema": {}}]).has_unseen_input
    declared = [{"functionDeclarations": [{"name": "f"}]}]
    assert not said(GEMINI, {"text": "Hi"}, tools=declared).has_unseen_input


def test_other_models_that_may_be_asked_are_named() -> None:
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "big", "max_uses": 2}
    compacting = {"edits": [{"type": "compact_20260112"}]}
    demand = said(MESSAGES, tools=[advisor], context_management=compacting)
    assert demand.side_calls == (SideCalls(calls_max=2, model="big"), SideCalls(calls_max=1))
    drawing = said(RESPONSES, tools=[{"type": "image_generation"}], max_tool_calls=1)
    assert drawing.side_calls[0].model == "gpt-image-1"


def test_service_tier_speed_and_cache_of_an_hour_are_held_for() -> None:
    assert said(CHAT, service_tier="priority").service_tier == "priority"
    assert said(CHAT, service_tier="auto").service_tier is None
    assert said(MESSAGES, speed="fast").service_tier == "fast"
    assert said(GEMINI, {"text": "Hi"}, serviceTier="FLEX").service_tier == "flex"
    hour = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert said(MESSAGES, hour).has_hour_cache
    assert said(MESSAGES, system=[hour]).has_hour_cache
    assert not said(MESSAGES).has_hour_cache
    control = {"type": "ephemeral", "ttl": "1h"}
    assert said(CHAT, cache_control=control).has_hour_cache
    assert said(CHAT).joined(said(MESSAGES, hour)).has_hour_cache


def test_a_longer_context_that_a_header_asks_for_is_held_for() -> None:
    assert MESSAGES.widen is not None
    demand = said(MESSAGES)
    beta = (b"anthropic-beta", b"files-api-2025-04-14,context-1m-2025-08-07")
    assert MESSAGES.widen(demand, [beta]).context_tokens_min == 1_000_000
    assert MESSAGES.widen(demand, [(b"anthropic-beta", b"files-api-2025-04-14")]) == demand


def test_sound_that_was_answered_before_is_unseen() -> None:
    before = {"role": "assistant", "audio": {"id": "audio_1"}}
    demand = CHAT.measure(view(CHAT, messages=[before, {"role": "user", "content": "Hi"}]))
    assert demand.has_unseen_input
    assert demand.has_media_input
    assert not said(CHAT, {"type": "text", "text": 'of "audio"'}).has_unseen_input


def test_a_prediction_is_output_that_may_be_billed() -> None:
    predicted = {"type": "content", "content": "x" * 100}
    assert said(CHAT, prediction=predicted).predicted_tokens_max >= 100
    assert said(CHAT).predicted_tokens_max == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"generationConfig": {}, "generation_config": {"candidateCount": 8}},
        {"generationConfig": {"candidateCount": 8, "candidate_count": 1}},
    ],
)
def test_what_gemini_is_told_by_two_names_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(GatewayError, match="Send one of the two"):
        view(GEMINI, contents=[{"parts": []}], **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"generationConfig": None, "generation_config": {"candidateCount": 8}},
        {"generationConfig": {"candidateCount": 8, "candidate_count": None}},
    ],
)
def test_name_that_says_nothing_hides_none_that_does(fields: dict[str, Any]) -> None:
    assert view(GEMINI, contents=[{"parts": []}], **fields).choice_count == 8


def test_what_is_embedded_beside_texts_counts_as_images() -> None:
    texts = EMBEDDINGS.measure(view(EMBEDDINGS, input=["a", "{}{}", 'of {"image": 1}']))
    assert (texts.image_count, texts.has_unseen_input) == (0, False)
    images = EMBEDDINGS.measure(view(EMBEDDINGS, input=[{"image": "https://x"}] * 3))
    assert (images.image_count, images.has_unseen_input) == (3, True)
    assert images.has_media_input


def test_larger_of_two_caps_is_held_for() -> None:
    demand = said(CHAT, max_tokens=900, max_completion_tokens=5)
    assert demand.output_tokens_max == 900
    config = {"maxOutputTokens": 5, "max_output_tokens": 900}
    assert said(GEMINI, {"text": "Hi"}, generationConfig=config).output_tokens_max == 900


@pytest.mark.parametrize(
    ("endpoint", "before", "traits", "name"),
    [
        (CHAT, {}, frozenset({Trait.MAX_COMPLETION_TOKENS}), "max_completion_tokens"),
        (CHAT, {}, frozenset(), "max_tokens"),
        (CHAT, {"max_tokens": 9}, frozenset({Trait.MAX_COMPLETION_TOKENS}), "max_tokens"),
        (RESPONSES, {}, frozenset(), "max_output_tokens"),
        (MESSAGES, {"max_tokens": 9}, frozenset(), "max_tokens"),
    ],
)
def test_lowered_cap_is_sent_in_the_field_that_is_read(
    endpoint: Endpoint, before: dict[str, Any], traits: frozenset[str], name: str
) -> None:
    asked = view(endpoint, messages=[{"role": "user"}], input="Hi", **before)
    sent = json.loads(
        endpoint.write_request(endpoint.limit_output(asked, 7, traits), "m", asks_usage=False)
    )
    caps = {key: value for key, value in sent.items() if key.startswith("max_")}
    assert caps == {name: 7}


def test_lowered_cap_of_gemini_replaces_both_spellings() -> None:
    config = {"max_output_tokens": 900, "temperature": 1}
    asked = view(GEMINI, contents=[{"parts": [{"text": "Hi"}]}], generation_config=config)
    sent = json.loads(GEMINI.write_request(GEMINI.limit_output(asked, 7), "m", asks_usage=False))
    assert sent["generationConfig"] == {"temperature": 1, "maxOutputTokens": 7}
    assert "generation_config" not in sent


THOUGHTFUL = {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 4000, "x": 1}}


@pytest.mark.parametrize(
    ("cap", "budget"), [(8000, 4000), (4001, 4000), (4000, 2976), (2049, 1025), (1025, 1024)]
)
def test_budget_for_thinking_is_lowered_with_the_cap_that_it_lies_below(
    cap: int, budget: int
) -> None:
    asked = view(MESSAGES, messages=[{"role": "user", "content": "Hi"}], **THOUGHTFUL)
    sent = json.loads(
        MESSAGES.write_request(MESSAGES.limit_output(asked, cap), "m", asks_usage=False)
    )
    assert sent["max_tokens"] == cap
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": budget, "x": 1}


@pytest.mark.parametrize(
    ("thinking", "least"),
    [
        ({"type": "enabled", "budget_tokens": 4000}, 1025),
        ({"type": "adaptive"}, 0),
        ({"type": "enabled", "budget_tokens": "many"}, 0),
        (None, 0),
    ],
)
def test_less_output_than_thinking_needs_is_no_use(thinking: Any, least: int) -> None:
    assert said(MESSAGES, max_tokens=9000, thinking=thinking).output_tokens_min == least
