"""Tools and the choice among them, for Gemini.

Functions are declared with a JSON schema (`parametersJsonSchema`), rewritten where Gemini takes
less than JSON Schema has. What Google runs itself is a tool of its own; beside functions, the
answer must be told to say what it did there, or the API refuses the mix. Models before Gemini 3
refuse it in any case.

https://ai.google.dev/api/caching#Tool https://ai.google.dev/gemini-api/docs/tool-combination
"""

from typing import Any

import msgspec

from nagara.dialects.codec import Target, cannot_carry
from nagara.dialects.fit import name_parameter
from nagara.dialects.google_gemini.thinking import find_row
from nagara.dialects.google_gemini.traits import Trait
from nagara.dialects.google_gemini.wire import NAME
from nagara.dialects.schema import GEMINI, rewrite
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    Request,
    ToolChoice,
    ToolChoiceMode,
)

INPUT_RULES = msgspec.structs.replace(GEMINI, has_object_root=True)

_HOSTED = {
    HostedKind.WEB_SEARCH: "googleSearch",
    HostedKind.WEB_FETCH: "urlContext",
    HostedKind.CODE_EXECUTION: "codeExecution",
}
_MODES = {
    ToolChoiceMode.AUTO: "AUTO",
    ToolChoiceMode.NONE: "NONE",
    ToolChoiceMode.REQUIRED: "ANY",
    ToolChoiceMode.NAMED: "ANY",
}


def encode_tools(request: Request, target: Target, dropped: list[str]) -> dict[str, Any]:
    """`tools` and `toolConfig`, as far as there are any."""
    declared = [
        _declare(tool, request, dropped) for tool in request.tools if isinstance(tool, FunctionTool)
    ]
    asked = [tool for tool in request.tools if isinstance(tool, HostedTool)]
    if declared and not find_row(target.model).mixes_tools:
        # The caller's own tools are what its program waits for.
        dropped.extend(f"tools.{tool.name}" for tool in asked)
        asked = []
    hosted = [made for tool in asked if (made := _encode_hosted(tool, dropped)) is not None]
    said: dict[str, Any] = {}
    if declared or hosted:
        said["tools"] = [*hosted, {"functionDeclarations": declared}] if declared else hosted
    config: dict[str, Any] = {}
    if request.tool_choice is not None and declared:
        config["functionCallingConfig"] = _encode_choice(request.tool_choice, request, target)
    if declared and hosted and Trait.SERVER_TOOL_INVOCATIONS in target.traits:
        config["includeServerSideToolInvocations"] = True
    return said | ({"toolConfig": config} if config else {})


def _declare(tool: FunctionTool, request: Request, dropped: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        said["description"] = tool.description
    if tool.parameters is not None:
        rewritten = rewrite(tool.parameters, INPUT_RULES)
        said["parametersJsonSchema"] = rewritten.schema
        dropped.extend(f"tools.{tool.name}.{path}" for path in rewritten.lost)
    if request.dialect == NAME:
        said |= tool.extras
    else:
        dropped.extend(f"tools.{name}" for name in tool.extras)
    return said


def _encode_hosted(tool: HostedTool, dropped: list[str]) -> Any:
    if tool.dialect == NAME:
        return tool.raw
    name = _HOSTED.get(tool.kind)
    if name is None:
        dropped.append(f"tools.{tool.name}")
        return None
    # None of these narrows Google's own search.
    narrowing = ("allowed_domains", "blocked_domains", "uses_max", "location")
    dropped.extend(f"tools.{tool.name}.{field}" for field in narrowing if getattr(tool, field))
    return {name: {}}


def _encode_choice(choice: ToolChoice, request: Request, target: Target) -> dict[str, Any]:
    if choice.hosted is not None:
        raise cannot_carry(
            f"an order to use {choice.hosted.value!r}",
            name_parameter("tool_choice", request),
            target,
        )
    said: dict[str, Any] = {"mode": _MODES[choice.mode]}
    # With AUTO a list of names is refused; VALIDATED is the mode that may also answer in words.
    if choice.allowed and choice.mode is ToolChoiceMode.AUTO:
        said["mode"] = "VALIDATED"
    if choice.mode is ToolChoiceMode.NAMED:
        said["allowedFunctionNames"] = [choice.name]
    elif choice.allowed:
        said["allowedFunctionNames"] = list(choice.allowed)
    return said
