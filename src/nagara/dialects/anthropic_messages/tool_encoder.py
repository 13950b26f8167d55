"""Tools and the tool choice for an Anthropic server.

Tools come fitted: what the target does not host is gone, names are flat, free text is a function.
A hosted tool of another dialect is asked for in the version below, which needs no beta header.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.wire import NAME, encode_mark
from nagara.dialects.schema import ANTHROPIC_STRICT, TOOL_INPUT, rewrite
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    Request,
    ToolChoice,
    ToolChoiceMode,
)

VERSIONS = {
    HostedKind.WEB_SEARCH: ("web_search_20250305", "web_search"),
    HostedKind.WEB_FETCH: ("web_fetch_20250910", "web_fetch"),
    HostedKind.CODE_EXECUTION: ("code_execution_20250825", "code_execution"),
}
_TYPES = {
    ToolChoiceMode.AUTO: "auto",
    ToolChoiceMode.REQUIRED: "any",
    ToolChoiceMode.NAMED: "tool",
    ToolChoiceMode.NONE: "none",
}
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')


def encode_tools(request: Request, dropped: list[str]) -> list[dict[str, Any] | msgspec.Raw]:
    """The tools; what has no place is named in `dropped`."""
    is_own = request.dialect == NAME
    tools: list[dict[str, Any] | msgspec.Raw] = []
    for tool in request.tools:
        if isinstance(tool, FunctionTool):
            tools.append(_encode_function(tool, is_own=is_own, dropped=dropped))
        elif tool.dialect == NAME and tool.raw is not None:
            tools.append(tool.raw)
        elif tool.kind in VERSIONS:
            tools.append(_encode_hosted(tool, dropped))
        else:
            dropped.append(f"tools.{tool.name}")
    return tools


def encode_tool_choice(request: Request) -> dict[str, Any] | None:
    """`tool_choice`, which is also where calls at once are forbidden."""
    choice = request.tool_choice
    # Only the choice can forbid several calls at once, so one may have to be made for that.
    if choice is None:
        if request.is_parallel is not False or not request.tools:
            return None
        choice = ToolChoice(ToolChoiceMode.AUTO)
    encoded: dict[str, Any] = {"type": _TYPES[choice.mode]}
    if choice.mode is ToolChoiceMode.NAMED:
        encoded["name"] = _chosen_name(choice, request.tools)
    if request.is_parallel is not None and choice.mode is not ToolChoiceMode.NONE:
        encoded["disable_parallel_tool_use"] = not request.is_parallel
    return encoded


def _chosen_name(choice: ToolChoice, tools: Iterable[FunctionTool | HostedTool]) -> str | None:
    for tool in tools:
        if isinstance(tool, HostedTool) and tool.kind is choice.hosted:
            is_mapped = tool.dialect != NAME and tool.kind in VERSIONS
            return VERSIONS[tool.kind][1] if is_mapped else tool.name
    return choice.name


def _encode_function(tool: FunctionTool, *, is_own: bool, dropped: list[str]) -> dict[str, Any]:
    encoded: dict[str, Any] = {"name": tool.name}
    if is_own:
        encoded |= tool.extras
    else:
        dropped += (f"tools.{name}" for name in tool.extras)
    # A tool of a version that Anthropic knows is described by that alone.
    if not (is_own and "type" in tool.extras):
        if tool.description is not None:
            encoded["description"] = tool.description
        rules = ANTHROPIC_STRICT if tool.is_strict else TOOL_INPUT
        rewritten = rewrite(tool.parameters or _NO_ARGUMENTS, rules)
        encoded["input_schema"] = rewritten.schema
        dropped += (f"tools.{tool.name}.{path}" for path in rewritten.lost)
    if tool.is_strict is not None:
        encoded["strict"] = tool.is_strict
    if tool.cache is not None:
        encoded["cache_control"] = encode_mark(tool.cache)
    return encoded


def _encode_hosted(tool: HostedTool, dropped: list[str]) -> dict[str, Any]:
    version, name = VERSIONS[tool.kind]
    encoded: dict[str, Any] = {"type": version, "name": name}
    if tool.kind is HostedKind.CODE_EXECUTION:
        return encoded
    if tool.uses_max is not None:
        encoded["max_uses"] = tool.uses_max
    if tool.allowed_domains:
        encoded["allowed_domains"] = tool.allowed_domains
        if tool.blocked_domains:
            # Anthropic takes one list or the other; who is not allowed is blocked anyway.
            dropped.append(f"tools.{tool.name}.blocked_domains")
    elif tool.blocked_domains:
        encoded["blocked_domains"] = tool.blocked_domains
    if tool.location and tool.kind is HostedKind.WEB_SEARCH:
        encoded["user_location"] = {"type": "approximate", **tool.location}
    if tool.cache is not None:
        encoded["cache_control"] = encode_mark(tool.cache)
    return encoded
