"""Reads a request of OpenAI's Responses into a conversation, and refuses what that API would.

https://platform.openai.com/docs/api-reference/responses/create is the reference. Items and tools
of kinds that are not known are counted and passed over, since agents send new ones every month.
"""

from typing import Any, Final

import msgspec

from nagara.sandbox.chat_request import check_offered, read_stops
from nagara.sandbox.conversation import (
    Conversation,
    JsonFormat,
    Speaker,
    Tool,
    ToolKind,
    ToolMode,
    ToolPolicy,
    Turn,
)
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.text import Tally

SPEAKERS: Final = {
    "developer": Speaker.SYSTEM,
    "system": Speaker.SYSTEM,
    "user": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
}
TEXT_PARTS: Final = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "summary_text": "text",
    "refusal": "refusal",
}
LOCAL_SHELL: Final = "local_shell"


def read_responses(body: Field) -> Conversation:
    """The conversation of a request. Raises `BadRequest`."""
    tally = Tally()
    body["temperature"].check_number(0, 2)
    body["top_p"].check_number(0, 1)
    if not body["instructions"].is_absent:
        tally.add_text(body["instructions"].read_text())
    turns = read_input(body["input"], tally)
    tools = () if body["tools"].is_absent else tuple(read_tools(body["tools"], tally))
    return Conversation(
        turns=turns,
        tools=tools,
        policy=read_policy(body, tools),
        format=read_format(body["text"], tally),
        output_tokens_max=body["max_output_tokens"].find_integer(1),
        stops=read_stops(body["stop"]),
        is_reasoning=is_reasoning(body["reasoning"]),
        is_stream=body["stream"].read_flag(),
        input_tokens=tally.tokens,
    )


def is_reasoning(field: Field) -> bool:
    """Whether reasoning was asked for, by an effort or by wanting its summary."""
    if field.is_absent:
        return False
    effort, summary = field["effort"], field["summary"]
    if effort.is_absent:
        return not summary.is_absent
    return effort.read_text() != "none"


def read_input(field: Field, tally: Tally) -> tuple[Turn, ...]:
    """The input: a string is one user message."""
    if isinstance(field.value, str):
        tally.add_text(field.value)
        return (Turn(Speaker.USER, (field.value,)),)
    if not field.is_absent and not isinstance(field.value, list):
        raise field.fail(Problem.TYPE, "a string or an array of input items")
    return tuple(read_item(item, tally) for item in field.read_items())


def read_item(item: Field, tally: Tally) -> Turn:
    """One item as a turn."""
    kind = "message" if item["type"].is_absent else item["type"].read_text()
    if kind == "message":
        speaker = SPEAKERS[item["role"].read_choice(tuple(SPEAKERS))]
        return Turn(speaker, read_content(item["content"], tally))
    if kind.endswith("_output"):
        return Turn(Speaker.TOOL, read_output(item, tally))
    tally.add_json(item.value)
    return Turn(Speaker.ASSISTANT, ())


def read_content(content: Field, tally: Tally) -> tuple[str, ...]:
    """A string, or the texts among the parts of an array."""
    if content.is_absent:
        raise content.fail(Problem.MISSING)
    if isinstance(content.value, str):
        tally.add_text(content.value)
        return (content.value,)
    if not isinstance(content.value, list):
        raise content.fail(Problem.TYPE, "a string or an array of objects")
    texts: list[str] = []
    for part in content.read_items():
        kind = part["type"].read_text()
        if kind in TEXT_PARTS:
            texts.append(part[TEXT_PARTS[kind]].read_text())
            tally.add_text(texts[-1])
        else:
            tally.add_media()
    return tuple(texts)


def read_output(item: Field, tally: Tally) -> tuple[str, ...]:
    """What a tool returned: a string, an array of parts, or else its JSON."""
    output = item["output"]
    if output.is_absent:
        return ()
    if isinstance(output.value, list) and all(is_text_part(part) for part in output.value):
        return read_content(output, tally)
    text = output.find_text()
    if text is None:
        text = msgspec.json.encode(output.value).decode()
    tally.add_text(text)
    return (text,)


def is_text_part(part: Any) -> bool:
    """Whether it looks like a part of a message."""
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def read_tools(field: Field, tally: Tally, namespace: str | None = None) -> list[Tool]:
    """The tools that can be called: functions, custom ones, the local shell, and namespaces."""
    tools: list[Tool] = []
    for item in field.read_items():
        kind = item["type"].read_text()
        if kind == "namespace" and namespace is None:
            tools += read_tools(item["tools"], tally, item["name"].read_text())
            continue
        if kind == "function":
            parameters = item["parameters"]
            if not parameters.is_absent:
                parameters.read_object()
            name = item["name"].read_text()
            tools.append(Tool(name, ToolKind.FUNCTION, parameters.value, namespace))
        elif kind == "custom":
            tools.append(Tool(item["name"].read_text(), ToolKind.CUSTOM, namespace=namespace))
        elif kind == LOCAL_SHELL:
            tools.append(Tool(LOCAL_SHELL, ToolKind.LOCAL_SHELL))
        tally.add_json(item.value)
    return tools


def read_policy(body: Field, tools: tuple[Tool, ...]) -> ToolPolicy:
    """`tool_choice` and `parallel_tool_calls`."""
    is_parallel = body["parallel_tool_calls"].read_flag(default=True)
    choice = body["tool_choice"]
    if choice.is_absent:
        return ToolPolicy(is_parallel=is_parallel)
    if isinstance(choice.value, str):
        mode = ToolMode(choice.read_choice([mode.value for mode in ToolMode]))
        if mode is ToolMode.REQUIRED and body["tools"].is_absent:
            raise choice.refuse("'required' is only allowed when 'tools' are specified")
        return ToolPolicy(mode, is_parallel=is_parallel)
    kind = choice["type"].read_text()
    if kind == "allowed_tools":
        mode = ToolMode(choice["mode"].read_choice(("auto", "required")))
        names = (item["name"].find_text() for item in choice["tools"].read_items())
        allowed = frozenset(name for name in names if name is not None)
        return ToolPolicy(mode, allowed=allowed, is_parallel=is_parallel)
    if kind in ("function", "custom"):
        name = check_offered(choice["name"], tools)
        return ToolPolicy(ToolMode.REQUIRED, name, is_parallel=is_parallel)
    if kind == LOCAL_SHELL and any(tool.kind is ToolKind.LOCAL_SHELL for tool in tools):
        return ToolPolicy(ToolMode.REQUIRED, LOCAL_SHELL, is_parallel=is_parallel)
    return ToolPolicy(is_parallel=is_parallel)


def read_format(text: Field, tally: Tally) -> JsonFormat | None:
    """`text.format`, where it asks for JSON."""
    if text.is_absent or text["format"].is_absent:
        return None
    field = text["format"]
    kind = field["type"].read_choice(("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return JsonFormat(None, field.path) if kind == "json_object" else None
    field["name"].read_text()
    schema = field["schema"]
    tally.add_json(schema.read_object())
    return JsonFormat(schema.value, schema.path)
