"""Hosted tools of other providers, shown to a Messages caller in Anthropic's own kinds of block.

A search looks like Anthropic's search, code like its code execution. The blocks are for reading
only: the part itself is hidden beside them, and their ids say that they are not to be read back.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool
"""

from typing import Any

from nagara.dialects.anthropic_messages.block_encoder import read_arguments
from nagara.dialects.anthropic_messages.hidden import SHOWN_PREFIX
from nagara.domain.messages import HostedCall, HostedKind, HostedResult

_NAMES = {
    HostedKind.WEB_SEARCH: "web_search",
    HostedKind.CODE_EXECUTION: "code_execution",
}


def show_call(part: HostedCall) -> dict[str, Any] | None:
    """A `server_tool_use`; None for a kind that Anthropic does not have."""
    name = _NAMES.get(part.kind)
    if name is None:
        return None
    return {
        "type": "server_tool_use",
        "id": SHOWN_PREFIX + part.id,
        "name": name,
        "input": read_arguments(part.arguments),
    }


def show_result(part: HostedResult) -> dict[str, Any] | None:
    """The result block; None for a kind that Anthropic does not have."""
    name = _NAMES.get(part.kind)
    if name is None:
        return None
    return {
        "type": f"{name}_tool_result",
        "tool_use_id": SHOWN_PREFIX + part.call_id,
        "content": _show_code(part) if name == "code_execution" else _show_search(part),
    }


def _show_code(part: HostedResult) -> dict[str, Any]:
    output = part.output or ""
    return {
        "type": "code_execution_result",
        "stdout": "" if part.is_error else output,
        "stderr": output if part.is_error else "",
        "return_code": int(part.is_error),
        "content": [],
    }


def _show_search(part: HostedResult) -> Any:
    if part.is_error:
        return {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    return [
        {
            "type": "web_search_result",
            "url": source.url,
            "title": source.title or "",
            "encrypted_content": "",
            "page_age": None,
        }
        for source in part.sources
    ]
