"""Tools and the choice among them in Chat Completions requests, both ways.

Sources: https://platform.openai.com/docs/guides/function-calling
https://openrouter.ai/docs/features/web-search
"""

from collections.abc import Iterable

import msgspec

from nagara.dialects.codec import Target, cannot_carry
from nagara.dialects.json_fields import NULL
from nagara.dialects.openai_chat.caller_shapes import LEGACY_MARK
from nagara.dialects.openai_chat.hosted import KINDS, NAME
from nagara.dialects.openai_chat.part_decoder import decode_cache, read_extras
from nagara.dialects.openai_chat.request_wire import (
    AllowedToolWire,
    FunctionToolWire,
    NamedWire,
    ToolChoiceWire,
    ToolWire,
    decode_at,
    wrong_value,
)
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.messages import (
    NO_EXTRAS,
    CacheMark,
    Extras,
    FunctionTool,
    HostedKind,
    HostedTool,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
)

SEARCH_OPTIONS = "web_search_options"
"""The field that switches web search on; an empty object is enough."""


class _LocationWire(msgspec.Struct, gc=False):
    """`user_location`, whose fields OpenAI puts in `approximate` and OpenRouter beside the type."""

    approximate: dict[str, str] | None = None
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _SearchWire(msgspec.Struct, gc=False):
    """What a web search may be told, here and in OpenRouter's tool."""

    user_location: _LocationWire | None = None
    allowed_domains: tuple[str, ...] = ()
    excluded_domains: tuple[str, ...] = ()
    max_uses: int | None = None


class _HostedWire(msgspec.Struct, gc=False):
    parameters: _SearchWire | None = None


_tool_decoder = msgspec.json.Decoder(ToolWire)
_search_decoder = msgspec.json.Decoder(_SearchWire)
_hosted_decoder = msgspec.json.Decoder(_HostedWire)
_TOOL_FIELDS = frozenset(ToolWire.__struct_fields__)
_LOCATION_FIELDS = ("city", "country", "region", "timezone")


def decode_tools(raws: list[msgspec.Raw]) -> list[Tool]:
    """The tools of `tools`. Raises `GatewayError` that names the wrong field."""
    return [_decode_tool(raw, f"tools[{index}]") for index, raw in enumerate(raws)]


def decode_legacy_tools(functions: list[FunctionToolWire]) -> list[Tool]:
    """The tools of the deprecated `functions`, marked so that their calls are told likewise."""
    marked = {LEGACY_MARK: msgspec.Raw(b"true")}
    return [_shape_function(function, None, marked) for function in functions]


def decode_search_options(raw: msgspec.Raw) -> HostedTool:
    """The web search that `web_search_options` asks for."""
    said = decode_at(raw, _search_decoder, SEARCH_OPTIONS)
    return _shape_search(said, SEARCH_OPTIONS, raw)


def _decode_tool(raw: msgspec.Raw, path: str) -> Tool:
    said = decode_at(raw, _tool_decoder, path)
    if said.type == "custom" and said.custom is not None:
        custom = said.custom
        return FunctionTool(
            name=custom.name,
            description=custom.description,
            kind=ToolKind.CUSTOM,
            format=_present(custom.format),
        )
    if said.type in ("function", "custom"):
        if said.function is None or said.type == "custom":
            raise wrong_value(f"{path}.{said.type}", "a tool of this type must have it.")
        extras = read_extras(raw, _TOOL_FIELDS)
        return _shape_function(said.function, decode_cache(said.cache_control), extras)
    kind = KINDS.get(said.type, HostedKind.OTHER)
    if kind is HostedKind.WEB_SEARCH:
        parameters = decode_at(raw, _hosted_decoder, path).parameters
        return _shape_search(parameters or _SearchWire(), said.type, raw)
    return HostedTool(kind=kind, name=said.type, dialect=NAME, raw=raw.copy())


def _shape_function(
    function: FunctionToolWire, cache: CacheMark | None, extras: Extras
) -> FunctionTool:
    return FunctionTool(
        name=function.name,
        description=function.description,
        parameters=_present(function.parameters),
        is_strict=function.strict,
        cache=cache,
        extras=extras or NO_EXTRAS,
    )


def _present(raw: msgspec.Raw) -> msgspec.Raw | None:
    return raw.copy() if raw and raw != NULL else None


def _shape_search(said: _SearchWire, name: str, raw: msgspec.Raw) -> HostedTool:
    place = said.user_location
    location: dict[str, str] = {}
    if place is not None:
        beside = {field: getattr(place, field) for field in _LOCATION_FIELDS}
        location = {field: value for field, value in beside.items() if value}
        location |= place.approximate or {}
    return HostedTool(
        kind=HostedKind.WEB_SEARCH,
        name=name,
        dialect=NAME,
        raw=raw.copy(),
        allowed_domains=said.allowed_domains,
        blocked_domains=said.excluded_domains,
        uses_max=said.max_uses,
        location=location,
    )


# The choice among them.

_MODES = {
    "auto": ToolChoiceMode.AUTO,
    "none": ToolChoiceMode.NONE,
    "required": ToolChoiceMode.REQUIRED,
    # Mistral's older word.
    "any": ToolChoiceMode.REQUIRED,
}


def decode_choice(said: ToolChoiceWire | str) -> ToolChoice:
    """The choice of `tool_choice`. Raises `GatewayError` for a word that nobody knows."""
    if isinstance(said, str):
        mode = _MODES.get(said)
        if mode is None:
            what = f"unknown choice {said!r}. It is 'auto', 'none', 'required', or names a tool."
            raise wrong_value("tool_choice", what)
        return ToolChoice(mode)
    if said.allowed_tools is not None:
        allowed = said.allowed_tools
        mode = ToolChoiceMode.REQUIRED if allowed.mode == "required" else ToolChoiceMode.AUTO
        return ToolChoice(mode, allowed=tuple(map(_read_allowed, allowed.tools)))
    chosen = said.function or said.custom
    if chosen is None:
        raise wrong_value("tool_choice", "must name a tool as `function.name`.")
    return ToolChoice(ToolChoiceMode.NAMED, name=chosen.name)


def _read_allowed(tool: AllowedToolWire) -> str:
    """Its name, which the Responses API puts beside the type."""
    named = tool.function or tool.custom
    return (named.name if named is not None else tool.name) or ""


def decode_legacy_choice(said: NamedWire | str) -> ToolChoice:
    """The choice of the deprecated `function_call`."""
    if isinstance(said, str):
        return decode_choice(said)
    return ToolChoice(ToolChoiceMode.NAMED, name=said.name)


def encode_choice(choice: ToolChoice, tools: Iterable[Tool], target: Target) -> object:
    """`tool_choice`. Raises `GatewayError` for a choice that has no words here."""
    kinds = {tool.name: tool.kind for tool in tools if isinstance(tool, FunctionTool)}
    if choice.mode is ToolChoiceMode.NAMED:
        if choice.name is None:
            raise cannot_carry("the choice of a tool that it runs itself", "tool_choice", target)
        return _name_tool(choice.name, kinds)
    if choice.allowed:
        allowed = [_name_tool(name, kinds) for name in choice.allowed]
        mode = "required" if choice.mode is ToolChoiceMode.REQUIRED else "auto"
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
    return str(choice.mode)


def _name_tool(name: str, kinds: dict[str, ToolKind]) -> dict[str, object]:
    kind = str(kinds.get(name, ToolKind.FUNCTION))
    return {"type": kind, kind: {"name": name}}


def encode_function(tool: FunctionTool) -> dict[str, object]:
    """`function` of a tool."""
    function: dict[str, object] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.is_strict is not None:
        function["strict"] = tool.is_strict
    return function


def encode_custom(tool: FunctionTool) -> dict[str, object]:
    """A tool that takes free text."""
    custom: dict[str, object] = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None:
        custom["format"] = tool.format
    return {"type": "custom", "custom": custom}


def encode_search(tool: HostedTool, target: Target) -> tuple[str, object, list[str]]:
    """The field that a web search goes in, its value, and what of it has no place there.

    The field is `tools`, whose value is one more tool, or `web_search_options`.
    """
    if tool.dialect == NAME and tool.raw is not None:
        is_option = tool.name == SEARCH_OPTIONS
        if is_option or Trait.SERVER_TOOLS in target.traits:
            return SEARCH_OPTIONS if is_option else "tools", tool.raw, []
    if Trait.SERVER_TOOLS in target.traits:
        parameters: dict[str, object] = {
            "user_location": {"type": "approximate", **tool.location} if tool.location else None,
            "allowed_domains": tool.allowed_domains or None,
            "excluded_domains": tool.blocked_domains or None,
            "max_uses": tool.uses_max,
        }
        said = {name: value for name, value in parameters.items() if value is not None}
        return "tools", {"type": "openrouter:web_search", "parameters": said}, []
    place = {"type": "approximate", "approximate": tool.location}
    lost = {
        "allowed_domains": tool.allowed_domains,
        "blocked_domains": tool.blocked_domains,
        "max_uses": tool.uses_max,
    }
    options = {"user_location": place} if tool.location else {}
    return SEARCH_OPTIONS, options, [name for name, value in lost.items() if value]
