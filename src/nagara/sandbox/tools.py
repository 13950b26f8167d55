"""When tools are called, and with what.

The conversation asks for a call in words: `sandbox:call NAME {"an": "argument"}`. Only what was
said since the last answer counts, and only after any tool results in it, so a call is never
repeated once its result is there. A required or named tool choice forces a call as well.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nagara.sandbox.conversation import (
    Call,
    Conversation,
    Speaker,
    Tool,
    ToolKind,
    ToolMode,
    Turn,
)
from nagara.sandbox.schema import make_instance
from nagara.sandbox.schema_check import SchemaError
from nagara.sandbox.text import strip_injected

DIRECTIVE: Final = re.compile(r"sandbox:call[ \t]+([\w.:/-]{1,200})")
CALLS_MAX: Final = 32
ARGUMENT_STEPS_MAX: Final = 2_000
NAMES_SHOWN_MAX: Final = 40


class Asked(msgspec.Struct, frozen=True):
    """What was said since the last answer: texts of the user, oldest first, and tool results."""

    texts: tuple[str, ...]
    results: tuple[str, ...]


class Directive(msgspec.Struct, frozen=True):
    """A wish for one call: the name, its JSON object if there is one, and the text after it."""

    name: str
    arguments: dict[str, Any] | None
    rest: str


class Plan(msgspec.Struct, frozen=True):
    """The calls to make, and what to say where a wish cannot be met."""

    calls: tuple[Call, ...] = ()
    note: str = ""


def find_asked(turns: Sequence[Turn]) -> Asked:
    """What the last turns ask. An answer that was begun for us (prefill) is passed over."""
    texts: list[str] = []
    results: list[str] = []
    recent = list(turns)
    while recent and recent[-1].speaker is Speaker.ASSISTANT:
        recent.pop()
    for turn in reversed(recent):
        if turn.speaker is Speaker.ASSISTANT:
            break
        if turn.speaker is Speaker.TOOL:
            results.append("\n".join(turn.texts))
        elif turn.speaker is Speaker.USER and not results:
            texts.append("\n".join(filter(None, map(strip_injected, turn.texts))))
    texts = [text for text in texts if text]
    return Asked(tuple(reversed(texts)), tuple(reversed(results)))


def read_directives(text: str) -> Iterator[Directive]:
    """The wishes in a text, in their order."""
    found, at = DIRECTIVE.search(text), 0
    while found:
        arguments, at = read_arguments(text, found.end())
        following = DIRECTIVE.search(text, at)
        rest = text[found.end() : following.start() if following else len(text)].strip()
        yield Directive(found[1], arguments, rest)
        found = following


def read_arguments(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """The JSON object that begins at `start`, after blanks, and where it ends."""
    begin = start + len(text[start:]) - len(text[start:].lstrip())
    if text[begin : begin + 1] != "{":
        return None, start
    try:
        _, end = json.JSONDecoder().raw_decode(text, begin)
        arguments: dict[str, Any] = msgspec.json.decode(text[begin:end])
    except (ValueError, RecursionError):
        return None, start
    return arguments, end


def plan_calls(conversation: Conversation, asked: Asked) -> Plan:
    """Which tools this answer calls."""
    policy = conversation.policy
    tools = [
        tool for tool in conversation.tools if policy.allowed is None or tool.name in policy.allowed
    ]
    wishes = find_wishes(asked)
    if policy.mode is ToolMode.NONE:
        return Plan(note="No tool was called: the tool choice forbids it." if wishes else "")
    calls = [make_call(tool, wish) for wish in wishes if (tool := find_tool(tools, wish.name))]
    if policy.name is not None:
        calls = [call for call in calls if call.tool.name == policy.name]
    if not calls and policy.mode is ToolMode.REQUIRED and not asked.results:
        forced = find_tool(tools, policy.name) if policy.name else next(iter(tools), None)
        calls = [make_call(forced, None)] if forced else []
    if not calls:
        return Plan(note=explain_tools(tools, wishes[0].name) if wishes else "")
    return Plan(tuple(calls if policy.is_parallel else calls[:1]))


def find_wishes(asked: Asked) -> list[Directive]:
    """The directives of the last message that holds any."""
    for text in reversed(asked.texts):
        wishes = [wish for wish, _ in zip(read_directives(text), range(CALLS_MAX), strict=False)]
        if wishes:
            return wishes
    return []


def find_tool(tools: Sequence[Tool], name: str) -> Tool | None:
    """The tool of this name, with or without its namespace; any case, if none fits exactly."""
    for wanted in (name, name.rstrip(".:-/")):
        for fold in (str, str.lower):
            for tool in tools:
                full = f"{tool.namespace}.{tool.name}"
                if fold(wanted) in (fold(tool.name), fold(full)):
                    return tool
    return None


def explain_tools(tools: Sequence[Tool], name: str) -> str:
    """What to say of a name that is not offered."""
    if not tools:
        return f"There is no tool {name} to call: none is offered."
    names = ", ".join(tool.name for tool in tools[:NAMES_SHOWN_MAX])
    more = f" and {len(tools) - NAMES_SHOWN_MAX} more" if len(tools) > NAMES_SHOWN_MAX else ""
    return f"There is no tool {name} to call. The offered tools are: {names}{more}."


def make_call(tool: Tool, wish: Directive | None) -> Call:
    """The call with the arguments that were given, or else with ones that fit the schema."""
    if tool.kind is ToolKind.CUSTOM:
        return Call(tool, wish.rest if wish and wish.rest else "sandbox")
    if wish is not None and wish.arguments is not None:
        arguments: Any = wish.arguments
    elif tool.kind is ToolKind.LOCAL_SHELL:
        arguments = {"command": ["echo", "sandbox"]}
    else:
        arguments = make_arguments(tool.parameters)
    return Call(tool, msgspec.json.encode(arguments).decode())


def make_arguments(parameters: Any) -> dict[str, Any]:
    """Arguments that fit the schema; none where nothing does."""
    if not isinstance(parameters, dict):
        return {}
    try:
        found = make_instance(parameters, ARGUMENT_STEPS_MAX)
    except SchemaError:
        return {}
    return found if isinstance(found, dict) else {}
