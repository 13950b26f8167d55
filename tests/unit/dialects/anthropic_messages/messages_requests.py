"""What the tests of this dialect share: bodies, a target, and shortcuts both ways."""

import json
from typing import Any

from nagara.dialects import anthropic_messages
from nagara.dialects.codec import Encoded, Frame, Target
from nagara.domain.messages import Message, Request, Role, Text

HELLO = [{"role": "user", "content": "Hello"}]
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 4096, "messages": HELLO} | fields).encode()


def decode(**fields: Any) -> Request:
    return anthropic_messages.decode_request(body(**fields))


def target(model: str = "claude-sonnet-4-5", maker: str = "anthropic") -> Target:
    return Target(
        provider="Anthropic", model=model, maker=maker, abilities=anthropic_messages.ABILITIES
    )


def encode(request: Request, model: str = "claude-sonnet-4-5") -> tuple[Any, Encoded]:
    """What the provider is sent, as a JSON value, and the encoding itself."""
    encoded = anthropic_messages.encode_request(request, target(model))
    return json.loads(encoded.body), encoded


def chat(*messages: Message, **fields: Any) -> Request:
    """A request of a caller of another dialect."""
    said = messages or (Message(Role.USER, (Text("Hello"),)),)
    return Request(dialect="openai_chat", model="m", messages=said, **fields)


def frame(request: Request | None = None) -> Frame:
    return Frame(
        request=request or decode(), model="caller/model", seed="5eed", created_s=1, request_id="r1"
    )
