"""When the sandbox calls tools, with the conversations that real agents send."""

import json
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script


def ask(operation: Operation, **body: Any) -> Any:
    content = json.dumps(body).encode()
    script = write_script(operation, "m", content, now_s=1, request_id="r")
    answer = json.loads(b"".join(step for step in script.steps if isinstance(step, bytes)))
    assert script.status == 200, answer
    return answer


def chat(text: str, **body: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return ask(Operation.CHAT, messages=messages, **body)["choices"][0]


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [function("first", n={"type": "integer"}), function("second")]


def called(choice: Any) -> list[str]:
    return [call["function"]["name"] for call in choice["message"].get("tool_calls", [])]


def test_offered_tools_are_left_alone_when_nothing_asks() -> None:
    assert called(chat("hello", tools=TOOLS)) == []


def test_several_directives_are_parallel_calls() -> None:
    text = 'sandbox:call second {} then sandbox:call first {"n": [1, {"deep": "}"}]}.'
    choice = chat(text, tools=TOOLS)
    assert called(choice) == ["second", "first"]
    arguments = choice["message"]["tool_calls"][1]["function"]["arguments"]
    assert json.loads(arguments) == {"n": [1, {"deep": "}"}]}


def test_parallel_calls_can_be_switched_off() -> None:
    text = "sandbox:call second sandbox:call first"
    assert called(chat(text, tools=TOOLS, parallel_tool_calls=False)) == ["second"]


def test_an_unknown_name_is_answered_with_those_on_offer() -> None:
    choice = chat("sandbox:call third", tools=TOOLS)
    assert called(choice) == []
    assert "no tool third" in choice["message"]["content"]
    assert "first, second" in choice["message"]["content"]


def test_broken_arguments_are_replaced_by_fitting_ones() -> None:
    choice = chat('sandbox:call first {"n": ', tools=TOOLS)
    arguments = json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])
    assert isinstance(arguments["n"], int)


@pytest.mark.parametrize(
    ("tool_choice", "expected"),
    [
        ("auto", []),
        ("required", ["first"]),
        ({"type": "function", "function": {"name": "second"}}, ["second"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "second"}}],
                },
            },
            ["second"],
        ),
    ],
)
def test_tool_choice_forces_a_call(tool_choice: Any, expected: list[str]) -> None:
    assert called(chat("hello", tools=TOOLS, tool_choice=tool_choice)) == expected


def test_tool_choice_none_forbids_a_call() -> None:
    choice = chat("sandbox:call first", tools=TOOLS, tool_choice="none")
    assert called(choice) == []
    assert "forbids" in choice["message"]["content"]


def test_a_forced_call_is_not_repeated_after_its_result() -> None:
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "the result"},
    ]
    answer = ask(Operation.CHAT, messages=messages, tools=TOOLS, tool_choice="required")
    assert "The tool returned: the result" in answer["choices"][0]["message"]["content"]


def test_a_call_that_does_not_fit_the_limit_is_not_made() -> None:
    choice = chat("sandbox:call first", tools=TOOLS, max_tokens=1)
    assert choice["finish_reason"] == "length"
    assert called(choice) == []


def claude_code(*messages: Any) -> Any:
    """A request as Claude Code sends it."""
    tools = [
        {"name": name, "description": "x" * 500, "input_schema": {"type": "object"}}
        for name in ["Task", "Bash", *map("Tool{}".format, range(23))]
    ]
    return ask(
        Operation.MESSAGES,
        max_tokens=32000,
        system=[{"type": "text", "text": "You are Claude Code.", "cache_control": {}}],
        messages=[{"role": "system", "content": "More rules: sandbox:call Task"}, *messages],
        tools=tools,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        metadata={"user_id": "u"},
    )


def test_claude_code_has_its_tool_called_and_the_result_taken_up() -> None:
    prompt = {
        "role": "user",
        "content": [
            {"type": "text", "text": "<system-reminder>\nsandbox:call Task\n</system-reminder>\n"},
            {
                "type": "text",
                "text": 'Please sandbox:call Bash {"command": "echo 42"}',
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"},
        ],
    }
    first = claude_code(prompt)
    assert [block["type"] for block in first["content"]] == ["thinking", "tool_use"]
    call = first["content"][1]
    assert (call["name"], call["input"]) == ("Bash", {"command": "echo 42"})
    assert first["context_management"] == {"applied_edits": []}
    result = {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": [{"type": "text", "text": "42"}],
            },
            {"type": "text", "text": "<system-reminder>sandbox:call Bash</system-reminder>"},
        ],
    }
    second = claude_code(prompt, {"role": "assistant", "content": first["content"]}, result)
    assert second["stop_reason"] == "end_turn"
    assert "The tool returned: 42" in second["content"][1]["text"]


SURROUNDINGS = "<environment_context>sandbox:call shell</environment_context>"


def codex(*items: Any) -> Any:
    """A request as Codex CLI sends it."""
    shell = {"type": "object", "properties": {"command": {"type": "array"}}}
    return ask(
        Operation.RESPONSES,
        instructions="You are Codex.",
        input=[
            {"type": "message", "role": "developer", "content": text_of("Be careful.")},
            {"type": "message", "role": "user", "content": text_of(SURROUNDINGS)},
            *items,
        ],
        tools=[
            {"type": "function", "name": "shell", "strict": False, "parameters": shell},
            {"type": "local_shell"},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
            {"type": "web_search", "external_web_access": False},
            {"type": "namespace", "name": "mcp__files", "tools": [
                {"type": "function", "name": "list", "parameters": {"type": "object"}}]},
        ],
        tool_choice="auto",
        parallel_tool_calls=True,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        client_metadata={"a": "b"},
        text={"verbosity": "low"},
    )  # fmt: skip


def text_of(text: str) -> Any:
    return [{"type": "input_text", "text": text}]


@pytest.mark.parametrize(
    ("directive", "expected", "output_type"),
    [
        (
            'sandbox:call shell {"command": ["bash", "-lc", "echo 42"]}',
            {"type": "function_call", "name": "shell"},
            "function_call_output",
        ),
        (
            'sandbox:call local_shell {"command": ["echo", "42"]}',
            {
                "type": "local_shell_call",
                "action": {"type": "exec", "env": {}, "command": ["echo", "42"]},
            },
            "local_shell_call_output",
        ),
        (
            "sandbox:call apply_patch *** Begin Patch\n*** End Patch",
            {"type": "custom_tool_call", "input": "*** Begin Patch\n*** End Patch"},
            "custom_tool_call_output",
        ),
        (
            "sandbox:call mcp__files.list {}",
            {"type": "function_call", "name": "list", "namespace": "mcp__files"},
            "function_call_output",
        ),
    ],
)
def test_codex_has_its_tool_called_and_the_result_taken_up(
    directive: str, expected: dict[str, Any], output_type: str
) -> None:
    prompt = {"type": "message", "role": "user", "content": text_of(directive)}
    first = codex(prompt)
    assert [item["type"] for item in first["output"]] == ["reasoning", expected["type"]]
    call = first["output"][1]
    assert {key: call[key] for key in expected} == expected
    result = {"type": output_type, "call_id": call["call_id"], "output": "it says 42"}
    second = codex(prompt, *first["output"], result)
    assert [item["type"] for item in second["output"]] == ["reasoning", "message"]
    assert "The tool returned: it says 42" in second["output"][1]["content"][0]["text"]
