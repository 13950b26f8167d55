"""Every body and event validates strictly against the types of the official SDKs.

The SDKs themselves build their objects without checking; this does check.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from openai.types import CreateEmbeddingResponse, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
TOOLS = [
    {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False},
    {"type": "custom", "name": "g"},
    {"type": "local_shell"},
]
CALLS = "sandbox:call f sandbox:call g some text sandbox:call local_shell"
REQUESTS: list[tuple[Operation, dict[str, Any]]] = [
    (Operation.CHAT, {"messages": [{"role": "user", "content": "Hi"}], "n": 2}),
    (
        Operation.CHAT,
        {
            "messages": [{"role": "user", "content": "sandbox:call f sandbox:call f {}"}],
            "tools": [CHAT_TOOL],
            "stream_options": {"include_usage": True},
        },
    ),
    (
        Operation.CHAT,
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "reasoning_effort": "high",
            "max_completion_tokens": 25,
        },
    ),
    (Operation.RESPONSES, {"input": "Hi"}),
    (Operation.RESPONSES, {"input": "Hi", "max_output_tokens": 3, "instructions": "Be"}),
    (
        Operation.RESPONSES,
        {
            "input": CALLS,
            "tools": TOOLS,
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "metadata": {"a": "b"},
        },
    ),
    (
        Operation.RESPONSES,
        {
            "input": "Hi",
            "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        },
    ),
    (Operation.MESSAGES, {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}),
    (Operation.MESSAGES, {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 0}),
    (
        Operation.MESSAGES,
        {
            "messages": [{"role": "user", "content": "sandbox:call f"}],
            "max_tokens": 5000,
            "tools": [{"name": "f", "input_schema": SCHEMA}],
            "thinking": {"type": "adaptive", "display": "omitted"},
            "context_management": {"edits": []},
            "stop_sequences": ["x"],
        },
    ),
]
WHOLE: dict[Operation, list[Any]] = {
    Operation.CHAT: [ChatCompletion],
    Operation.RESPONSES: [Response],
    Operation.MESSAGES: [Message, BetaMessage],
}
EVENTS: dict[Operation, list[Any]] = {
    Operation.CHAT: [ChatCompletionChunk],
    Operation.RESPONSES: [ResponseStreamEvent],
    Operation.MESSAGES: [RawMessageStreamEvent, BetaRawMessageStreamEvent],
}


def write(operation: Operation, body: dict[str, Any]) -> list[bytes]:
    content = json.dumps(body).encode()
    script = write_script(operation, "m", content, now_s=1, request_id="r")
    assert script.status == 200, script
    return [step for step in script.steps if isinstance(step, bytes)]


def events(pieces: list[bytes]) -> Iterator[tuple[str | None, Any]]:
    for piece in pieces:
        *head, data = piece.removesuffix(b"\n\n").split(b"\n")
        text = data.removeprefix(b"data: ").decode()
        if text != "[DONE]":
            yield head[0].decode().removeprefix("event: ") if head else None, json.loads(text)


def validate(kinds: list[Any], value: Any) -> None:
    for kind in kinds:
        TypeAdapter(kind).validate_json(json.dumps(value), strict=True)


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
def test_a_whole_answer_has_the_shape_of_the_type(operation: Operation, body: Any) -> None:
    body = {key: value for key, value in body.items() if key != "stream_options"}
    validate(WHOLE[operation], json.loads(b"".join(write(operation, body))))


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
def test_every_event_has_the_shape_of_the_type(operation: Operation, body: Any) -> None:
    seen = list(events(write(operation, body | {"stream": True})))
    assert seen
    for name, event in seen:
        assert name == event.get("type")
        if name != "ping":
            validate(EVENTS[operation], event)


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
def test_a_stream_ends_as_its_api_ends(operation: Operation, body: Any) -> None:
    pieces = write(operation, body | {"stream": True})
    endings = {
        Operation.CHAT: b"data: [DONE]",
        Operation.RESPONSES: b"event: response.",
        Operation.MESSAGES: b"event: message_stop",
    }
    assert pieces[-1].startswith(endings[operation])
    assert sum(b"[DONE]" in piece for piece in pieces) == (operation is Operation.CHAT)
    assert sum(b"event: ping" in piece for piece in pieces) == (operation is Operation.MESSAGES)


def test_the_other_answers_have_the_shapes_of_their_types() -> None:
    embeddings = write(Operation.EMBEDDINGS, {"input": ["a", "b"], "dimensions": 4})
    validate([CreateEmbeddingResponse], json.loads(embeddings[0]))
    validate(
        [ModerationCreateResponse], json.loads(write(Operation.MODERATIONS, {"input": "a"})[0])
    )
    counted = write(Operation.COUNT_TOKENS, {"messages": [{"role": "user", "content": "Hi"}]})
    validate([MessageTokensCount], json.loads(counted[0]))
