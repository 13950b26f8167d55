"""The validators of request bodies know each API's own from another's, and from what is wrong."""

import importlib.util
from typing import Any, Final

import pytest
from tests.recordings.request_shapes import CHECKERS, find_problems

SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
PIXEL: Final = "iVBORw0KGgo="
TEXT: Final = {"type": "text", "text": "Hi"}
MODULES: Final = {"gemini": "google.genai", "converse": "botocore"}

GOOD: Final[dict[str, list[dict[str, Any]]]] = {
    "chat": [
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        {
            "model": "m",
            "stream": True,
            "messages": [
                {"role": "developer", "content": [TEXT]},
                {
                    "role": "user",
                    "content": [TEXT, {"type": "image_url", "image_url": {"url": "u"}}],
                },
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "It rains."},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
            "tool_choice": "required",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": SCHEMA},
            },
            "reasoning_effort": "low",
            "stream_options": {"include_usage": True},
        },
    ],
    "responses": [
        {"model": "m", "input": "Hi"},
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "It rains."},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
                {"type": "web_search"},
            ],
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
        },
    ],
    "messages": [
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{**TEXT, "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [TEXT]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                        {"type": "tool_use", "id": "1", "name": "f", "input": {"city": "Rome"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": [TEXT]}],
                },
            ],
            "tools": [{"name": "f", "input_schema": SCHEMA}],
            "tool_choice": {"type": "any"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
    ],
    "gemini": [
        {"contents": [{"parts": [{"text": "Hi"}]}]},
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {
                    "role": "user",
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
                },
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "f", "response": {"output": "rain"}}}],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {"thinkingBudget": 0}},
        },
    ],
    "converse": [
        {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
        {
            "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [{"image": {"format": "png", "source": {"bytes": PIXEL}}}],
                },
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}],
                },
                {
                    "role": "user",
                    "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "rain"}]}}],
                },
            ],
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}],
                "toolChoice": {"any": {}},
            },
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
        },
    ],
}

USER: Final = [{"role": "user", "content": "Hi"}]
BAD: Final[dict[str, list[dict[str, Any]]]] = {
    "chat": [
        {"messages": USER},
        {"model": "m", "messages": USER, "max_output_tokens": 9},
        {"model": "m", "messages": USER, "temperature": "0.5"},
        {"model": "m", "messages": [{"role": "model", "content": "Hi"}]},
        {"model": "m", "messages": [{"role": "tool", "content": "no id"}]},
        {"model": "m", "messages": USER, "tools": [{"type": "function", "name": "f"}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "input_text"}]}]},
    ],
    "responses": [
        {"model": "m", "messages": USER},
        {"model": "m", "input": [{"role": "tool", "content": "Hi"}]},
        {"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": {}}]},
        {"model": "m", "input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"model": "m", "input": "Hi", "text": {"format": {"type": "yaml"}}},
    ],
    "messages": [
        {"model": "m", "messages": USER},
        {"model": "m", "max_tokens": 9, "messages": [{"role": "tool", "content": "Hi"}]},
        {"model": "m", "max_tokens": 9, "messages": USER, "stop": ["x"]},
        {"model": "m", "max_tokens": 9, "messages": USER, "tool_choice": "auto"},
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}],
        },
    ],
    "gemini": [
        {"messages": USER},
        {"contents": [{"parts": [{"text": "Hi", "type": "text"}]}]},
        {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"max_tokens": 9}},
        {"contents": [{"parts": [{"text": "Hi"}]}], "system_instruction": {"parts": []}},
        {"contents": [{"parts": [{"functionCall": {"name": "f", "args": "{}"}}]}]},
    ],
    "converse": [
        {"messages": [{"role": "model", "content": [{"text": "Hi"}]}]},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"text": "Hi", "cachePoint": {}}]}]},
        {"messages": [], "inferenceConfig": {"topK": 5}},
        {"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}},
    ],
}


def samples(bodies: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """Each body with its dialect, as parameters."""
    return [
        pytest.param(dialect, body, id=f"{dialect}-{number}")
        for dialect, list_ in bodies.items()
        for number, body in enumerate(list_)
    ]


def require(dialect: str) -> None:
    """Skip where the dialect's published types are not installed."""
    module = MODULES.get(dialect, "openai")
    top = module.partition(".")[0]
    if importlib.util.find_spec(top) is None or importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make install-clients")


@pytest.mark.parametrize(("dialect", "body"), samples(GOOD))
def test_published_types_take_a_good_body(dialect: str, body: dict[str, Any]) -> None:
    require(dialect)
    assert find_problems(dialect, body) == []


@pytest.mark.parametrize(("dialect", "body"), samples(BAD))
def test_published_types_refuse_what_the_api_would(dialect: str, body: dict[str, Any]) -> None:
    require(dialect)
    assert find_problems(dialect, body)


@pytest.mark.parametrize("dialect", list(CHECKERS))
def test_published_types_refuse_a_body_of_any_other_api(dialect: str) -> None:
    require(dialect)
    others = [bodies[1] for name, bodies in GOOD.items() if name != dialect]
    assert all(find_problems(dialect, body) for body in others)
