"""`tools` and `tool_choice` of a request.

A tool with a schema is the caller's, and so are the versioned ones that `client_tools` knows. All
others are Anthropic's to run, and are kept raw; of a web search the settings are read that other
providers have too. A set of tools that the caller runs and whose schema is nowhere to be had can
only be given to Anthropic, and is refused by name rather than left out.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview
"""

from collections.abc import Sequence

import msgspec

from nagara.dialects.anthropic_messages.client_tools import find_client_tool
from nagara.dialects.anthropic_messages.wire import (
    NAME,
    CacheControl,
    Reader,
    blame_caller,
    read_type,
    read_value,
)
from nagara.dialects.json_fields import encode_raw
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    Tool,
    ToolChoice,
    ToolChoiceMode,
)

_KINDS = {
    "web_search_": HostedKind.WEB_SEARCH,
    "web_fetch_": HostedKind.WEB_FETCH,
    "code_execution_": HostedKind.CODE_EXECUTION,
    "tool_search_tool_": HostedKind.TOOL_SEARCH,
    "advisor_": HostedKind.ADVISOR,
    "mcp_toolset": HostedKind.MCP,
}
_MODES = {
    "auto": ToolChoiceMode.AUTO,
    "any": ToolChoiceMode.REQUIRED,
    "tool": ToolChoiceMode.NAMED,
    "none": ToolChoiceMode.NONE,
}


class _Function(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    description: str | None = None
    input_schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    type: str | None = None


class _Location(msgspec.Struct, gc=False):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _Hosted(msgspec.Struct, gc=False):
    name: str = ""
    mcp_server_name: str = ""
    allowed_domains: tuple[str, ...] | None = None
    blocked_domains: tuple[str, ...] | None = None
    max_uses: int | None = None
    user_location: _Location | None = None
    cache_control: CacheControl | None = None


class _Choice(msgspec.Struct, gc=False):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_function_reader = Reader(_Function)
_tools_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_hosted_decoder = msgspec.json.Decoder(_Hosted)
_choice_decoder = msgspec.json.Decoder(_Choice)


def decode_tools(raw: msgspec.Raw) -> tuple[Tool, ...]:
    """The tools. Raises `GatewayError` that names the wrong field."""
    items = read_value(_tools_decoder, raw, "tools", blame_caller)
    return tuple(_decode_tool(item, f"tools[{index}]") for index, item in enumerate(items))


def decode_tool_choice(raw: msgspec.Raw, tools: Sequence[Tool]) -> tuple[ToolChoice, bool | None]:
    """The choice, and whether several calls at once are allowed, if it says so."""
    wire = read_value(_choice_decoder, raw, "tool_choice", blame_caller)
    mode = _MODES.get(wire.type)
    if mode is None:
        what = f"must be auto, any, tool or none, not {wire.type!r}"
        raise blame_caller("tool_choice.type", what)
    if mode is ToolChoiceMode.NAMED and not wire.name:
        raise blame_caller("tool_choice.name", "is missing: it names the tool to call")
    name = wire.name if mode is ToolChoiceMode.NAMED else None
    hosted = next((t.kind for t in tools if isinstance(t, HostedTool) and t.name == name), None)
    is_parallel = wire.disable_parallel_tool_use
    return ToolChoice(mode, name, hosted=hosted), None if is_parallel is None else not is_parallel


def _decode_tool(raw: msgspec.Raw, path: str) -> Tool:
    tool_type = read_type(raw, path, blame_caller)
    if tool_type in ("", "custom"):
        return _decode_function(raw, path)
    if find_client_tool(tool_type) is not None:
        return _decode_client_tool(raw, tool_type, path)
    if "toolset" in tool_type and tool_type != "mcp_toolset":
        raise GatewayError(
            ErrorKind.UNSUPPORTED,
            f"Tools of the type {tool_type!r} are known to Anthropic's own API alone. "
            f"Take {path!r} out, or choose a model that is served there.",
            param=path,
        )
    return _decode_hosted(raw, tool_type, path)


def _decode_function(raw: msgspec.Raw, path: str) -> FunctionTool:
    wire, extras = _function_reader.read(raw, path, blame_caller)
    schema = None if wire.input_schema is None else encode_raw(wire.input_schema)
    return FunctionTool(
        name=wire.name,
        description=wire.description,
        parameters=schema,
        is_strict=wire.strict,
        cache=wire.cache_control and wire.cache_control.to_mark(),
        extras=extras,
    )


def _decode_client_tool(raw: msgspec.Raw, tool_type: str, path: str) -> FunctionTool:
    """`type` among the extras marks it, and brings it back as it was."""
    wire, extras = _function_reader.read(raw, path, blame_caller)
    known = find_client_tool(tool_type)
    assert known is not None
    return FunctionTool(
        name=wire.name,
        description=known.description,
        parameters=known.parameters,
        is_strict=wire.strict,
        cache=wire.cache_control and wire.cache_control.to_mark(),
        extras={**extras, "type": encode_raw(tool_type)},
    )


def _decode_hosted(raw: msgspec.Raw, tool_type: str, path: str) -> HostedTool:
    wire = read_value(_hosted_decoder, raw, path, blame_caller)
    found = (kind for prefix, kind in _KINDS.items() if tool_type.startswith(prefix))
    place = wire.user_location
    location = {} if place is None else msgspec.structs.asdict(place)
    return HostedTool(
        kind=next(found, HostedKind.OTHER),
        name=wire.name or wire.mcp_server_name or tool_type,
        dialect=NAME,
        raw=raw.copy(),
        allowed_domains=wire.allowed_domains or (),
        blocked_domains=wire.blocked_domains or (),
        uses_max=wire.max_uses,
        location={name: value for name, value in location.items() if value},
        cache=wire.cache_control and wire.cache_control.to_mark(),
    )
