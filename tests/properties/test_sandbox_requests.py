"""Whatever is sent, the sandbox answers in its API's own words: no exception, no broken JSON."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Script

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]
TOOL = {"type": "object", "properties": {"a": {"type": "string"}}}
CALL = "sandbox:call f {} sandbox:fail-429"
BODIES: dict[Operation, dict[str, Any]] = {
    Operation.CHAT: {
        "messages": [
            {"role": "system", "content": "Be"},
            {"role": "user", "content": [{"type": "text", "text": CALL}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
            {"role": "user", "content": CALL},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": TOOL}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["x"],
        "n": 2,
        "max_tokens": 9,
        "reasoning_effort": "low",
    },
    Operation.RESPONSES: {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": CALL}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_image"}]},
            {"type": "local_shell_call_output", "id": "1", "output": "x"},
            {"role": "user", "content": CALL + " sandbox:call local_shell"},
        ],
        "instructions": "Be",
        "tools": [
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "g"}]},
            {"type": "function", "name": "f", "parameters": TOOL},
            {"type": "local_shell"},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": TOOL}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "stream": True,
        "max_output_tokens": 9,
    },
    Operation.MESSAGES: {
        "max_tokens": 3000,
        "system": [{"type": "text", "text": "Be"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": CALL}]},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
            {"role": "user", "content": CALL},
        ],
        "tools": [{"name": "f", "input_schema": TOOL}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"format": {"type": "json_schema", "schema": TOOL}},
        "context_management": {},
        "stop_sequences": ["x"],
        "stream": True,
    },
    Operation.EMBEDDINGS: {"input": ["a", "b"], "dimensions": 8, "encoding_format": "base64"},
    Operation.MODERATIONS: {"input": [{"type": "image_url", "image_url": {"url": "x"}}]},
    Operation.IMAGES: {"prompt": "a", "n": 2, "size": "32x16", "output_format": "webp"},
    Operation.SPEECH: {"input": "a", "voice": "b", "response_format": "wav", "speed": 1},
    Operation.TRANSCRIPTIONS: {
        "heard": {"ms": 1500, "text": "One. Two!"},
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "temperature": "0.5",
    },
    Operation.TRANSLATIONS: {"heard": {"ms": 9, "text": None}, "stream": "true"},
}
BODIES[Operation.COUNT_TOKENS] = BODIES[Operation.MESSAGES]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "role", "content", "name"]), inner)
    ),
    max_leaves=6,
)
OPERATIONS = st.sampled_from(sorted(BODIES))


def write(operation: Operation, body: bytes) -> Script:
    return write_script(operation, "m", body, now_s=1, request_id="r")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += [(*path, key), *places(value[key], (*path, key))]
    return found


def replace(body: Any, path: tuple[Any, ...], value: Any, *, is_dropped: bool) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if is_dropped and inner:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def check(script: Script) -> None:
    assert script.status in (200, 400, 429)
    body = b"".join(step for step in script.steps if isinstance(step, bytes))
    if dict(script.headers)[b"content-type"] == b"application/json":
        answer = json.loads(body)
        assert script.status == 200 or answer["error"]["message"]
    else:
        for line in body.splitlines():
            if line.startswith(b"data: {"):
                json.loads(line[6:])


@settings(max_examples=600, deadline=None, suppress_health_check=CALM)
@given(OPERATIONS, st.data())
def test_a_request_with_something_wrong_in_it_is_answered(
    operation: Operation, data: st.DataObject
) -> None:
    body: Any = BODIES[operation]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(body) or [("input",)]))
        body = replace(body, path, data.draw(VALUES), is_dropped=data.draw(st.booleans()))
    check(write(operation, json.dumps(body).encode()))


@settings(max_examples=150, deadline=None, suppress_health_check=CALM)
@given(OPERATIONS, st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_answered(operation: Operation, body: bytes) -> None:
    assert write(operation, body).status == 400


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_the_unspoilt_request_is_heeded(operation: Operation) -> None:
    script = write(operation, json.dumps(BODIES[operation]).encode())
    asks_to_fail = CALL in str(BODIES[operation])
    assert script.status == (429 if asks_to_fail else 200)


@pytest.mark.parametrize("operation", sorted(BODIES))
@pytest.mark.parametrize("opening", [b'{"messages":', b'{"input":', b'{"tools":', b""])
def test_deep_nesting_is_refused(operation: Operation, opening: bytes) -> None:
    closing = b"}" if opening else b""
    for depth in (120, 900, 50_000):
        body = opening + b"[" * depth + b"]" * depth + closing
        assert write(operation, body).status == 400
        body = opening + b'{"a":' * depth + b"1" + b"}" * depth + closing
        assert write(operation, body).status == 400


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_the_same_request_has_the_same_answer(operation: Operation) -> None:
    body = json.dumps(BODIES[operation]).encode()
    assert write(operation, body) == write(operation, body)
