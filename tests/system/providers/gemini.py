"""Gemini's generateContent as Gemini 3 takes it: thought signatures are checked.

https://ai.google.dev/api/generate-content
https://ai.google.dev/gemini-api/docs/function-calling
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import base64
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.providers.rules import check, check_fields, words
from tests.system.providers.script import Asked, Step
from tests.system.providers.server import event, halves

PATH = re.compile(r"/v1beta/models/[\w.-]+:(generateContent|streamGenerateContent\?alt=sse)")
REQUEST_FIELDS = words(
    "contents systemInstruction tools toolConfig generationConfig safetySettings "
    "cachedContent store serviceTier"
)
CONFIG_FIELDS = words(
    "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities "
    "candidateCount maxOutputTokens temperature topP topK seed presencePenalty "
    "frequencyPenalty responseLogprobs logprobs enableEnhancedCivicAnswers speechConfig "
    "thinkingConfig imageConfig mediaResolution"
)
THINKING_FIELDS = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
PART_FIELDS = words(
    "text inlineData functionCall functionResponse fileData executableCode "
    "codeExecutionResult thought thoughtSignature videoMetadata mediaResolution"
)
DATA_FIELDS = words(
    "text inlineData functionCall functionResponse fileData executableCode codeExecutionResult"
)
FUNCTION_FIELDS = words(
    "name description parameters parametersJsonSchema response responseJsonSchema behavior"
)
SCHEMA_FIELDS = words(
    "type format title description nullable enum maxItems minItems properties required "
    "minProperties maxProperties minLength maxLength pattern example anyOf propertyOrdering "
    "default items minimum maximum"
)
STAND_IN = "skip_thought_signature_validator"
TOOL_CONFIG_FIELDS = words("functionCallingConfig retrievalConfig includeServerSideToolInvocations")
FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")


class PlayedGemini:
    """It remembers what it signed, by the call or the text that bore it."""

    credential_header = "x-goog-api-key"

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._signed: set[bytes] = set()

    def read(self, path: str, headers: Mapping[str, str], body: Any) -> Asked:
        """Checks the whole request."""
        check(PATH.fullmatch(path), f"no such path: {path}")
        check_fields(body, "request", REQUEST_FIELDS, ("contents",))
        config = body.get("generationConfig", {})
        check_fields(config, "generation_config", CONFIG_FIELDS)
        thinking = config.get("thinkingConfig", {})
        # JSON of protocol buffers may be in either case, and Google's SDK sends both.
        thinking = {_camel(name): value for name, value in thinking.items()}
        check_fields(thinking, "thinking_config", THINKING_FIELDS)
        check(len(thinking.keys() - {"includeThoughts"}) <= 1, "only one of budget and level")
        if "systemInstruction" in body:
            for part in body["systemInstruction"]["parts"]:
                check_fields(part, "system_instruction.parts", {"text"}, ("text",))
        tools = self._check_tools(body.get("tools", []))
        self._check_tool_config(body, tools)
        results = self._check_contents(body["contents"])
        thinks = bool(thinking.get("includeThoughts"))
        return Asked(tools, results, "stream" in path, thinks)

    def _check_tools(self, tools: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tool in tools:
            check_fields(tool, "tools", {"functionDeclarations", "googleSearch"})
            if "functionDeclarations" not in tool:
                continue
            for index, function in enumerate(tool["functionDeclarations"]):
                where = f"tools.function_declarations[{index}]"
                function = {_camel(name): value for name, value in function.items()}
                check_fields(function, where, FUNCTION_FIELDS, ("name",))
                check(FUNCTION_NAME.fullmatch(function["name"]), f"{where}: {function['name']!r}")
                check(function["name"] not in found, f"{where}: Duplicate function declaration")
                found[function["name"]] = _read_properties(function, where)
        return found

    def _check_tool_config(self, body: dict[str, Any], functions: dict[str, Any]) -> None:
        config = body.get("toolConfig", {})
        check_fields(config, "tool_config", TOOL_CONFIG_FIELDS)
        has_search = any("googleSearch" in tool for tool in body.get("tools", []))
        check(
            not (has_search and functions) or config.get("includeServerSideToolInvocations"),
            "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools "
            "with Function calling.",
        )

    def _check_contents(self, contents: list[Any]) -> list[str]:
        results: list[str] = []
        contents = _merge(contents)
        check(contents[0]["role"] == "user", "Please ensure that requests begin with a user role")
        check(len(contents) % 2, "Please ensure that multiturn requests end with a user role")
        last_asked = max(i for i, c in enumerate(contents) if _is_question(c))
        waiting: list[str] = []
        for index, content in enumerate(contents):
            where = f"contents[{index}]"
            for part in content["parts"]:
                self._check_part(part, where)
            given = [p["functionResponse"] for p in content["parts"] if "functionResponse" in p]
            check(
                [response["name"] for response in given] == waiting,
                "Please ensure that the number of function response parts is equal to the number "
                f"of function call parts of the function call turn: {waiting}",
            )
            results += [_text_of(response, where) for response in given]
            calls = [part for part in content["parts"] if "functionCall" in part]
            waiting = [part["functionCall"]["name"] for part in calls]
            if calls and index > last_asked:
                check(
                    "thoughtSignature" in calls[0],
                    f"{where}: Function call is missing a thought_signature in functionCall parts",
                )
        check(not waiting, "Please ensure that function call turns have their responses")
        return results

    def _check_part(self, part: Any, where: str) -> None:
        check_fields(part, f"{where}.parts", PART_FIELDS)
        data = part.keys() & DATA_FIELDS
        check(len(data) == 1, f"{where}.parts: required oneof field 'data' must have one: {part}")
        if "functionCall" in part:
            call = part["functionCall"]
            check_fields(call, f"{where}.parts.function_call", {"id", "name", "args"}, ("name",))
            check(isinstance(call.get("args", {}), dict), f"{where}.parts: args {call!r}")
        if (signature := part.get("thoughtSignature")) is not None:
            if signature == STAND_IN:
                check("functionCall" in part, f"{where}: {signature} stands on no call")
                return
            known = base64.urlsafe_b64decode(signature.replace("+", "-").replace("/", "_"))
            check(known in self._signed, f"{where}: Thought signature is not valid: {signature}")

    def answer(self, asked: Asked, step: Step) -> dict[str, Any]:
        """A thought, a text, and calls of which the first is signed."""
        parts: list[dict[str, Any]] = []
        if asked.thinks:
            parts.append({"text": step.thoughts, "thought": True})
        if step.text:
            parts.append({"text": step.text})
        for index, call in enumerate(step.calls):
            part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments}}
            # It thinks and signs whether or not its thoughts are to be shown.
            if index == 0:
                part["thoughtSignature"] = self._sign()
            parts.append(part)
        return {
            "candidates": [
                {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {"promptTokenCount": 107, "cachedContentTokenCount": 7,
                              "candidatesTokenCount": 15, "thoughtsTokenCount": 5,
                              "totalTokenCount": 127},
            "modelVersion": "gemini-3-pro", "responseId": f"response-{next(self._count)}",
        }  # fmt: skip

    def _sign(self) -> str:
        # Bytes whose base64 has both characters that the two alphabets do not share.
        signature = b"\xfb\xff\xbe signed %d" % next(self._count)
        self._signed.add(signature)
        return base64.b64encode(signature).decode()

    def stream(self, answer: dict[str, Any]) -> Iterator[bytes]:
        """Texts in pieces, calls whole; the last event has the end."""
        [candidate] = answer["candidates"]
        common = {name: value for name, value in answer.items() if name != "candidates"}
        for part in candidate["content"]["parts"]:
            pieces = [{**part, "text": text} for text in halves(part.get("text", ""))] or [part]
            for piece in pieces:
                content = {"role": "model", "parts": [piece]}
                yield event({"candidates": [{"content": content, "index": 0}], **common})
        end = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}
        yield event({"candidates": [{**end, "index": 0}], **common})

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        name = "INVALID_ARGUMENT" if status == 400 else "UNAUTHENTICATED"
        return {"error": {"code": status, "message": message, "status": name}}


def _merge(contents: list[Any]) -> list[Any]:
    """Neighbours of one role are one turn: Google's own SDK sends a stream's pieces back so."""
    turns: list[Any] = []
    for index, content in enumerate(contents):
        check_fields(content, f"contents[{index}]", {"role", "parts"}, ("role", "parts"))
        check(content["role"] in ("user", "model"), f"contents[{index}].role: {content['role']!r}")
        check(content["parts"], f"contents[{index}].parts: must not be empty")
        if turns and turns[-1]["role"] == content["role"]:
            turns[-1]["parts"] += content["parts"]
        else:
            turns.append({"role": content["role"], "parts": list(content["parts"])})
    return turns


def _is_question(content: dict[str, Any]) -> bool:
    """Whether somebody asks anew; the rules on signatures are for what came after."""
    has_response = any("functionResponse" in part for part in content["parts"])
    return content["role"] == "user" and not has_response


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _read_properties(function: dict[str, Any], where: str) -> dict[str, Any]:
    check(not ("parameters" in function and "parametersJsonSchema" in function), f"{where}: both")
    if (schema := function.get("parametersJsonSchema")) is None:
        schema = function.get("parameters", {"type": "OBJECT"})
        _check_schema(schema, f"{where}.parameters")
    check(schema["type"].upper() == "OBJECT", f"{where}: schema should be of type OBJECT")
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def _check_schema(schema: Any, where: str) -> None:
    check_fields(schema, where, SCHEMA_FIELDS)
    check(isinstance(schema.get("type", ""), str), f"{where}.type: {schema.get('type')!r}")
    for name, inner in schema.get("properties", {}).items():
        _check_schema(inner, f"{where}.properties[{name}]")
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])):
        _check_schema(inner, f"{where}.items")
    if "enum" in schema:
        check(all(isinstance(value, str) for value in schema["enum"]), f"{where}.enum")


def _text_of(response: dict[str, Any], where: str) -> str:
    check_fields(response, where, {"id", "name", "response", "parts"}, ("name", "response"))
    check(isinstance(response["response"], dict), f"{where}: response is no object")
    return "\n".join(str(value) for value in response["response"].values())
