"""What providers really said over Chat Completions, through the codec: nothing lost, nothing made.

Facts are read from the recordings by plain JSON look-ups, never with the code under test.
"""

import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import TypeAdapter
from tests.recordings.recorded import FOLDER, needs_recordings
from tests.unit.dialects.openai_chat.chat import EVENT_BYTES_MAX, frame, target

from nagara.dialects import openai_chat
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.errors import GatewayError
from nagara.domain.events import Event, FinishReason, Response, fold, unfold
from nagara.domain.messages import Reasoning, Text, ToolCall

pytestmark = needs_recordings

NAMES = (
    "openai", "azure", "groq", "mistral", "openrouter", "deepseek", "cerebras", "huggingface",
    "zai", "ollama", "crusoe",
)  # fmt: skip
REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "error": FinishReason.OTHER,
}


def exchanges() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, request and response of every exchange of this dialect."""
    for name in NAMES:
        with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt") as lines:
            for line in map(json.loads, lines):
                if line["request"]["path"].endswith("/chat/completions"):
                    yield f"{name}:{line['id']}", line["request"].get("json"), line["response"]


def said_in(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Text, reasoning, calls and so on of choice 0, from whole messages or deltas alike."""
    said: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}, "reason": None, "usage": None}
    for piece in pieces:
        said["usage"] = piece.get("usage") or said["usage"]
        for choice in piece.get("choices") or ():
            message = choice.get("message") or choice.get("delta") or {}
            said["reason"] = choice.get("finish_reason") or said["reason"]
            content = message.get("content") or ""
            pieces_of: Any = content if isinstance(content, list) else [{"text": content}]
            for part in pieces_of:
                said["text"] += part.get("text", "")
                said["reasoning"] += "".join(t["text"] for t in part.get("thinking", ()))
            said["reasoning"] += message.get("reasoning_content") or message.get("reasoning") or ""
            for number, call in enumerate(message.get("tool_calls") or ()):
                key = call.get("index", number)
                name, text = said["calls"].get(key, ("", ""))
                function = call["function"]
                name, text = (
                    name or function.get("name", ""),
                    text + (function.get("arguments") or ""),
                )
                said["calls"][key] = (name, text)
    return said


def check(recorded: str, response: Response, said: dict[str, Any]) -> None:
    (choice,) = response.choices
    texts = [part.text for part in choice.parts if isinstance(part, Text)]
    assert "".join(texts) == said["text"], recorded
    thoughts = [part.text for part in choice.parts if isinstance(part, Reasoning)]
    assert "".join(thoughts) == said["reasoning"], recorded
    calls = [(part.name, part.arguments) for part in choice.parts if isinstance(part, ToolCall)]
    assert calls == list(said["calls"].values()), recorded
    expected = REASONS[said["reason"]]
    if calls and expected is FinishReason.STOP:
        expected = FinishReason.TOOL_CALLS
    assert choice.finish is expected, recorded
    if said["usage"]:
        assert response.usage is not None
        assert response.usage.input_tokens == said["usage"]["prompt_tokens"], recorded
        assert response.usage.output_tokens == said["usage"]["completion_tokens"], recorded


def events_of(body: bytes, draw: random.Random | None = None) -> list[Event]:
    stream, events, at = openai_chat.decode_stream(EVENT_BYTES_MAX, target()), [], 0
    while at < len(body) and not stream.is_ended:
        step = draw.randrange(1, 400) if draw is not None else len(body)
        events += stream.feed(body[at : at + step])
        at += step
    return events if stream.is_ended else events + stream.close()


def test_every_recorded_answer_says_what_was_recorded() -> None:
    seen = 0
    for recorded, _, answer in exchanges():
        if answer["status"] != 200 or "json" not in answer:
            continue
        response = openai_chat.decode_response(json.dumps(answer["json"]).encode(), target())
        check(recorded, response, said_in([answer["json"]]))
        assert fold(unfold(response)) == response, recorded
        seen += 1
    assert seen > 250


def test_every_recorded_stream_says_what_was_recorded_in_any_split() -> None:
    draw, seen = random.Random(5), 0
    for recorded, _, answer in exchanges():
        if answer["status"] != 200 or "text" not in answer or '"error"' in answer["text"]:
            continue
        lines = [line[6:] for line in answer["text"].splitlines() if line.startswith("data: {")]
        events = events_of(answer["text"].encode())
        check(recorded, fold(events), said_in([json.loads(line) for line in lines]))
        assert events_of(answer["text"].encode(), draw) == events, recorded
        seen += 1
    assert seen > 35


def test_every_recorded_answer_is_told_to_a_caller_whole_and_streamed_alike() -> None:
    for recorded, _, answer in exchanges():
        if answer["status"] != 200 or "json" not in answer:
            continue
        response = openai_chat.decode_response(json.dumps(answer["json"]).encode(), target())
        body = openai_chat.encode_response(response, frame()).body
        expected = said_in([answer["json"]])
        if expected["calls"] and expected["reason"] == "stop":
            expected["reason"] = "tool_calls"
        encoder = openai_chat.encode_stream(frame())
        told = b"".join(map(encoder.encode, unfold(response))).split(b"\n\n")
        chunks = [json.loads(event[6:]) for event in told if event.startswith(b"data: {")]
        for said in (said_in([json.loads(body)]), said_in(chunks)):
            for name in ("text", "reasoning", "reason", "calls"):
                assert said[name] == expected[name], (recorded, name)
            for count in ("prompt_tokens", "completion_tokens"):
                assert said["usage"][count] == expected["usage"][count], recorded


def test_every_recorded_request_is_read_and_says_the_same_when_written() -> None:
    seen = 0
    to = target(
        Trait.REASONING_DETAILS, Trait.CACHE_CONTROL, Trait.FILE_URL, Trait.DEVELOPER_ROLE,
        Trait.SERVER_TOOLS,
    )  # fmt: skip
    for recorded, request, _ in exchanges():
        if not request:
            continue
        decoded = openai_chat.decode_request(json.dumps(request).encode())
        written = json.loads(openai_chat.encode_request(decoded, to).body)
        again = openai_chat.decode_request(json.dumps(written).encode())
        assert [m.role for m in again.messages] == [m.role for m in decoded.messages], recorded
        for before, after in zip(request["messages"], written["messages"], strict=True):
            if isinstance(before.get("content"), str):
                assert after["content"] == before["content"], recorded
            calls = [c["function"] for c in before.get("tool_calls") or ()]
            assert [c["function"] for c in after.get("tool_calls", ())] == calls, recorded
        # What this dialect has in the same shape everywhere comes out as it went in.
        for name in ("stop", "temperature", "response_format", "user", "parallel_tool_calls"):
            assert written.get(name) == request.get(name), (recorded, name)
        assert len(written.get("tools", ())) == len(request.get("tools", ())), recorded
        seen += 1
    assert seen > 300


def strictly(value: Any) -> Any:
    """The value with every lazily checked part of it looked at."""
    if isinstance(value, dict):
        return {name: strictly(inner) for name, inner in value.items()}
    is_plain = value is None or isinstance(value, str | int | float)
    return value if is_plain else [strictly(inner) for inner in value]


def test_what_openai_is_sent_is_of_its_published_types() -> None:
    message_type: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
    tool_type: TypeAdapter[Any] = TypeAdapter(ChatCompletionFunctionToolParam)
    to = target(Trait.DEVELOPER_ROLE, Trait.MAX_COMPLETION_TOKENS, Trait.REFUSALS)
    seen = 0
    for _, request, _ in exchanges():
        text = json.dumps(request)
        # OpenAI takes no document by its address, and runs no tools of OpenRouter's.
        if not request or '_url": "http' in text or '"file_data": "http' in text:
            continue
        decoded = openai_chat.decode_request(text.encode())
        body = json.loads(openai_chat.encode_request(decoded, to).body)
        for message in body["messages"]:
            strictly(message_type.validate_python(message))
        for tool in body.get("tools", ()):
            if tool["type"] == "function":
                strictly(tool_type.validate_python(tool))
        seen += 1
    assert seen > 300


def test_the_recorded_error_in_a_stream_is_told_in_the_providers_words() -> None:
    told = []
    for _, _, answer in exchanges():
        if '"error"' in answer.get("text", ""):
            try:
                fold(events_of(answer["text"].encode()))
            except GatewayError as error:
                told.append(error.message)
    assert any(message.startswith("Tool call validation failed") for message in told)
