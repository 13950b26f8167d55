"""Anthropic's Messages.

`tool_use` is the caller's to run; `server_tool_use` and `mcp_tool_use` were run by Anthropic, and
their results stand beside them. Tokens read from and written to the cache are not in
`input_tokens`. https://docs.anthropic.com/en/api/messages
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.recordings.neutral import Answer, Counts, Reading
from tests.recordings.oracle.json_values import read_arguments, read_count

FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "content_filter",
}
DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def read(body: Mapping[str, Any]) -> Answer:
    """A `message`: its blocks in their order."""
    reading = Reading()
    for block in body.get("content") or ():
        read_block(block, reading)
    reason = body.get("stop_reason") or ""
    return reading.answer(FINISHES.get(reason, reason), read_usage(body.get("usage")))


def read_block(block: Mapping[str, Any], reading: Reading) -> None:
    """One block. Results of Anthropic's tools say nothing to the caller."""
    kind = block["type"]
    if kind == "text":
        reading.add_text(block.get("text"))
        for citation in block.get("citations") or ():
            reading.add_citation(citation.get("url"), citation.get("title"))
    elif kind == "thinking":
        reading.add_reasoning(block.get("thinking"))
    elif kind == "tool_use":
        reading.add_call(block["name"], block.get("input") or {})
    elif kind in ("server_tool_use", "mcp_tool_use"):
        reading.server_tools.append(block["name"])
    elif kind == "web_search_tool_result" and isinstance(block.get("content"), list):
        for page in block["content"]:
            reading.add_citation(page.get("url"), page.get("title"), is_cited=False)


def read_usage(usage: Any) -> Counts | None:
    """Usage. https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching"""
    if not usage:
        return None
    read_tokens = read_count(usage, "cache_read_input_tokens")
    written = read_count(usage, "cache_creation_input_tokens")
    return Counts(
        input=read_count(usage, "input_tokens") + read_tokens + written,
        output=read_count(usage, "output_tokens"),
        cache_read=read_tokens,
        cache_write=written,
        reasoning=read_count(usage, "output_tokens_details", "thinking_tokens"),
    )


def fold(events: list[Any]) -> dict[str, Any]:
    """The message of a stream: each block's deltas joined, usage as it was said last."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = dict(event["message"])
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            fold_delta(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            message |= event["delta"]
            said = {name: value for name, value in event["usage"].items() if value is not None}
            message["usage"] = message.get("usage", {}) | said
    for block in blocks.values():
        if "partial_json" in block:
            block["input"] = read_arguments(block.pop("partial_json"))
    return message | {"content": [block for _, block in sorted(blocks.items())]}


def fold_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """One delta added to its block."""
    if delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    elif name := DELTAS.get(delta["type"]):
        block[name] = (block.get(name) or "") + delta[name]
