"""Anthropic's Messages, as strict as the real one with thinking and tools.

https://docs.anthropic.com/en/api/messages
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.providers.rules import (
    TOOL_NAME,
    check,
    check_fields,
    check_object_schema,
    words,
)
from tests.system.providers.script import Asked, Step
from tests.system.providers.server import event, halves

REQUEST_FIELDS = words(
    "model messages max_tokens system tools tool_choice metadata stop_sequences stream "
    "temperature top_k top_p thinking service_tier container context_management mcp_servers "
    "output_config output_format inference_geo speed cache_control"
)
BLOCK_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "citations", "cache_control"}),
    "image": frozenset({"type", "source", "cache_control"}),
    "document": frozenset({"type", "source", "title", "context", "citations", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "cache_control"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
}
THINKING = ("thinking", "redacted_thinking")
USER_BLOCKS = frozenset({"text", "image", "document", "tool_result"})
ASSISTANT_BLOCKS = frozenset({"text", "tool_use", *THINKING})
CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_FIELDS = words(
    "type name description input_schema cache_control strict input_examples "
    "eager_input_streaming defer_loading allowed_callers"
)
SEARCH = "web_search_20250305"
SEARCH_FIELDS = words(
    "type name max_uses allowed_domains blocked_domains user_location cache_control defer_loading"
)
BUDGET_MIN = 1024


class PlayedMessages:
    """It remembers what it signed, so that it knows what came back changed."""

    credential_header = "x-api-key"

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._thoughts: dict[str, str] = {}
        self._redacted: set[str] = set()
        self._signed_calls: dict[str, list[dict[str, Any]]] = {}

    def read(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """Checks the whole request."""
        check(path.partition("?")[0] == "/v1/messages", f"no such path: {path}")
        check(headers.get("anthropic-version"), "anthropic-version: header is required")
        check_fields(body, "body", REQUEST_FIELDS, ("model", "messages", "max_tokens"))
        thinks = self._check_thinking(body)
        tools = self._check_tools(body.get("tools", []))
        self._check_choice(body, thinks)
        if isinstance(body.get("system"), list):
            for index, block in enumerate(body["system"]):
                self._check_block(block, f"system.{index}", frozenset({"text"}))
        results = self._check_messages(body["messages"], thinks)
        return Asked(tools, results, bool(body.get("stream")), thinks)

    def _check_thinking(self, body: dict[str, Any]) -> bool:
        thinking = body.get("thinking", {"type": "disabled"})
        check_fields(thinking, "thinking", {"type", "budget_tokens", "display"}, ("type",))
        kind = thinking["type"]
        check(kind in ("enabled", "adaptive", "disabled"), f"thinking.type: {kind!r}")
        check((kind == "enabled") == ("budget_tokens" in thinking), f"thinking: {thinking}")
        if kind == "enabled":
            budget = thinking["budget_tokens"]
            check(budget >= BUDGET_MIN, "thinking.budget_tokens: at least 1024")
            check(budget < body["max_tokens"], "`max_tokens` must be greater than the budget")
        if kind != "disabled":
            check(body.get("temperature", 1) == 1, "`temperature` may only be set to 1")
            check("top_k" not in body, "`top_k` must be unset when thinking is enabled")
        if "output_config" in body:
            known = {"effort", "format", "task_budget"}
            check_fields(body["output_config"], "output_config", known)
        return bool(kind != "disabled")

    def _check_tools(self, tools: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, tool in enumerate(tools):
            where = f"tools.{index}"
            if tool.get("type") == SEARCH:
                check_fields(tool, where, SEARCH_FIELDS)
                check(tool.get("name") == "web_search", f"{where}.name: {tool.get('name')!r}")
                continue
            check_fields(tool, where, TOOL_FIELDS, ("name", "input_schema"))
            check(tool.get("type", "custom") == "custom", f"{where}.type: {tool.get('type')!r}")
            check(TOOL_NAME.fullmatch(tool["name"]), f"{where}.name: {tool['name']!r}")
            check(tool["name"] not in found, "tools: Tool names must be unique.")
            check_object_schema(tool["input_schema"], f"{where}.input_schema")
            found[tool["name"]] = tool["input_schema"].get("properties", {})
        return found

    def _check_choice(self, body: dict[str, Any], thinks: bool) -> None:
        if (choice := body.get("tool_choice")) is None:
            return
        check_fields(
            choice, "tool_choice", {"type", "name", "disable_parallel_tool_use"}, ("type",)
        )
        check(body.get("tools"), "tool_choice may only be specified while providing tools")
        is_forced = choice["type"] not in ("auto", "none")
        check(not (thinks and is_forced), "Thinking may not be enabled when tool_choice forces")

    def _check_messages(self, messages: list[Any], thinks: bool) -> list[str]:
        turns = self._merge(messages)
        check(turns and turns[0][0] == "user", "messages: first message must use the user role")
        check(turns[-1][0] == "user", "This model does not support assistant message prefill.")
        last_asked = max(
            index
            for index, (role, blocks) in enumerate(turns)
            if role == "user" and any(block["type"] != "tool_result" for block in blocks)
        )
        results: dict[str, str] = {}
        waiting: list[str] = []
        for index, (role, blocks) in enumerate(turns):
            where = f"messages.{index}"
            if role == "user":
                results |= self._check_results(blocks, waiting, where)
                waiting = []
            else:
                waiting = [b["id"] for b in blocks if b["type"] == "tool_use"]
                results |= dict.fromkeys(waiting, "")
                if thinks:
                    self._check_thoughts(blocks, where, is_current=index > last_asked)
        return list(results.values())

    def _merge(self, messages: list[Any]) -> list[tuple[str, list[Any]]]:
        """Neighbours of one role are one turn, as the real one takes them."""
        turns: list[tuple[str, list[Any]]] = []
        for index, message in enumerate(messages):
            where = f"messages.{index}"
            check_fields(message, where, {"role", "content"}, ("role", "content"))
            role, content = message["role"], message["content"]
            check(role in ("user", "assistant"), f"{where}.role: Unexpected role {role!r}")
            check(content, f"{where}: all messages must have non-empty content")
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            allowed = USER_BLOCKS if role == "user" else ASSISTANT_BLOCKS
            for place, block in enumerate(blocks):
                self._check_block(block, f"{where}.content.{place}", allowed)
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            else:
                turns.append((role, list(blocks)))
        return turns

    def _check_block(self, block: Any, where: str, allowed: frozenset[str]) -> None:
        kind = block.get("type")
        check(kind in allowed, f"{where}: Input tag {kind!r} does not match any of the expected")
        check_fields(block, where, BLOCK_FIELDS[kind])
        if kind == "text":
            check(block.get("text", "").strip(), f"{where}: text content blocks must be non-empty")
        elif kind == "tool_use":
            check(CALL_ID.fullmatch(block["id"]), f"{where}.id: {block['id']!r}")
            check(TOOL_NAME.fullmatch(block["name"]), f"{where}.name: {block['name']!r}")
            check(isinstance(block["input"], dict), f"{where}.input: should be an object")
        elif kind == "thinking":
            check("signature" in block, f"{where}.signature: Field required")
            said = self._thoughts.get(block["signature"])
            check(said is not None, f"{where}: Invalid `signature` in `thinking` block")
            check(said == block["thinking"], f"{where}: thinking blocks cannot be modified")
        elif kind == "redacted_thinking":
            check(block["data"] in self._redacted, f"{where}: Invalid `data`")

    def _check_results(
        self, blocks: list[Any], waiting: list[str], where: str
    ) -> dict[str, str]:  # fmt: skip
        given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        first = [block["type"] for block in blocks[: len(given)]]
        check(set(first) <= {"tool_result"}, f"{where}: tool_result blocks must come first")
        check(len(set(given)) == len(given), f"{where}: each tool_use must have a single result")
        for id_ in waiting:
            check(id_ in given, f"{where}: `tool_use` ids found without `tool_result`: {id_}")
        for id_ in given:
            check(id_ in waiting, f"{where}: unexpected `tool_use_id` in `tool_result`: {id_}")
        return {b["tool_use_id"]: _text_of(b) for b in blocks if b["type"] == "tool_result"}

    def _check_thoughts(self, blocks: list[Any], where: str, *, is_current: bool) -> None:
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if not calls or not is_current:
            return
        kinds = [block["type"] for block in blocks]
        check(kinds[0] in THINKING, f"{where}.content.0.type: Expected `thinking`, found {kinds}")
        signed = next((self._signed_calls[id_] for id_ in calls if id_ in self._signed_calls), None)
        if signed is None:
            return
        same = [block for block in blocks if block["type"] in THINKING] == signed
        check(same, f"{where}: thinking blocks in the latest turn cannot be modified: {blocks}")

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """Thinking that is signed, and a redacted block beside calls that are parallel."""
        content: list[dict[str, Any]] = []
        if asked.thinks:
            signature = f"EqQB/signed+{next(self._count)}=="
            self._thoughts[signature] = step.thoughts
            content.append(
                {"type": "thinking", "thinking": step.thoughts, "signature": signature}
            )  # fmt: skip
        if asked.thinks and len(step.calls) > 1:
            data = f"EmwK/hidden+{next(self._count)}=="
            self._redacted.add(data)
            content.append({"type": "redacted_thinking", "data": data})
        thoughts = list(content)
        if step.text:
            content.append({"type": "text", "text": step.text})
        for call in step.calls:
            id_ = f"toolu_{next(self._count):04}"
            self._signed_calls[id_] = thoughts
            content.append(
                {"type": "tool_use", "id": id_, "name": call.name, "input": call.arguments}
            )  # fmt: skip
        return {
            "id": f"msg_{next(self._count)}", "type": "message", "role": "assistant",
            "model": "claude-opus-4-5", "content": content,
            "stop_reason": "tool_use" if step.calls else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 7,
                      "cache_creation_input_tokens": 0},
        }  # fmt: skip

    def stream(self, answer: dict[str, Any]) -> Iterator[bytes]:
        """Each block begun, told in pieces, and ended."""
        usage = {**answer["usage"], "output_tokens": 1}
        begun = {**answer, "content": [], "stop_reason": None, "usage": usage}
        yield _named("message_start", message=begun)
        yield _named("ping")
        for index, block in enumerate(answer["content"]):
            empty, deltas = _take_apart(block)
            yield _named("content_block_start", index=index, content_block=empty)
            for delta in deltas:
                yield _named("content_block_delta", index=index, delta=delta)
            yield _named("content_block_stop", index=index)
        delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
        usage = {"output_tokens": answer["usage"]["output_tokens"]}
        yield _named("message_delta", delta=delta, usage=usage)
        yield _named("message_stop")

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        kind = "invalid_request_error" if status == 400 else "authentication_error"
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _named(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)


def _take_apart(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block begins in a stream, and the pieces of the rest."""
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in halves(block["text"])]
            return {**block, "text": ""}, deltas
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case "tool_use":
            text = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves(text)]
            return {**block, "input": {}}, deltas
    return block, []


def _text_of(result: dict[str, Any]) -> str:
    content = result.get("content", "")
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")
