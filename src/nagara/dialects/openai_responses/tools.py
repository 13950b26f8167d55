"""Tools and the choice among them, both ways.

Functions and custom tools (free text, perhaps by a grammar) are the caller's; Codex groups some in
a `namespace`, and a call of such a one names it. All others are run by the provider, or are of a
kind that only this dialect's callers know to run (`shell`, `apply_patch`, `computer`): their whole
description is kept, and another dialect is given only those that it has too.

Source: https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_responses.search_tool import WEB_SEARCH, encode_search
from nagara.dialects.openai_responses.traits import Trait
from nagara.dialects.openai_responses.wire import NAME, Reader
from nagara.dialects.request_fields import wrong_field
from nagara.dialects.schema import tighten
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
)

_HOSTED_KINDS: Mapping[str, HostedKind] = {
    "web_search": HostedKind.WEB_SEARCH,
    "web_search_2025_08_26": HostedKind.WEB_SEARCH,
    "web_search_preview": HostedKind.WEB_SEARCH,
    "web_search_preview_2025_03_11": HostedKind.WEB_SEARCH,
    "code_interpreter": HostedKind.CODE_EXECUTION,
    "file_search": HostedKind.FILE_SEARCH,
    "image_generation": HostedKind.IMAGE_GENERATION,
    "computer": HostedKind.COMPUTER,
    "computer_use": HostedKind.COMPUTER,
    "computer_use_preview": HostedKind.COMPUTER,
    "mcp": HostedKind.MCP,
    "tool_search": HostedKind.TOOL_SEARCH,
}
# What a tool of another dialect is here, where it needs no settings that only this one has.
_HOSTED_TYPES = {
    HostedKind.CODE_EXECUTION: "code_interpreter",
    HostedKind.IMAGE_GENERATION: "image_generation",
}
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_LOCATION = ("city", "country", "region", "timezone")


def decode_tools(readers: Iterable[Reader]) -> tuple[Tool, ...]:
    """The tools in order, those of a namespace one by one."""
    tools: list[Tool] = []
    for reader in readers:
        tools += _decode_tool(reader)
    return tuple(tools)


def _decode_tool(reader: Reader) -> list[Tool]:
    kind = reader.shape("type") and reader.text("type")
    if not kind:
        raise wrong_field(reader.name("type"), "is missing; it says what the tool is.")
    if kind in ("function", "custom"):
        return [_decode_own(reader, kind)]
    if kind == "namespace":
        return _decode_namespace(reader)
    reader.fields["type"] = encode_raw(kind)
    return [_decode_hosted(reader, kind)]


def _decode_own(
    reader: Reader, kind: str, namespace: str | None = None, about: str | None = None
) -> FunctionTool:
    is_custom = kind == "custom"
    return FunctionTool(
        name=reader.needed_text("name"),
        description=reader.text("description"),
        parameters=None if is_custom else _take_schema(reader, "parameters"),
        is_strict=None if is_custom else reader.flag("strict"),
        kind=ToolKind.CUSTOM if is_custom else ToolKind.FUNCTION,
        format=_take_schema(reader, "format") if is_custom else None,
        namespace=namespace,
        namespace_description=about,
        extras=reader.rest(),
    )


def _take_schema(reader: Reader, field: str) -> msgspec.Raw | None:
    if reader.shape(field) not in ("", "{", "n"):
        raise wrong_field(reader.name(field), "must be an object.")
    return reader.raw(field)


def _decode_namespace(reader: Reader) -> list[Tool]:
    name, about = reader.needed_text("name"), reader.text("description")
    tools: list[Tool] = []
    for tool in reader.objects("tools"):
        kind = tool.text("type")
        if kind not in ("function", "custom"):
            raise wrong_field(
                tool.name("type"), f"is {kind!r}; a namespace holds functions and custom tools."
            )
        tools.append(_decode_own(tool, kind, name, about))
    return tools


def _decode_hosted(reader: Reader, kind: str) -> HostedTool:
    raw, hosted = reader.whole_raw(), _HOSTED_KINDS.get(kind, HostedKind.OTHER)
    if hosted is not HostedKind.WEB_SEARCH:
        return HostedTool(kind=hosted, name=kind, dialect=NAME, raw=raw)
    filters, location = reader.object("filters"), reader.object("user_location")
    told = {name: location.text(name) for name in _LOCATION} if location is not None else {}
    return HostedTool(
        kind=hosted,
        name=kind,
        dialect=NAME,
        raw=raw,
        allowed_domains=tuple((filters and filters.texts("allowed_domains")) or ()),
        blocked_domains=tuple((filters and filters.texts("blocked_domains")) or ()),
        location={name: value for name, value in told.items() if value is not None},
    )


def encode_tools(
    tools: Sequence[Tool], dropped: list[str], *, is_own: bool, traits: Collection[str] = ()
) -> list[dict[str, Any] | msgspec.Raw]:
    """The tools as the wire has them. `is_own` says that their extras are of this dialect."""
    wire: list[dict[str, Any] | msgspec.Raw] = []
    groups: dict[str, list[dict[str, Any]]] = {}
    for tool in tools:
        if isinstance(tool, HostedTool):
            if (hosted := _encode_hosted(tool, dropped, traits)) is not None:
                wire.append(hosted)
            continue
        if not is_own:
            dropped.extend(f"tools.{name}" for name in tool.extras)
        encoded = _encode_own(tool, dropped, is_own=is_own)
        if tool.namespace is None:
            wire.append(encoded)
            continue
        if tool.namespace not in groups:
            group = groups[tool.namespace] = []
            about = tool.namespace_description or ""
            wire.append(
                {
                    "type": "namespace",
                    "name": tool.namespace,
                    "description": about,
                    "tools": group,
                }
            )
        groups[tool.namespace].append(encoded)
    return wire


def _encode_own(tool: FunctionTool, dropped: list[str], *, is_own: bool) -> dict[str, Any]:
    wire: dict[str, Any] = {"type": tool.kind.value, "name": tool.name}
    if tool.description is not None:
        wire["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if tool.format is not None:
            wire["format"] = tool.format
    elif is_own:
        wire |= {"parameters": tool.parameters, "strict": tool.is_strict}
    else:
        # Without a word the API takes a function as strict, which no other dialect does.
        schema = tool.parameters or _NO_ARGUMENTS
        strict = tighten(schema) if tool.is_strict else None
        wire |= {"parameters": strict or schema, "strict": strict is not None}
        if tool.is_strict and strict is None:
            dropped.append("tools.strict")
    return wire | dict(tool.extras) if is_own else wire


def _encode_hosted(
    tool: HostedTool, dropped: list[str], traits: Collection[str]
) -> dict[str, Any] | msgspec.Raw | None:
    if tool.dialect == NAME and tool.raw is not None:
        return tool.raw
    if tool.kind is HostedKind.WEB_SEARCH:
        return encode_search(tool, dropped, traits)
    kind = _HOSTED_TYPES.get(tool.kind)
    if kind is None:
        dropped.append(f"tools.{tool.name}")
        return None
    wire: dict[str, Any] = {"type": kind}
    if tool.kind is HostedKind.CODE_EXECUTION:
        wire["container"] = {"type": "auto"}
    return wire


def decode_tool_choice(reader: Reader, field: str = "tool_choice") -> ToolChoice | None:
    """The choice among the tools; what of it only this dialect has stays in the request's extras.

    The field is taken from the reader only if the hub can say it whole.
    """
    shape = reader.shape(field)
    if shape in ("", "n"):
        reader.raw(field)
        return None
    if shape == '"':
        word = reader.text(field)
        if word not in ("auto", "none", "required"):
            raise wrong_field(field, f"is {word!r}; it may be 'auto', 'none' or 'required'.")
        return ToolChoice(ToolChoiceMode(word))
    raw = reader.fields.get(field)
    choice = reader.object(field)
    if choice is None:
        return None
    kind = choice.needed_text("type")
    name, namespace = choice.text("name"), choice.text("namespace")
    if kind in ("function", "custom"):
        if name is None:
            raise wrong_field(choice.name("name"), "is missing; it names the tool.")
        return ToolChoice(ToolChoiceMode.NAMED, name, namespace=namespace)
    if kind == "allowed_tools":
        return _decode_allowed(choice)
    if raw is not None:
        reader.fields[field] = raw
    return ToolChoice(ToolChoiceMode.NAMED, hosted=_HOSTED_KINDS.get(kind, HostedKind.OTHER))


def _decode_allowed(choice: Reader) -> ToolChoice:
    mode = choice.text("mode") or "auto"
    if mode not in ("auto", "required"):
        raise wrong_field(choice.name("mode"), f"is {mode!r}; it may be 'auto' or 'required'.")
    allowed = []
    for tool in choice.objects("tools"):
        name = tool.text("name") or tool.text("server_label") or tool.text("type")
        if name:
            allowed.append(name)
    return ToolChoice(ToolChoiceMode(mode), allowed=tuple(allowed))


def encode_tool_choice(
    choice: ToolChoice, tools: Sequence[Tool], traits: Collection[str] = ()
) -> str | dict[str, Any]:
    """The choice as the wire has it; `tools` tell which of the names are custom or hosted."""
    if choice.mode is ToolChoiceMode.NAMED:
        if choice.hosted is HostedKind.WEB_SEARCH and Trait.SEARCH_FILTERS in traits:
            return {"type": WEB_SEARCH}
        if choice.hosted is not None:
            return {"type": _HOSTED_CHOICES.get(choice.hosted, choice.hosted.value)}
        return _encode_choice(choice.name or "", tools) | (
            {} if choice.namespace is None else {"namespace": choice.namespace}
        )
    if choice.allowed:
        allowed = [_encode_choice(name, tools) for name in choice.allowed]
        return {"type": "allowed_tools", "mode": choice.mode.value, "tools": allowed}
    return choice.mode.value


# The choice has fewer words for the hosted tools than the tools themselves have.
_HOSTED_CHOICES = {
    HostedKind.WEB_SEARCH: "web_search_preview",
    HostedKind.CODE_EXECUTION: "code_interpreter",
    HostedKind.COMPUTER: "computer_use_preview",
}


def _encode_choice(name: str, tools: Sequence[Tool]) -> dict[str, Any]:
    for tool in tools:
        if tool.name != name:
            continue
        if isinstance(tool, HostedTool):
            return {"type": name}
        return {"type": tool.kind.value, "name": name}
    return {"type": "function", "name": name}
