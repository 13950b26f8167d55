"""Amazon Bedrock's Converse.

A `toolUse` is the caller's to run unless its `type` is `server_tool_use`. Cached tokens are not in
`inputTokens`. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
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
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def read(body: Mapping[str, Any]) -> Answer:
    """A Converse answer: its message's blocks in their order."""
    reading = Reading()
    for block in body["output"]["message"].get("content") or ():
        read_block(block, reading)
    reason = body.get("stopReason") or ""
    return reading.answer(FINISHES.get(reason, reason), read_usage(body.get("usage")))


def read_block(block: Mapping[str, Any], reading: Reading) -> None:
    """One block, which is known by its one name."""
    if call := block.get("toolUse"):
        if call.get("type") == "server_tool_use":
            reading.server_tools.append(call["name"])
        else:
            reading.add_call(call["name"], call.get("input") or {})
    elif reasoning := block.get("reasoningContent"):
        reading.add_reasoning((reasoning.get("reasoningText") or {}).get("text"))
    elif cited := block.get("citationsContent"):
        reading.add_text("".join(part.get("text", "") for part in cited.get("content") or ()))
        for citation in cited.get("citations") or ():
            page = (citation.get("location") or {}).get("web") or {}
            reading.add_citation(page.get("url"), citation.get("title"))
    else:
        reading.add_text(block.get("text"))


def read_usage(usage: Any) -> Counts | None:
    """Usage; the total is the sum of all four."""
    if not usage:
        return None
    cache_read = read_count(usage, "cacheReadInputTokens")
    cache_write = read_count(usage, "cacheWriteInputTokens")
    return Counts(
        input=read_count(usage, "inputTokens") + cache_read + cache_write,
        output=read_count(usage, "outputTokens"),
        cache_read=cache_read,
        cache_write=cache_write,
    )


def fold(events: list[Any]) -> dict[str, Any]:
    """The answer of a ConverseStream's events."""
    blocks: dict[int, dict[str, Any]] = {}
    body: dict[str, Any] = {}
    for event in events:
        ((kind, payload),) = event.items()
        if kind == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = {
                name: dict(value) for name, value in payload["start"].items()
            }
        elif kind == "contentBlockDelta":
            fold_delta(blocks.setdefault(payload["contentBlockIndex"], {}), payload["delta"])
        elif kind == "messageStop":
            body["stopReason"] = payload["stopReason"]
        elif kind == "metadata":
            body["usage"] = payload.get("usage")
    content = [close_block(block) for _, block in sorted(blocks.items())]
    return body | {"output": {"message": {"content": content}}}


def fold_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """One delta added to its block."""
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        call = block.setdefault("toolUse", {})
        call["input"] = call.get("input", "") + delta["toolUse"].get("input", "")
    elif "reasoningContent" in delta:
        text = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
        text["reasoningText"]["text"] += delta["reasoningContent"].get("text") or ""


def close_block(block: dict[str, Any]) -> dict[str, Any]:
    """A whole block: the pieces of a call's input are JSON now."""
    if "toolUse" in block:
        call = block["toolUse"]
        call["input"] = read_arguments(call.get("input"))
    return block
