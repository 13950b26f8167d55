"""OpenAI's SDK, its parsers and stream accumulators included, takes what the sandbox sends."""

import json
import math
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

MODEL = "gpt-4.1-mini"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
FLAT_WEATHER: Any = {"type": "function", **WEATHER["function"]}


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str
    tags: list[str]
    home: Address | None


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_chat_says_that_it_is_the_sandbox_and_reports_usage(openai_client: OpenAI) -> None:
    done = openai_client.chat.completions.create(model=MODEL, messages=say("Hello there"))
    assert done.model == MODEL
    assert "Nagara sandbox" in (done.choices[0].message.content or "")
    assert "Hello there" in (done.choices[0].message.content or "")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage
    assert done.usage.prompt_tokens == math.ceil(len("Hello there") / 4)


def test_chat_stream_accumulates_to_the_unstreamed_answer(openai_client: OpenAI) -> None:
    whole = openai_client.chat.completions.create(model=MODEL, messages=say("Hi"), n=2)
    with openai_client.chat.completions.stream(
        model=MODEL, messages=say("Hi"), n=2, stream_options={"include_usage": True}
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert [c.message.content for c in final.choices] == [c.message.content for c in whole.choices]
    assert [c.finish_reason for c in final.choices] == ["stop", "stop"]
    assert final.usage == whole.usage
    assert sum(event.type == "content.delta" for event in events) >= 6


def test_chat_stream_has_usage_only_when_asked(openai_client: OpenAI) -> None:
    chunks = list(
        openai_client.chat.completions.create(model=MODEL, messages=say("Hi"), stream=True)
    )
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("is_stream", [False, True])
def test_chat_tool_round_trip_ends_with_the_result(openai_client: OpenAI, is_stream: bool) -> None:
    messages = say('Please sandbox:call get_weather {"city": "Paris", "days": 3}')
    asked: Any
    if is_stream:
        with openai_client.chat.completions.stream(
            model=MODEL, messages=messages, tools=[WEATHER]
        ) as stream:
            asked = stream.get_final_completion().choices[0]
    else:
        asked = (
            openai_client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        ).choices[0]
    assert asked.finish_reason == "tool_calls"
    assert asked.message.content is None
    call = asked.message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Paris", "days": 3}
    messages.append(asked.message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "22 degrees"})
    ended = openai_client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert ended.choices[0].finish_reason == "stop"
    assert "The tool returned: 22 degrees" in (ended.choices[0].message.content or "")


def test_chat_parses_structured_output(openai_client: OpenAI) -> None:
    done = openai_client.chat.completions.parse(
        model=MODEL, messages=say("Who?"), response_format=Person
    )
    assert isinstance(done.choices[0].message.parsed, Person)


def test_chat_reasoning_is_counted(openai_client: OpenAI) -> None:
    done = openai_client.chat.completions.create(
        model=MODEL, messages=say("Hi"), reasoning_effort="low"
    )
    assert done.usage
    assert done.usage.completion_tokens_details
    assert (done.usage.completion_tokens_details.reasoning_tokens or 0) > 0


def test_responses_first_output_is_the_text(openai_client: OpenAI) -> None:
    done = openai_client.responses.create(model=MODEL, input="Say hello.")
    assert done.status == "completed"
    assert done.output[0].type == "message"
    assert "Say hello." in done.output_text
    assert done.usage
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


def test_responses_stream_is_numbered_and_accumulates(openai_client: OpenAI) -> None:
    asked: Any = {
        "model": MODEL,
        "input": "Hi",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    whole = openai_client.responses.create(**asked)
    with openai_client.responses.stream(**asked) as stream:
        events: list[Any] = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [item.type for item in final.output] == ["reasoning", "message"]
    reasoning: Any = whole.output[0]
    assert reasoning.encrypted_content
    assert reasoning.summary[0].text
    assert final.output_text == whole.output_text
    assert final.usage == whole.usage
    assert whole.usage
    assert whole.usage.output_tokens_details.reasoning_tokens > 0
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert len(deltas) > 2
    assert "".join(deltas) == whole.output_text
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("is_stream", [False, True])
def test_responses_tool_round_trip(openai_client: OpenAI, is_stream: bool) -> None:
    custom: Any = {"type": "custom", "name": "apply_patch"}
    items = say("sandbox:call get_weather and sandbox:call apply_patch *** Begin Patch")
    asked: Any = {"model": MODEL, "input": items, "tools": [FLAT_WEATHER, custom]}
    output: Any
    if is_stream:
        with openai_client.responses.stream(**asked) as stream:
            output = stream.get_final_response().output
    else:
        output = openai_client.responses.create(**asked).output
    assert [item.type for item in output] == ["function_call", "custom_tool_call"]
    assert json.loads(output[0].arguments)["days"] >= 2
    assert output[1].input == "*** Begin Patch"
    items += [item.model_dump(exclude_none=True) for item in output]
    items += [
        {"type": "function_call_output", "call_id": output[0].call_id, "output": "sunny"},
        {"type": "custom_tool_call_output", "call_id": output[1].call_id, "output": "patched"},
    ]
    ended = openai_client.responses.create(**asked)
    assert "The tool returned: sunny patched" in ended.output_text


def test_responses_parse_structured_output(openai_client: OpenAI) -> None:
    done = openai_client.responses.parse(model=MODEL, input="Who?", text_format=Person)
    assert isinstance(done.output_parsed, Person)


def test_responses_cut_at_the_limit_is_incomplete(openai_client: OpenAI) -> None:
    with openai_client.responses.stream(model=MODEL, input="Hi", max_output_tokens=5) as stream:
        events = list(stream)
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.usage
    assert last.response.usage.output_tokens == 5


def test_embeddings_decode_from_base64(openai_client: OpenAI) -> None:
    # The SDK asks for base64 by itself.
    done = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["a cat", "a dog"], dimensions=64
    )
    plain = openai_client.embeddings.create(
        model="text-embedding-3-small", input="a cat", dimensions=64, encoding_format="float"
    )
    assert [len(item.embedding) for item in done.data] == [64, 64]
    assert done.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert done.usage.prompt_tokens == 4


def test_moderations_give_every_category(openai_client: OpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "I will stab them"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    done = openai_client.moderations.create(model="omni-moderation-latest", input=parts)
    assert len(done.results) == 1
    assert done.results[0].flagged
    assert done.results[0].categories.violence
    assert done.results[0].category_applied_input_types.violence == ["text", "image"]
    assert done.results[0].category_scores.hate < 0.5


def test_a_bad_request_is_the_sdks_own_error(openai_client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages") as caught:
        openai_client.chat.completions.create(model=MODEL, messages=[])
    assert caught.value.param == "messages"


def test_429_is_the_sdks_rate_limit_error(openai_client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client.chat.completions.create(model=f"{MODEL}:fail-429", messages=say("Hi"))
    assert caught.value.response.headers["retry-after"] == "1"


def test_a_cut_stream_is_a_connection_error(openai_client: OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model=MODEL, messages=say("sandbox:cut-stream please"), stream=True
    )
    with pytest.raises(openai.APIConnectionError):
        list(stream)


def test_malformed_bytes_do_not_parse(openai_client: OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model=f"{MODEL}:malformed", messages=say("Hi"), stream=True
    )
    with pytest.raises(ValueError):
        list(stream)
