"""How a client of each dialect asks first, and how it asks again with what it was told.

The second request is put together as that dialect's documentation tells clients to do it: the
answer goes back as it came, reasoning included, with a result for every call.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#extended-thinking-with-tool-use
https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context
https://ai.google.dev/gemini-api/docs/thought-signatures
https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

QUESTION: Final = "What is the weather in Oslo?"
RESULTS: Final = ("4 °C, rain", "3 °C, snow")
"""What the calls of an answer give, in their order; none alike, so that a swap shows."""

_SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_TOOL: Final = {"name": "weather", "description": "The weather of a city."}


class Asked(Protocol):
    """The first request of a client."""

    def __call__(self, *, is_streamed: bool) -> dict[str, Any]: ...


def _chat(*, is_streamed: bool) -> dict[str, Any]:
    asked = {
        "model": "golden",
        "messages": [{"role": "user", "content": QUESTION}],
        "reasoning_effort": "low",
        "tools": [{"type": "function", "function": {**_TOOL, "parameters": _SCHEMA}}],
    }
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    return asked | streaming if is_streamed else asked


def _chat_again(told: Any) -> dict[str, Any]:
    asked, message = _chat(is_streamed=False), told["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(message["tool_calls"], RESULTS, strict=False)
    ]
    return asked | {"messages": [*asked["messages"], message, *results]}


def _responses(*, is_streamed: bool) -> dict[str, Any]:
    asked = {
        "model": "golden",
        "input": [{"role": "user", "content": QUESTION}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [{"type": "function", **_TOOL, "parameters": _SCHEMA, "strict": True}],
    }
    return asked | {"stream": True} if is_streamed else asked


def _responses_again(told: Any) -> dict[str, Any]:
    asked, output = _responses(is_streamed=False), told["output"]
    calls = [item for item in output if item["type"] == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": result}
        for call, result in zip(calls, RESULTS, strict=False)
    ]
    return asked | {"input": [*asked["input"], *output, *results]}


def _messages(*, is_streamed: bool) -> dict[str, Any]:
    asked = {
        "model": "golden",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": QUESTION}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [{**_TOOL, "input_schema": _SCHEMA}],
    }
    return asked | {"stream": True} if is_streamed else asked


def _messages_again(told: Any) -> dict[str, Any]:
    asked, content = _messages(is_streamed=False), told["content"]
    calls = [block for block in content if block["type"] == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": result}
        for call, result in zip(calls, RESULTS, strict=False)
    ]
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    return asked | {"messages": [*asked["messages"], *turns]}


def _gemini(*, is_streamed: bool) -> dict[str, Any]:
    return {
        "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
        "tools": [{"functionDeclarations": [{**_TOOL, "parametersJsonSchema": _SCHEMA}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}},
    }


def _gemini_again(told: Any) -> dict[str, Any]:
    asked, content = _gemini(is_streamed=False), told["candidates"][0]["content"]
    calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {**_named(call), "response": {"output": result}}}
        for call, result in zip(calls, RESULTS, strict=False)
    ]
    return asked | {"contents": [*asked["contents"], content, {"role": "user", "parts": results}]}


def _named(call: Any) -> dict[str, Any]:
    """What a result repeats of its call."""
    return {key: call[key] for key in ("id", "name") if key in call}


FIRST_REQUESTS: Final[Mapping[str, Asked]] = {
    "openai_responses": _responses,
    "openai_chat": _chat,
    "anthropic_messages": _messages,
    "google_gemini": _gemini,
}
_AGAIN: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "openai_responses": _responses_again,
    "openai_chat": _chat_again,
    "anthropic_messages": _messages_again,
    "google_gemini": _gemini_again,
}


def ask_again(caller: str, told: Any) -> dict[str, Any]:
    """The request after an answer that called tools."""
    return _AGAIN[caller](told)
