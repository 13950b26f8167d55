"""Anthropic's SDK and its stream accumulator take what the sandbox sends."""

from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from pydantic import BaseModel

MODEL = "claude-sonnet-4.5"
READ: Any = {
    "name": "Read",
    "description": "Read a file",
    "input_schema": {
        "type": "object",
        "properties": {"path": {"type": "string", "minLength": 3}},
        "required": ["path"],
    },
}


class City(BaseModel):
    name: str
    population: int


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_message_says_that_it_is_the_sandbox(anthropic_client: Anthropic) -> None:
    done = anthropic_client.messages.create(model=MODEL, max_tokens=200, messages=say("Hello"))
    assert done.content[0].type == "text"
    assert "Nagara sandbox" in done.content[0].text
    assert done.stop_reason == "end_turn"
    assert done.usage.input_tokens == 2


def test_stream_accumulates_to_the_unstreamed_message(anthropic_client: Anthropic) -> None:
    asked: Any = {
        "model": MODEL,
        "max_tokens": 4000,
        "messages": say("Hello"),
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    whole = anthropic_client.messages.create(**asked)
    with anthropic_client.messages.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.to_dict()["content"] == whole.to_dict()["content"]
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert whole.usage.output_tokens_details
    assert whole.usage.output_tokens_details.thinking_tokens > 0
    assert sum(event.type == "text" for event in events) > 2


@pytest.mark.parametrize("is_stream", [False, True])
def test_tool_round_trip(anthropic_client: Anthropic, is_stream: bool) -> None:
    messages = say('sandbox:call Read {"path": "/etc/hosts"} and sandbox:call Read')
    asked: Any = {"model": MODEL, "max_tokens": 500, "messages": messages, "tools": [READ]}
    done: Any
    if is_stream:
        with anthropic_client.messages.stream(**asked) as stream:
            done = stream.get_final_message()
    else:
        done = anthropic_client.messages.create(**asked)
    assert done.stop_reason == "tool_use"
    assert [block.type for block in done.content] == ["tool_use", "tool_use"]
    assert done.content[0].input == {"path": "/etc/hosts"}
    assert len(done.content[1].input["path"]) >= 3
    messages.append({"role": "assistant", "content": done.content})
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "127.0.0.1"}
        for block in done.content
    ]
    reminder = {"type": "text", "text": "<system-reminder>sandbox:call Read</system-reminder>"}
    messages.append({"role": "user", "content": [*results, reminder]})
    ended = anthropic_client.messages.create(**asked)
    assert ended.stop_reason == "end_turn"
    assert ended.content[0].type == "text"
    assert "The tool returned: 127.0.0.1" in ended.content[0].text


def test_structured_output_parses(anthropic_client: Anthropic) -> None:
    done = anthropic_client.messages.parse(
        model=MODEL, max_tokens=500, messages=say("Which city?"), output_format=City
    )
    assert isinstance(done.parsed_output, City)


def test_stop_sequence_ends_the_text(anthropic_client: Anthropic) -> None:
    done = anthropic_client.messages.create(
        model=MODEL, max_tokens=500, messages=say("x"), stop_sequences=["no model", "sandbox"]
    )
    assert done.content[0].type == "text"
    assert done.content[0].text == "This is the Nagara "
    assert (done.stop_reason, done.stop_sequence) == ("stop_sequence", "sandbox")


def test_counted_tokens_are_those_that_are_charged(anthropic_client: Anthropic) -> None:
    asked: Any = {"model": MODEL, "messages": say("Count me"), "tools": [READ], "system": "Be."}
    counted = anthropic_client.messages.count_tokens(**asked)
    used = anthropic_client.messages.create(max_tokens=50, **asked)
    assert counted.input_tokens == used.usage.input_tokens


def test_a_bad_request_is_the_sdks_own_error(anthropic_client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="messages: at least one"):
        anthropic_client.messages.create(model=MODEL, max_tokens=5, messages=[])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("fail-429", anthropic.RateLimitError),
        ("fail-500", anthropic.InternalServerError),
        ("fail-503", anthropic.InternalServerError),
    ],
)
def test_failures_are_the_sdks_own_errors(
    anthropic_client: Anthropic, fault: str, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as caught:
        anthropic_client.messages.create(
            model=MODEL, max_tokens=5, messages=say(f"sandbox:{fault}")
        )
    assert caught.value.status_code == int(fault[-3:])
