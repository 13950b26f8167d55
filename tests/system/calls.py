"""Good calls of every endpoint, and how to send one that has been changed in one thing."""

import json
import time
from typing import Any, NamedTuple

import pytest

from tests.system.error_shapes import read_error
from tests.system.gateway import GatewayProcess
from tests.system.wire import WireAnswer, WireConnection, encode_request


class Call(NamedTuple):
    """A good call of one endpoint. The test changes one thing about it."""

    path: str
    body: dict[str, Any]


TURN = [{"role": "user", "content": "Say hello."}]
CHAT = Call("/v1/chat/completions", {"model": "gpt-4.1-mini", "messages": TURN})
RESPONSES = Call("/v1/responses", {"model": "gpt-4.1-mini", "input": "Say hello."})
MESSAGES = Call("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": TURN})
EMBEDDINGS = Call("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"})
MODERATIONS = Call("/v1/moderations", {"model": "omni-moderation-latest", "input": "hello"})
IMAGES = Call("/v1/images/generations", {"model": "gpt-image-2", "prompt": "A cat"})

EVERY_CALL = [CHAT, RESPONSES, MESSAGES, EMBEDDINGS, MODERATIONS, IMAGES]
BOTH_SHAPES = [CHAT, MESSAGES]

in_both_shapes = pytest.mark.parametrize("call", BOTH_SHAPES, ids=lambda call: call.path)
on_every_endpoint = pytest.mark.parametrize("call", EVERY_CALL, ids=lambda call: call.path)


def send(
    gateway: GatewayProcess,
    method: str,
    path: str,
    body: bytes | None = None,
    **headers: str,
) -> WireAnswer:
    """One request on its own connection; underscores in header names become hyphens."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    with WireConnection(gateway.port) as connection:
        host = f"127.0.0.1:{gateway.port}"
        connection.send(encode_request(method, path, named, body, host))
        return connection.read_answer(method)


def post(gateway: GatewayProcess, call: Call, key: str | None = None, **headers: str) -> WireAnswer:
    """The call with `key`, or with the gateway's own standard key."""
    headers.setdefault("authorization", f"Bearer {key or gateway.key}")
    body = json.dumps(call.body).encode()
    return send(gateway, "POST", call.path, body, content_type="application/json", **headers)


def message_of(answer: WireAnswer, path: str, status: int) -> str:
    """The error's message, having checked its status and its shape."""
    assert answer.status == status, (answer.status, answer.body)
    return str(read_error(answer, path)["message"])


def type_of(answer: WireAnswer, path: str) -> object:
    return read_error(answer, path)["type"]


def mistyped(key: str) -> str:
    """The key with one character of its middle changed: the checksum no longer fits."""
    middle = len(key) // 2
    return key[:middle] + ("a" if key[middle] != "a" else "b") + key[middle + 1 :]


def wait_for_status(gateway: GatewayProcess, call: Call, key: str, status: int) -> WireAnswer:
    """The first answer with that status; a change of keys may take a second to be seen."""
    deadline = time.monotonic() + 5.0
    while (answer := post(gateway, call, key)).status != status:
        assert answer.status in (200, 401, 403, 503), answer.body
        assert time.monotonic() < deadline, f"{answer.status} instead of {status}: {answer.body!r}"
        time.sleep(0.02)
    return answer
