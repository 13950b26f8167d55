"""Blocks of tools that the provider runs itself: what they are called, and what came of them.

A hosted call and its result stay raw for replay to who made them; beside that, what other dialects
can show is read from them: the pages of a search, the output of code. None of these is ever a call
for the caller to run.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.wire import NAME
from nagara.domain.messages import HostedCall, HostedKind, HostedResult, Source

CALL_TYPES = frozenset({"server_tool_use", "mcp_tool_use"})

# By the name of the call; the blocks of results are called `<name>_tool_result`.
_KINDS: Mapping[str, HostedKind] = {
    "web_search": HostedKind.WEB_SEARCH,
    "web_fetch": HostedKind.WEB_FETCH,
    "code_execution": HostedKind.CODE_EXECUTION,
    "bash_code_execution": HostedKind.CODE_EXECUTION,
    "text_editor_code_execution": HostedKind.CODE_EXECUTION,
    "tool_search_tool_regex": HostedKind.TOOL_SEARCH,
    "tool_search_tool_bm25": HostedKind.TOOL_SEARCH,
    "tool_search": HostedKind.TOOL_SEARCH,
    "advisor": HostedKind.ADVISOR,
    "mcp": HostedKind.MCP,
}
RESULT_SUFFIX = "_tool_result"

OUTPUT_LENGTH_MAX = 1_000_000

# What code printed, a file that was viewed, a text; or why there is none of these.
_OUTPUTS = ("stdout", "stderr", "text", "content", "error_code", "error_message")


class _Call(msgspec.Struct, gc=False):
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Result(msgspec.Struct, gc=False):
    tool_use_id: str = ""
    is_error: bool | None = None
    content: Any = None


_call_decoder = msgspec.json.Decoder(_Call)
_result_decoder = msgspec.json.Decoder(_Result)


def is_result_type(block_type: str) -> bool:
    """Whether a block of this type is what came of a hosted call."""
    return block_type.endswith(RESULT_SUFFIX)


def decode_hosted_call(raw: msgspec.Raw, block_type: str) -> HostedCall:
    """A `server_tool_use` or `mcp_tool_use`. Raises `msgspec.ValidationError`."""
    wire = _call_decoder.decode(raw)
    is_mcp = block_type == "mcp_tool_use"
    return HostedCall(
        id=wire.id,
        kind=HostedKind.MCP if is_mcp else _KINDS.get(wire.name, HostedKind.OTHER),
        name=wire.name,
        arguments=bytes(wire.input).decode(),
        dialect=NAME,
        raw=raw.copy(),
    )


def decode_hosted_result(raw: msgspec.Raw, block_type: str) -> HostedResult:
    """A `…_tool_result` of a hosted call. Raises `msgspec.ValidationError`."""
    wire = _result_decoder.decode(raw)
    name = block_type.removesuffix(RESULT_SUFFIX)
    content = wire.content
    return HostedResult(
        call_id=wire.tool_use_id,
        kind=_KINDS.get(name, HostedKind.OTHER),
        name=name,
        sources=tuple(_read_sources(content)),
        output=_read_output(content),
        is_error=bool(wire.is_error) or _is_error(content),
        dialect=NAME,
        raw=raw.copy(),
    )


def _items(content: Any) -> list[dict[str, Any]]:
    # Searches give a list, all other tools one object, and an error is an object for all of them.
    found = content if isinstance(content, list) else [content]
    return [item for item in found if isinstance(item, dict)]


def _read_sources(content: Any) -> list[Source]:
    """The pages of a search, or the one that was fetched."""
    pages = [item for item in _items(content) if isinstance(item.get("url"), str)]
    return [
        Source(page["url"], title if isinstance(title := page.get("title"), str) else None)
        for page in pages
    ]


def _read_output(content: Any) -> str | None:
    """What code printed, or the text that a tool gave."""
    pieces = [
        item[name]
        for item in _items(content)
        for name in _OUTPUTS
        if isinstance(item.get(name), str) and item[name]
    ]
    lines = [line for item in _items(content) for line in _read_lines(item)]
    return "\n".join([*pieces, *lines])[:OUTPUT_LENGTH_MAX] if pieces or lines else None


def _read_lines(item: Mapping[str, Any]) -> list[str]:
    """The lines that an edit changed."""
    lines = item.get("lines")
    return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []


def _is_error(content: Any) -> bool:
    return any(
        str(item.get("type", "")).endswith("_error") or bool(item.get("return_code"))
        for item in _items(content)
    )
