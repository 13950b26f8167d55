"""Callers of each dialect: how they ask, with which key, and how they read what they get.

Reading is the recordings' oracle, which knows nothing of the gateway's code.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from tests.conformance.providers.wires import TOOL
from tests.recordings.neutral import Answer
from tests.recordings.oracle import FOLDS, READERS
from tests.recordings.oracle.event_streams import read_events
from tests.system.wire import WireAnswer, WireConnection, encode_request

from nagara.domain.catalog import Operation

RULES: Final = "Be brief."
QUESTION: Final = "What is the weather in Paris?"
SCHEMA: Final = {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
    "additionalProperties": False,
}  # fmt: skip
ABOUT: Final = "The weather of a city."


class Caller(msgspec.Struct, frozen=True):
    """One dialect as its clients speak it; `{model}` and `{method}` may stand in its path."""

    name: str
    operation: Operation
    path: str
    key_header: str
    body: Mapping[str, Any]
    is_model_in_path: bool = False

    def ask(self, port: int, key: str, model: str, *, is_streamed: bool) -> WireAnswer:
        """One request on a connection of its own, and its whole answer."""
        body, path = dict(self.body), self.path
        if self.is_model_in_path:
            method = "streamGenerateContent?alt=sse&" if is_streamed else "generateContent?"
            # Google's older clients say the key in the query.
            path = path.replace("{model}", model).replace("{method}", method) + f"key={key}"
        else:
            body |= {"model": model, "stream": is_streamed}
        if is_streamed and self.operation is Operation.CHAT:
            body["stream_options"] = {"include_usage": True}
        value = f"Bearer {key}" if self.key_header == "authorization" else key
        headers = [("content-type", "application/json"), (self.key_header, value)]
        with WireConnection(port) as connection:
            connection.send(encode_request("POST", path, headers, json.dumps(body).encode()))
            return connection.read_answer()

    def read(self, answer: WireAnswer, *, is_streamed: bool) -> Answer:
        """What a good answer says."""
        said = FOLDS[self.name](read_events(answer.body)) if is_streamed else answer.json()
        return READERS[self.name](said)

    def read_error(self, document: Any) -> Mapping[str, Any]:
        """The error of this dialect, having checked its shape."""
        error = document["error"]
        if self.operation is Operation.MESSAGES:
            assert document["type"] == "error"
        if self.operation is Operation.GENERATE_CONTENT:
            assert isinstance(error["code"], int)
            assert error["status"].isupper()
        else:
            assert isinstance(error["type"], str)
        assert isinstance(error["message"], str)
        assert isinstance(error, dict)
        return error

    def find_broken_end(self, events: list[Any]) -> str:
        """The message of the error that ends a stream; nothing may come after it."""
        last = events[-1]
        if self.operation is Operation.RESPONSES:
            assert last["type"] in ("error", "response.failed"), last
            return str(next(e for e in events if e["type"] == "error")["message"])
        return str(self.read_error(last)["message"])


CALLERS: Final = (
    Caller(
        name="chat",
        operation=Operation.CHAT,
        path="/v1/chat/completions",
        key_header="authorization",
        body={
            "max_tokens": 100,
            "messages": [
                {"role": "system", "content": RULES},
                {"role": "user", "content": QUESTION},
            ],
            "tools": [{
                "type": "function",
                "function": {"name": TOOL, "description": ABOUT, "parameters": SCHEMA},
            }],
        },
    ),
    Caller(
        name="responses",
        operation=Operation.RESPONSES,
        path="/v1/responses",
        key_header="authorization",
        body={
            "max_output_tokens": 100, "instructions": RULES, "input": QUESTION,
            "tools": [{
                "type": "function", "name": TOOL, "description": ABOUT, "parameters": SCHEMA,
                "strict": False,
            }],
        },
    ),
    Caller(
        name="messages",
        operation=Operation.MESSAGES,
        path="/v1/messages",
        key_header="x-api-key",
        body={
            "max_tokens": 100, "system": RULES,
            "messages": [{"role": "user", "content": QUESTION}],
            "tools": [{"name": TOOL, "description": ABOUT, "input_schema": SCHEMA}],
        },
    ),
    Caller(
        name="gemini",
        operation=Operation.GENERATE_CONTENT,
        path="/v1beta/models/{model}:{method}",
        key_header="x-goog-api-key",
        is_model_in_path=True,
        body={
            "systemInstruction": {"parts": [{"text": RULES}]},
            "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
            "generationConfig": {"maxOutputTokens": 100},
            "tools": [{"functionDeclarations": [
                {"name": TOOL, "description": ABOUT, "parametersJsonSchema": SCHEMA},
            ]}],
        },
    ),
)  # fmt: skip
