"""Chat Completions as OpenAI's own server takes it: nothing that is not in its reference.

https://platform.openai.com/docs/api-reference/chat/create
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

CALL_ID_LENGTH_MAX = 40


class PlayedChat:
    """OpenAI's rules. What other servers take beside is in the attributes."""

    credential_header = "authorization"
    path = "/v1/chat/completions"
    request_fields = words(
        "model messages tools tool_choice parallel_tool_calls stream stream_options "
        "max_tokens max_completion_tokens temperature top_p n stop seed user metadata "
        "logprobs top_logprobs logit_bias response_format reasoning_effort verbosity store "
        "service_tier presence_penalty frequency_penalty modalities audio prediction "
        "prompt_cache_key safety_identifier web_search_options prompt_cache_retention"
    )
    assistant_fields = frozenset({"role", "content", "refusal", "name", "audio", "tool_calls"})
    thinks = False

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def read(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """Checks the whole request."""
        check(path == self.path, f"no such path: {path}")
        check_fields(body, "body", self.request_fields, ("model", "messages"))
        check_identifiers(body)
        tools = self._check_tools(body)
        results = self._check_messages(body["messages"])
        if "stream_options" in body:
            check(body.get("stream"), "stream_options: only allowed when 'stream' is enabled")
        return Asked(tools, results, bool(body.get("stream")), self.thinks)

    def _check_tools(self, body: dict[str, Any]) -> dict[str, Any]:
        tools = body.get("tools")
        check(tools is None or tools, "[] is too short - 'tools'")
        for field in ("tool_choice", "parallel_tool_calls"):
            check(tools or field not in body, f"{field}: only allowed when 'tools' are specified")
        found: dict[str, Any] = {}
        for index, tool in enumerate(tools or ()):
            where = f"tools[{index}]"
            check_fields(tool, where, {"type", "function"}, ("type", "function"))
            check(tool["type"] == "function", f"{where}.type: {tool['type']!r}")
            function = tool["function"]
            known = {"name", "description", "parameters", "strict"}
            check_fields(function, f"{where}.function", known, ("name",))
            check(TOOL_NAME.fullmatch(function["name"]), f"{where}: name {function['name']!r}")
            parameters = function.get("parameters", {"type": "object"})
            check_object_schema(parameters, f"{where}.function.parameters")
            found[function["name"]] = parameters.get("properties", {})
        return found

    def _check_messages(self, messages: list[Any]) -> list[str]:
        results: dict[str, str] = {}
        waiting: list[str] = []
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            role = message.get("role")
            if role == "tool":
                check_fields(message, where, {"role", "content", "tool_call_id"}, ("content",))
                id_ = message["tool_call_id"]
                check(
                    id_ in waiting,
                    f"{where}: messages with role 'tool' must be a response to a preceding "
                    "message with 'tool_calls'",
                )
                waiting.remove(id_)
                results[id_] = _text_of(message["content"], where)
                continue
            check(
                not waiting, f"{where}: 'tool_calls' must be followed by tool messages: {waiting}"
            )
            if role == "assistant":
                waiting = self._check_assistant(message, where)
                results |= dict.fromkeys(waiting, "")
            else:
                check(role in ("system", "developer", "user"), f"{where}.role: {role!r}")
                check_fields(message, where, {"role", "content", "name"}, ("content",))
                _text_of(message["content"], where)
        check(not waiting, f"'tool_calls' must be followed by tool messages: {waiting}")
        return list(results.values())

    def _check_assistant(self, message: dict[str, Any], where: str) -> list[str]:
        check_fields(message, where, self.assistant_fields)
        calls = message.get("tool_calls", [])
        check(calls or message.get("content"), f"{where}.content: expected a string, got null")
        check("tool_calls" not in message or calls, f"{where}.tool_calls: [] is too short")
        for call in calls:
            check_fields(call, where, {"id", "type", "function"}, ("id", "type", "function"))
            check(call["type"] == "function", f"{where}: {call}")
            check(len(call["id"]) <= CALL_ID_LENGTH_MAX, f"{where}: id too long: {call['id']}")
            check_fields(call["function"], where, {"name", "arguments"}, ("name", "arguments"))
            check(TOOL_NAME.fullmatch(call["function"]["name"]), f"{where}: {call}")
            check(isinstance(call["function"]["arguments"], str), f"{where}: {call}")
        return [call["id"] for call in calls]

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """One choice, with the number of reasoning tokens and no word of them."""
        calls = [
            {"id": f"call_{next(self._count):06}", "type": "function",
             "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
            for call in step.calls
        ]  # fmt: skip
        message: dict[str, Any] = {"role": "assistant", "content": step.text or None}
        if calls:
            message["tool_calls"] = calls
        return {
            "id": f"chatcmpl-{next(self._count)}", "object": "chat.completion", "created": 1,
            "model": "their-model-2",
            "choices": [{"index": 0, "message": message,
                         "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {"prompt_tokens": 107, "completion_tokens": 20, "total_tokens": 127,
                      "prompt_tokens_details": {"cached_tokens": 7},
                      "completion_tokens_details": {"reasoning_tokens": 5}},
        }  # fmt: skip

    def stream(self, answer: dict[str, Any]) -> Iterator[bytes]:
        """Chunks: role, reasoning, content, each call begun and filled, the end, usage."""
        [choice] = answer["choices"]
        message = choice["message"]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        for field in ("reasoning_content", "content"):
            deltas += [{field: piece} for piece in halves(message.get(field) or "")]
        for index, call in enumerate(message.get("tool_calls", ())):
            function = {**call["function"], "arguments": ""}
            deltas.append({"tool_calls": [{"index": index, **call, "function": function}]})
            for piece in halves(call["function"]["arguments"]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        chunk = {**answer, "object": "chat.completion.chunk", "usage": None}
        for delta in deltas:
            yield event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        yield event({**chunk, "choices": [end]})
        yield event({**chunk, "choices": [], "usage": answer["usage"]})
        yield b"data: [DONE]\n\n"

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        return {"error": {"message": message, "type": "invalid_request_error", "param": None,
                          "code": None}}  # fmt: skip


def _text_of(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    check(content, f"{where}.content: [] is too short")
    for part in content:
        check_fields(part, f"{where}.content", {"type", "text"}, ("type", "text"))
        check(part["type"] == "text", f"{where}.content: {part['type']!r}")
    return "".join(part["text"] for part in content)
