"""Faults: each one by suffix and by prompt, on every API, and as the documentation lists them."""

import json
from pathlib import Path
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.faults import FAULTS, find_fault, split_fault
from nagara.sandbox.operations import write_script
from nagara.sandbox.script import Cut, Pause, Script

DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"
SAID = {
    Operation.CHAT: {"messages": [{"role": "user", "content": "PROMPT"}], "stream": True},
    Operation.RESPONSES: {"input": "PROMPT", "stream": True},
    Operation.MESSAGES: {
        "messages": [{"role": "user", "content": "PROMPT"}],
        "max_tokens": 100,
        "stream": True,
    },
    Operation.COUNT_TOKENS: {"messages": [{"role": "user", "content": "PROMPT"}]},
    Operation.EMBEDDINGS: {"input": ["one", "PROMPT"], "dimensions": 8},
    Operation.MODERATIONS: {"input": "PROMPT"},
    Operation.IMAGES: {"prompt": "PROMPT", "size": "32x16", "stream": True, "partial_images": 1},
    Operation.SPEECH: {"input": "PROMPT", "voice": "alloy", "response_format": "wav"},
    Operation.TRANSCRIPTIONS: {"heard": {"ms": 1000, "text": "PROMPT"}},
    Operation.TRANSLATIONS: {"heard": {"ms": 1000, "text": "PROMPT"}},
}


def write(operation: Operation, model: str, prompt: str) -> Script:
    body = json.dumps(SAID[operation]).replace("PROMPT", prompt).encode()
    return write_script(operation, model, body, now_s=0, request_id="r")


def body_of(script: Script) -> bytes:
    return b"".join(step for step in script.steps if isinstance(step, bytes))


@pytest.mark.parametrize("operation", SAID)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_suffix_and_prompt_do_the_same(operation: Operation, fault: Any) -> None:
    plain = write(operation, "m", "Hello")
    by_suffix = write(operation, f"m:{fault.name}", "Hello")
    by_prompt = write(operation, "m", f"Please sandbox:{fault.name}, thanks")
    assert by_suffix != plain
    assert (by_suffix.status, by_suffix.delay_s) == (by_prompt.status, by_prompt.delay_s)
    assert [type(step) for step in by_suffix.steps[:3]] == [
        type(step) for step in by_prompt.steps[:3]
    ]


@pytest.mark.parametrize("operation", SAID)
def test_each_fault_does_what_it_says(operation: Operation) -> None:
    plain = write(operation, "m", "Hello")
    scripts = {fault.name: write(operation, f"m:{fault.name}", "Hello") for fault in FAULTS}
    for name in ("fail-429", "fail-500", "fail-503"):
        assert scripts[name].status == int(name[-3:])
        assert json.loads(body_of(scripts[name]))["error"]["type"]
    assert dict(scripts["fail-429"].headers)[b"retry-after"] == b"1"
    assert any(b"ratelimit" in name for name, _ in scripts["fail-429"].headers)
    assert scripts["slow-first-byte"].delay_s > 1
    assert body_of(scripts["slow-first-byte"]) == body_of(plain)
    assert any(isinstance(step, Pause) for step in scripts["slow-stream"].steps)
    assert body_of(scripts["slow-stream"]) == body_of(plain)
    assert scripts["cut-stream"].steps[-1] == Cut()
    assert len(scripts["cut-stream"].steps) > 1
    assert body_of(plain).startswith(body_of(scripts["cut-stream"]))
    assert b"malformed" in body_of(scripts["malformed"])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4.1:fail-429", ("gpt-4.1", "fail-429")),
        ("llama3:8b:slow-stream", ("llama3:8b", "slow-stream")),
        ("llama3:8b", ("llama3:8b", None)),
        (":malformed", (":malformed", None)),
        ("gpt-4.1:fail-418", ("gpt-4.1:fail-418", None)),
        ("", ("", None)),
    ],
)
def test_only_known_suffixes_are_taken_off(model: str, expected: tuple[str, str | None]) -> None:
    name, fault = split_fault(model)
    assert (name, fault and fault.name) == expected


def test_the_first_known_directive_in_a_text_counts() -> None:
    fault = find_fault("sandbox:call x sandbox:nothing sandbox:fail-503 sandbox:fail-429")
    assert fault is not None
    assert fault.name == "fail-503"


def test_an_agents_second_turn_is_not_failed_by_its_first_prompt() -> None:
    messages = [
        {"role": "user", "content": "sandbox:fail-500"},
        {"role": "assistant", "content": "Sorry"},
        {"role": "user", "content": "Again"},
    ]
    body = json.dumps({"messages": messages}).encode()
    assert write_script(Operation.CHAT, "m", body, now_s=0, request_id="r").status == 200


def test_the_document_lists_the_faults_as_they_are() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `:")
    ]
    assert rows == [(f"`:{f.name}`", f"`sandbox:{f.name}`", f.effect) for f in FAULTS]
