"""A field that a provider sends as null says no more than one that it leaves out."""

import json
from typing import Any

import msgspec
import pytest

from nagara.dialects import bedrock_converse, google_gemini, openai_chat
from nagara.dialects.codec import Outbound, Target
from nagara.domain.events import Response

CHAT = {
    "choices": [
        {
            "message": {
                "content": "a",
                "annotations": [{"type": "url_citation", "url_citation": {"url": None, "x": 1}}],
                "tool_calls": None,
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": None,
    "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    "search_results": [{"url": None, "title": "t"}],
}
GEMINI = {
    "candidates": [
        {
            "content": {
                "parts": [{"text": "a"}, {"functionCall": {"name": "f", "id": "1", "args": None}}]
            },
            "groundingMetadata": None,
            "citationMetadata": {"citationSources": [{"startIndex": None, "uri": "https://x.y"}]},
            "finishReason": "STOP",
            "index": None,
        }
    ],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "cacheTokensDetails": None},
}
CONVERSE = {
    "output": {
        "message": {
            "content": [
                {"text": "a", "toolUse": None},
                {"toolUse": {"toolUseId": "1", "name": "f", "input": None}},
            ]
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": None},
}
NO_CONTENT = {"output": {"message": {"content": None}}, "stopReason": "end_turn"}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(x) for name, x in value.items() if x is not None}
    return [without_nulls(x) for x in value] if isinstance(value, list) else value


def decode(codec: Outbound, body: Any) -> Response:
    """What is said, without what is handed on to callers of the same dialect as it came."""
    target = Target(provider="P", model="m", maker="p", abilities=codec.ABILITIES)
    response = codec.decode_response(json.dumps(body).encode(), target)
    choices = tuple(msgspec.structs.replace(each, extras={}) for each in response.choices)
    return msgspec.structs.replace(response, choices=choices)


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        (openai_chat, CHAT),
        (google_gemini, GEMINI),
        (bedrock_converse, CONVERSE),
        (bedrock_converse, NO_CONTENT),
    ],
)
def test_null_is_as_good_as_absent(codec: Outbound, body: Any) -> None:
    assert decode(codec, body) == decode(codec, without_nulls(body))


def test_call_without_arguments_has_an_empty_object_of_them() -> None:
    for codec, body in ((google_gemini, GEMINI), (bedrock_converse, CONVERSE)):
        (choice,) = decode(codec, body).choices
        assert [part.arguments for part in choice.parts if hasattr(part, "arguments")] == ["{}"]
