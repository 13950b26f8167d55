"""Whatever a provider may answer by its own published types reaches callers of every dialect.

Between two texts stands one thing of every kind. Nothing of it is lost in silence, nothing but a
call for the caller comes out as one, the text around it stays in order, and a streamed answer says
the same as a whole one.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.golden.cases import open_lane
from tests.golden.clients import FIRST_REQUESTS
from tests.properties.published_types import list_blocks, list_converse_blocks, list_items

from nagara.dialects.translation import Translated
from nagara.domain.errors import GatewayError
from nagara.operations.lanes import Bounds

BOUNDS = Bounds(event_bytes_max=1 << 20, response_bytes_max=1 << 20)
BEFORE, AFTER = "Before it. ", "After it."
CALLS = frozenset({"function_call", "custom_tool_call", "tool_use", "toolUse"})
SILENT = frozenset({"text", "message", "thinking", "redacted_thinking", "reasoning"})
"""What every dialect has a place for."""


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def write_events(events: list[dict[str, Any]]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), compact(event)) for event in events
    )


def say_responses(item: dict[str, Any]) -> tuple[bytes, bytes]:
    texts = [
        {
            "type": "message", "id": f"msg_{text}", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
        for text in (BEFORE, AFTER)
    ]  # fmt: skip
    output = [texts[0], item, texts[1]]
    answer: dict[str, Any] = {
        "id": "resp_1", "object": "response", "status": "completed", "output": output,
        "usage": {"input_tokens": 8, "output_tokens": 4, "total_tokens": 12},
    }  # fmt: skip
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": answer | {"output": []}}
    ]
    for index, each in enumerate(output):
        for step in ("added", "done"):
            kind = f"response.output_item.{step}"
            events.append({"type": kind, "output_index": index, "item": each})
    events.append({"type": "response.completed", "response": answer})
    return compact(answer), write_events(events)


def say_messages(block: dict[str, Any]) -> tuple[bytes, bytes]:
    content = [{"type": "text", "text": BEFORE}, block, {"type": "text", "text": AFTER}]
    reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    usage = {"input_tokens": 8, "output_tokens": 4}
    answer = {"id": "msg_1", "type": "message", "content": content, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": answer | {"content": []}}]
    for index, each in enumerate(content):
        begun, deltas = begin_block(each)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += ({"type": "content_block_delta", "index": index, "delta": d} for d in deltas)
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage})
    events.append({"type": "message_stop"})
    return compact(answer | {"stop_reason": reason}), write_events(events)


def begin_block(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as a stream begins it, and the deltas that it grows by."""
    match block["type"]:
        case "text":
            citations = block.get("citations") or ()
            deltas = [{"type": "text_delta", "text": block["text"]}]
            deltas += [{"type": "citations_delta", "citation": each} for each in citations]
            return {"type": "text", "text": ""}, deltas
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}, [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            said = compact(block["input"]).decode()
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": said}]
    return block, []


def say_converse(block: dict[str, Any]) -> tuple[bytes, bytes | None]:
    content = [{"text": BEFORE}, block, {"text": AFTER}]
    usage = {"inputTokens": 8, "outputTokens": 4, "totalTokens": 12}
    answer = {"output": {"message": {"role": "assistant", "content": content}}, "usage": usage}
    return compact(answer | {"stopReason": "end_turn"}), None


SAY = {
    "openai_responses": (say_responses, list_items),
    "anthropic_messages": (say_messages, list_blocks),
    "bedrock_converse": (say_converse, list_converse_blocks),
}


def list_cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for upstream, (_, listed) in SAY.items():
        for thing in listed():
            kind = thing.get("type") or next(iter(thing))
            for caller in FIRST_REQUESTS:
                if caller != upstream:
                    yield pytest.param(upstream, caller, thing, id=f"{upstream}-{kind}-{caller}")  # type: ignore[misc]


def read_text(caller: str, told: Any) -> str:
    """All that the caller reads as text."""
    match caller:
        case "openai_chat":
            return str(told["choices"][0]["message"]["content"])
        case "google_gemini":
            parts = told["candidates"][0]["content"]["parts"]
            return "".join(part.get("text", "") for part in parts if not part.get("thought"))
        case "anthropic_messages":
            return "".join(block.get("text", "") for block in told["content"])
    items = (item for item in told["output"] if item["type"] == "message")
    return "".join(part.get("text", "") for item in items for part in item["content"])


def count_calls(caller: str, told: Any) -> int:
    """The calls that the caller is to run."""
    match caller:
        case "openai_chat":
            return len(told["choices"][0]["message"].get("tool_calls") or ())
        case "google_gemini":
            parts = told["candidates"][0]["content"]["parts"]
            return sum("functionCall" in part for part in parts)
        case "anthropic_messages":
            return sum(block["type"] == "tool_use" for block in told["content"])
    return sum(item["type"] in CALLS for item in told["output"])


def ask(upstream: str, caller: str, answer: bytes, *, is_event_stream: bool) -> Translated:
    asked = compact(FIRST_REQUESTS[caller](is_streamed=False))
    lane = open_lane(caller, upstream, asked, "any", is_streamed=False)
    return lane.read_whole(answer, BOUNDS, is_event_stream=is_event_stream)


@pytest.mark.parametrize(("upstream", "caller", "thing"), tuple(list_cases()))
def test_thing_of_every_published_kind_is_carried_or_named(
    upstream: str, caller: str, thing: dict[str, Any]
) -> None:
    kind = thing.get("type") or next(iter(thing))
    whole, stream = SAY[upstream][0](thing)
    answer = ask(upstream, caller, whole, is_event_stream=False)
    told = json.loads(answer.body)
    text = read_text(caller, told)
    assert text.startswith(BEFORE)
    assert text.endswith(AFTER)
    is_call = kind in CALLS and thing.get(kind, {}).get("type") != "server_tool_use"
    assert count_calls(caller, told) == int(is_call)
    plain = json.loads(ask(upstream, caller, SAY_NOTHING[upstream], is_event_stream=False).body)
    is_carried = without_ids(told) != without_ids(plain)
    assert is_carried or answer.dropped or kind in SILENT
    if stream is not None:
        folded = ask(upstream, caller, stream, is_event_stream=True)
        assert json.loads(folded.body) == told
        assert folded.dropped == answer.dropped


SAY_NOTHING = {
    "openai_responses": say_responses({"type": "reasoning", "id": "rs_1", "summary": []})[0],
    "anthropic_messages": say_messages({"type": "text", "text": ""})[0],
    "bedrock_converse": say_converse({"text": ""})[0],
}
"""The same answer without the thing."""


def without_ids(told: Any) -> Any:
    """An answer for comparing what is in it."""
    if isinstance(told, dict):
        return {name: without_ids(value) for name, value in told.items() if name != "id"}
    return [without_ids(value) for value in told] if isinstance(told, list) else told


def test_failure_is_never_an_answer() -> None:
    failed = compact({"status": "failed", "output": [], "error": {"message": "no"}})
    with pytest.raises(GatewayError):
        ask("openai_responses", "openai_chat", failed, is_event_stream=False)
