"""Tools of a caller in Gemini's dialect, and the choice among them.

Functions have their schema in `parametersJsonSchema`, or in Gemini's own type in `parameters`. All
other tools are run by Google, and are kept whole.

https://ai.google.dev/api/caching#Tool
"""

import msgspec

from nagara.dialects.base import NOTHING
from nagara.dialects.google_gemini.openapi import read_openapi
from nagara.dialects.google_gemini.wire import NAME, read, write
from nagara.dialects.json_fields import NULL, Fields
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    Tool,
    ToolChoice,
    ToolChoiceMode,
)


class FunctionWire(msgspec.Struct, rename="camel", gc=False):
    """One of `functionDeclarations`."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    parameters_json_schema: msgspec.Raw = NOTHING


class ChoiceWire(msgspec.Struct, rename="camel", gc=False):
    """`functionCallingConfig`."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfigWire(msgspec.Struct, rename="camel", gc=False):
    """`toolConfig`, as far as the hub has it."""

    function_calling_config: ChoiceWire | None = None


_KINDS = {
    "googleSearch": HostedKind.WEB_SEARCH,
    "googleSearchRetrieval": HostedKind.WEB_SEARCH,
    "enterpriseWebSearch": HostedKind.WEB_SEARCH,
    "urlContext": HostedKind.WEB_FETCH,
    "codeExecution": HostedKind.CODE_EXECUTION,
    "fileSearch": HostedKind.FILE_SEARCH,
    "computerUse": HostedKind.COMPUTER,
    "mcpServers": HostedKind.MCP,
}
_PLAIN = frozenset({"googleSearch", "urlContext", "codeExecution"})
_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "parametersJsonSchema"})

_tools_decoder = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_functions_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_function_decoder = msgspec.json.Decoder(FunctionWire)
_fields_decoder = msgspec.json.Decoder(Fields)


def read_tools(raw: msgspec.Raw) -> tuple[Tool, ...]:
    """The tools. Raises `msgspec.DecodeError` for a wrong one."""
    tools: list[Tool] = []
    # As everywhere in JSON of protocol buffers, one may stand where a list is meant.
    groups = [read(raw, _fields_decoder)] if bytes(raw)[:1] == b"{" else read(raw, _tools_decoder)
    for group in groups:
        for name, value in group.items():
            if value == NULL:
                continue
            if name == "functionDeclarations":
                declared = read(value, _functions_decoder)
                tools += [_read_function(one) for one in declared]
            else:
                tools.append(_read_hosted(name, value))
    return tuple(tools)


def _read_function(raw: msgspec.Raw) -> FunctionTool:
    said = read(raw, _function_decoder)
    schema: msgspec.Raw | None = None
    if said.parameters_json_schema and said.parameters_json_schema != NULL:
        schema = msgspec.Raw(said.parameters_json_schema)
    elif said.parameters and said.parameters != NULL:
        schema = read_openapi(said.parameters)
    fields = read(raw, _fields_decoder)
    return FunctionTool(
        name=said.name,
        description=said.description,
        parameters=schema,
        extras={name: value for name, value in fields.items() if name not in _FUNCTION_FIELDS},
    )


def _read_hosted(name: str, value: msgspec.Raw) -> HostedTool:
    kind = _KINDS.get(name, HostedKind.OTHER)
    return HostedTool(
        kind=kind,
        name=kind.value if name in _PLAIN else name,
        dialect=NAME,
        raw=msgspec.Raw(write({name: value})),
    )


def read_choice(config: ToolConfigWire) -> ToolChoice | None:
    """How free the model is to call; None where nothing is said of it."""
    said = config.function_calling_config
    if said is None:
        return None
    names = tuple(said.allowed_function_names or ())
    match (said.mode or "AUTO").upper():
        case "NONE":
            return ToolChoice(ToolChoiceMode.NONE)
        case "ANY" if len(names) == 1:
            return ToolChoice(ToolChoiceMode.NAMED, name=names[0])
        case "ANY":
            return ToolChoice(ToolChoiceMode.REQUIRED, allowed=names)
    # VALIDATED may answer in words too, so it is AUTO to all others.
    return ToolChoice(ToolChoiceMode.AUTO, allowed=names)
