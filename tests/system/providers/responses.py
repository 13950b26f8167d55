"""OpenAI's Responses for reasoning models, with nothing stored.

https://platform.openai.com/docs/api-reference/responses/create
https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.providers.rules import (
    TOOL_NAME,
    check,
    check_fields,
    check_identifiers,
    check_object_schema,
    words,
)
from tests.system.providers.script import Asked, Step
from tests.system.providers.server import event, halves

REQUEST_FIELDS = words(
    "model input instructions tools tool_choice parallel_tool_calls stream stream_options "
    "max_output_tokens max_tool_calls temperature top_p top_logprobs reasoning text store "
    "include metadata user service_tier truncation previous_response_id conversation prompt "
    "background prompt_cache_key prompt_cache_retention safety_identifier"
)
ITEM_FIELDS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"type", "id", "role", "content", "status", "phase"}),
    "function_call": frozenset({"type", "id", "call_id", "name", "arguments", "status"}),
    "function_call_output": frozenset({"type", "id", "call_id", "output", "status"}),
    "reasoning": frozenset({"type", "id", "summary", "content", "encrypted_content", "status"}),
}
TOOL_FIELDS = frozenset({"type", "name", "description", "parameters", "strict"})
CALL_ID_LENGTH_MAX = 64
ROLES = {"user": "input_text", "system": "input_text", "developer": "input_text",
         "assistant": "output_text"}  # fmt: skip


class PlayedResponses:
    """It remembers what it encrypted, and before which call."""

    credential_header = "authorization"

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._reasoning: dict[str, dict[str, Any]] = {}
        self._reasoning_of: dict[str, str] = {}

    def read(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """Checks the whole request."""
        check(path == "/v1/responses", f"no such path: {path}")
        check_fields(body, "body", REQUEST_FIELDS, ("model", "input"))
        if "reasoning" in body:
            check_fields(body["reasoning"], "reasoning", {"effort", "summary", "context"})
        check_identifiers(body)
        tools = self._check_tools(body.get("tools", []))
        items = body["input"]
        results = [] if isinstance(items, str) else self._check_items(items)
        # Without it nothing of the reasoning could come back, for nothing is stored.
        thinks = body.get("store") is False and self._includes_reasoning(body)
        return Asked(tools, results, bool(body.get("stream")), thinks)

    def _includes_reasoning(self, body: dict[str, Any]) -> bool:
        return "reasoning.encrypted_content" in body.get("include", [])

    def _check_tools(self, tools: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, tool in enumerate(tools):
            where = f"tools[{index}]"
            check(tool.get("type") == "function", f"{where}.type: {tool.get('type')!r}")
            check_fields(tool, where, TOOL_FIELDS, ("name",))
            check(TOOL_NAME.fullmatch(tool["name"]), f"{where}.name: {tool['name']!r}")
            parameters = tool.get("parameters") or {"type": "object"}
            check_object_schema(parameters, f"{where}.parameters")
            if tool.get("strict", True):
                _check_strict(parameters, where)
            found[tool["name"]] = parameters.get("properties", {})
        return found

    def _check_items(self, items: list[Any]) -> list[str]:
        results: dict[str, str] = {}
        answered: set[str] = set()
        for index, item in enumerate(items):
            where = f"input[{index}]"
            kind = item.get("type", "message")
            check(kind in ITEM_FIELDS, f"{where}.type: Invalid value: {kind!r}")
            check_fields(item, where, ITEM_FIELDS[kind])
            if kind == "message":
                self._check_message(item, where)
            elif kind == "reasoning":
                self._check_reasoning(item, where)
                check(len(items) > index + 1, f"{where}: reasoning without its following item")
            elif kind == "function_call":
                self._check_call(items, index, where)
                results[item["call_id"]] = ""
            else:
                id_ = item["call_id"]
                check(id_ in results, f"No tool call found for function call output: {id_}")
                answered.add(id_)
                results[id_] = _text_of(item["output"], where)
        for id_ in results:
            check(id_ in answered, f"No tool output found for function call {id_}")
        return list(results.values())

    def _check_message(self, item: dict[str, Any], where: str) -> None:
        role, content = str(item.get("role")), item.get("content")
        check(role in ROLES, f"{where}.role: Invalid value: {role!r}")
        if isinstance(content, str):
            return
        check(isinstance(content, list), f"{where}.content: {content!r}")
        for part in content or ():
            check(part["type"] == ROLES[role], f"{where}.content: {part['type']!r} by {role}")
            known = {"type", "text", "annotations", "logprobs"}
            check_fields(part, f"{where}.content", known, ("text",))

    def _check_reasoning(self, item: dict[str, Any], where: str) -> None:
        check(str(item.get("id")).startswith("rs_"), f"{where}.id: {item.get('id')!r}")
        check(isinstance(item.get("summary"), list), f"{where}.summary: required")
        issued = self._reasoning.get(item["id"])
        check(issued is not None, f"Item with id {item['id']!r} not found: nothing is stored")
        assert issued is not None
        for field in ("encrypted_content", "summary"):
            check(
                item.get(field) == issued[field],
                f"The encrypted content for item {item['id']} could not be verified: {field}",
            )

    def _check_call(self, items: list[Any], index: int, where: str) -> None:
        call = items[index]
        for field in ("call_id", "name", "arguments"):
            check(isinstance(call.get(field), str), f"{where}.{field}: required")
        check(len(call["call_id"]) <= CALL_ID_LENGTH_MAX, f"{where}.call_id: too long")
        check(TOOL_NAME.fullmatch(call["name"]), f"{where}.name: {call['name']!r}")
        check(call.get("id", "fc_").startswith("fc_"), f"{where}.id: begins not with 'fc'")
        needed = self._reasoning_of.get(call["call_id"])
        before = {item.get("id") for item in items[:index]}
        check(
            needed is None or needed in before,
            f"Item of type 'function_call' was provided without its required 'reasoning' item: "
            f"{needed!r}",
        )

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """A reasoning item, a message, and the calls."""
        output: list[dict[str, Any]] = []
        reasoning: dict[str, Any] | None = None
        if asked.thinks:
            reasoning = {
                "type": "reasoning", "id": f"rs_{next(self._count):04}",
                "summary": [{"type": "summary_text", "text": step.thoughts}],
                "encrypted_content": f"gAAAAA-{next(self._count)}_encrypted==",
            }  # fmt: skip
            self._reasoning[reasoning["id"]] = reasoning
            output.append(reasoning)
        if step.text:
            text = {"type": "output_text", "text": step.text, "annotations": [], "logprobs": []}
            output.append(
                {"type": "message", "id": f"msg_{next(self._count):04}", "status": "completed",
                 "role": "assistant", "content": [text]}
            )  # fmt: skip
        for call in step.calls:
            number = next(self._count)
            output.append({"type": "function_call", "id": f"fc_{number:04}", "status": "completed",
                           "call_id": f"call_r{number:05}", "name": call.name,
                           "arguments": json.dumps(call.arguments)})  # fmt: skip
            if reasoning is not None:
                self._reasoning_of[f"call_r{number:05}"] = reasoning["id"]
        return {
            "id": f"resp_{next(self._count):04}", "object": "response", "created_at": 1,
            "status": "completed", "error": None, "incomplete_details": None,
            "instructions": None, "model": "their-model-2", "output": output,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {},
            "temperature": 1.0, "top_p": 1.0, "text": {"format": {"type": "text"}},
            "usage": {"input_tokens": 107, "input_tokens_details": {"cached_tokens": 7},
                      "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5},
                      "total_tokens": 127},
        }  # fmt: skip

    def stream(self, answer: dict[str, Any]) -> Iterator[bytes]:
        """Each item added, told in pieces, and done; at the end the whole."""
        numbers = itertools.count()

        def named(kind: str, **fields: object) -> bytes:
            return event({"type": kind, "sequence_number": next(numbers), **fields}, kind)

        begun = {**answer, "status": "in_progress", "output": [], "usage": None}
        yield named("response.created", response=begun)
        yield named("response.in_progress", response=begun)
        for index, item in enumerate(answer["output"]):
            empty, told = _take_apart(item)
            yield named("response.output_item.added", output_index=index, item=empty)
            for kind, fields in told:
                yield named(kind, item_id=item["id"], output_index=index, **fields)
            yield named("response.output_item.done", output_index=index, item=item)
        yield named("response.completed", response=answer)

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        return {"error": {"message": message, "type": "invalid_request_error", "param": None,
                          "code": None}}  # fmt: skip


Told = list[tuple[str, dict[str, Any]]]


def _take_apart(item: dict[str, Any]) -> tuple[dict[str, Any], Told]:
    """How an item begins in a stream, and the events of the rest."""
    if item["type"] == "reasoning":
        [part] = item["summary"]
        at = {"summary_index": 0}
        kind = "response.reasoning_summary"
        told: Told = [(f"{kind}_part.added", {**at, "part": {**part, "text": ""}})]
        told += [(f"{kind}_text.delta", {**at, "delta": p}) for p in halves(part["text"])]
        told.append((f"{kind}_text.done", {**at, "text": part["text"]}))
        told.append((f"{kind}_part.done", {**at, "part": part}))
        return {**item, "summary": [], "encrypted_content": ""}, told
    if item["type"] == "message":
        [part] = item["content"]
        at = {"content_index": 0}
        told = [("response.content_part.added", {**at, "part": {**part, "text": ""}})]
        for piece in halves(part["text"]):
            told.append(("response.output_text.delta", {**at, "delta": piece, "logprobs": []}))
        done = {**at, "text": part["text"], "logprobs": []}
        told.append(("response.output_text.done", done))
        told.append(("response.content_part.done", {**at, "part": part}))
        return {**item, "content": [], "status": "in_progress"}, told
    kind = "response.function_call_arguments"
    told = [(f"{kind}.delta", {"delta": piece}) for piece in halves(item["arguments"])]
    told.append((f"{kind}.done", {"arguments": item["arguments"], "name": item["name"]}))
    return {**item, "arguments": "", "status": "in_progress"}, told


def _check_strict(schema: dict[str, Any], where: str) -> None:
    """Strict functions take no other properties, and need all of theirs."""
    properties = schema.get("properties", {})
    check(
        schema.get("additionalProperties") is False,
        f"{where}: Invalid schema: 'additionalProperties' is required to be supplied and false",
    )
    check(
        set(schema.get("required", ())) == set(properties),
        f"{where}: Invalid schema: 'required' has to include every key in properties",
    )


def _text_of(output: Any, where: str) -> str:
    if isinstance(output, str):
        return output
    for part in output:
        check_fields(part, f"{where}.output", {"type", "text"}, ("type", "text"))
        check(part["type"] == "input_text", f"{where}.output: {part['type']!r}")
    return "".join(part["text"] for part in output)
