"""Requests for Converse in few words, each held against AWS's model of the API."""

import base64
import json
from typing import Any

import msgspec
import pytest
from tests.converse import find_faults

from nagara.dialects.bedrock_converse import ABILITIES, encode_request
from nagara.dialects.codec import Target
from nagara.domain.errors import GatewayError
from nagara.domain.messages import (
    FunctionTool,
    Message,
    Part,
    Reasoning,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SIGNED = Reasoning(text="Hm.", signature=Signature("sig", "anthropic"))
CALL = ToolCall(id="call_1", name="f", arguments='{"a": 1}')
RESULT = ToolResult(call_id="call_1", parts=(Text("one"),))
TOOL = FunctionTool(
    name="f",
    description="Does it.",
    parameters=msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}'),
)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 20).decode()


def say(*parts: Part, role: Role = Role.USER) -> Message:
    return Message(role, parts)


def answer(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


HI = say(Text("Hi"))


def encode(
    *messages: Message, model: str = CLAUDE, drops: set[str] | None = None, **fields: Any
) -> Any:
    """The body for these messages; held against AWS's model and the parameters that may go."""
    request = Request(dialect="openai_chat", model="m", messages=messages, **fields)
    target = Target(provider="Amazon Bedrock", model=model, maker="anthropic", abilities=ABILITIES)
    encoded = encode_request(request, target)
    assert find_faults(encoded.body) == []
    assert set(encoded.dropped) == (drops or set())
    return json.loads(encoded.body)


def contents(body: Any) -> list[tuple[str, list[str]]]:
    """Role and kinds of blocks of each message."""
    return [(m["role"], [next(iter(b)) for b in m["content"]]) for m in body["messages"]]


def refused(*messages: Message, **fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        encode(*messages, **fields)
    return caught.value
