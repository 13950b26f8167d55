"""What a program written with the official SDKs does, whatever answers behind the gateway.

A test module takes `SdkScenarios` as the base of a test class and gives it the fixtures `gateway`
and `upstream`. The prompts are worded so that the sandbox and the fixtures of `aimock.json` both
know what to do; what an answer must hold is the same for both but for one word.
"""

import asyncio
import json
from typing import Any, Final, NamedTuple

import anthropic
import openai
import pydantic
import pytest

from tests.system.gateway import GatewayProcess

CHAT_MODEL: Final = "gpt-4.1-mini"
CLAUDE_MODEL: Final = "claude-sonnet-5"
EMBEDDING_MODEL: Final = "text-embedding-3-small"
MODERATION_MODEL: Final = "omni-moderation-latest"

PARALLEL: Final = 30

GREETING: Final = "Say hello."
WEATHER: Final = 'How is the weather? sandbox:call get_weather {"city": "Paris"}'
WEATHER_RESULT: Final = "sunny and 21 degrees"
WEATHER_DESCRIPTION: Final = "The weather of a city, now."
WEATHER_SCHEMA: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Upstream(NamedTuple):
    """How to tell who answered: a word of its text, and the names the gateway gives it."""

    word: str
    openai_provider: str
    anthropic_provider: str


class Person(pydantic.BaseModel):
    """What the structured answers must be."""

    name: str
    age: int


class ChatScenarios:
    """OpenAI's Chat Completions."""

    def test_chat_answers(self, openai_client: openai.OpenAI, upstream: Upstream) -> None:
        raw = openai_client.chat.completions.with_raw_response.create(
            model=CHAT_MODEL, messages=[{"role": "user", "content": GREETING}]
        )
        completion = raw.parse()
        assert upstream.word in str(completion.choices[0].message.content)
        assert completion.choices[0].finish_reason == "stop"
        assert completion.model == CHAT_MODEL
        assert completion.usage is not None
        assert completion.usage.total_tokens > 0
        assert raw.headers["x-nagara-provider"] == upstream.openai_provider
        assert raw.headers["x-request-id"]

    def test_chat_streams_what_it_answers(
        self, openai_client: openai.OpenAI, upstream: Upstream
    ) -> None:
        chunks = list(
            openai_client.chat.completions.create(
                model=CHAT_MODEL,
                messages=[{"role": "user", "content": GREETING}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        pieces = [
            choice.delta.content
            for chunk in chunks
            for choice in chunk.choices
            if choice.delta.content
        ]
        assert len(pieces) > 1
        assert upstream.word in "".join(pieces)
        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None
        assert {chunk.model for chunk in chunks} == {CHAT_MODEL}

    def test_chat_stream_has_no_usage_unasked(self, openai_client: openai.OpenAI) -> None:
        stream = openai_client.chat.completions.create(
            model=CHAT_MODEL, messages=[{"role": "user", "content": GREETING}], stream=True
        )
        chunks = list(stream)
        assert all(chunk.choices for chunk in chunks)
        assert all(chunk.usage is None for chunk in chunks)

    def test_chat_calls_a_tool_and_takes_up_its_result(self, openai_client: openai.OpenAI) -> None:
        messages: list[Any] = [{"role": "user", "content": WEATHER}]
        tools: Any = [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": WEATHER_DESCRIPTION,
                    "parameters": WEATHER_SCHEMA,
                },
            }
        ]
        asked = openai_client.chat.completions.create(
            model=CHAT_MODEL, messages=messages, tools=tools
        )
        assert asked.choices[0].finish_reason == "tool_calls"
        [call] = asked.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert json.loads(call.function.arguments) == {"city": "Paris"}

        messages.append(asked.choices[0].message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": WEATHER_RESULT})
        told = openai_client.chat.completions.create(
            model=CHAT_MODEL, messages=messages, tools=tools
        )
        assert WEATHER_RESULT in str(told.choices[0].message.content)

    def test_chat_parses_into_a_given_type(self, openai_client: openai.OpenAI) -> None:
        completion = openai_client.chat.completions.parse(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "Ada, as JSON"}],
            response_format=Person,
        )
        assert isinstance(completion.choices[0].message.parsed, Person)


class ResponsesScenarios:
    """OpenAI's Responses."""

    def test_response_answers(self, openai_client: openai.OpenAI, upstream: Upstream) -> None:
        raw = openai_client.responses.with_raw_response.create(model=CHAT_MODEL, input=GREETING)
        response = raw.parse()
        assert upstream.word in response.output_text
        assert response.status == "completed"
        assert response.model == CHAT_MODEL
        assert response.usage is not None
        assert response.usage.total_tokens > 0
        assert raw.headers["x-nagara-provider"] == upstream.openai_provider

    def test_response_streams_what_it_answers(
        self, openai_client: openai.OpenAI, upstream: Upstream
    ) -> None:
        with openai_client.responses.stream(model=CHAT_MODEL, input=GREETING) as stream:
            events = list(stream)
            final = stream.get_final_response()
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert len(deltas) > 1
        assert "".join(deltas) == final.output_text
        assert upstream.word in final.output_text
        assert events[0].type == "response.created"
        assert events[-1].type == "response.completed"

    def test_response_calls_a_tool_and_takes_up_its_result(
        self, openai_client: openai.OpenAI
    ) -> None:
        items: list[Any] = [{"role": "user", "content": WEATHER}]
        tools: Any = [
            {
                "type": "function",
                "name": "get_weather",
                "description": WEATHER_DESCRIPTION,
                "parameters": WEATHER_SCHEMA,
                "strict": True,
            }
        ]
        asked = openai_client.responses.create(model=CHAT_MODEL, input=items, tools=tools)
        [call] = [item for item in asked.output if item.type == "function_call"]
        assert json.loads(call.arguments) == {"city": "Paris"}

        items.append(call.model_dump(exclude_none=True))
        items.append(
            {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER_RESULT}
        )
        told = openai_client.responses.create(model=CHAT_MODEL, input=items, tools=tools)
        assert WEATHER_RESULT in told.output_text

    def test_response_parses_into_a_given_type(self, openai_client: openai.OpenAI) -> None:
        response = openai_client.responses.parse(
            model=CHAT_MODEL, input="Ada, as JSON", text_format=Person
        )
        assert isinstance(response.output_parsed, Person)


class MessagesScenarios:
    """Anthropic's Messages."""

    def test_message_answers(
        self, anthropic_client: anthropic.Anthropic, upstream: Upstream
    ) -> None:
        raw = anthropic_client.messages.with_raw_response.create(
            model=CLAUDE_MODEL,
            max_tokens=200,
            messages=[{"role": "user", "content": GREETING}],
        )
        message = raw.parse()
        assert upstream.word in read_text(message)
        assert message.stop_reason == "end_turn"
        assert message.model == CLAUDE_MODEL
        assert message.usage.output_tokens > 0
        assert raw.headers["x-nagara-provider"] == upstream.anthropic_provider

    def test_message_streams_what_it_answers(
        self, anthropic_client: anthropic.Anthropic, upstream: Upstream
    ) -> None:
        with anthropic_client.messages.stream(
            model=CLAUDE_MODEL,
            max_tokens=200,
            messages=[{"role": "user", "content": GREETING}],
        ) as stream:
            pieces = list(stream.text_stream)
            message = stream.get_final_message()
        assert len(pieces) > 1
        assert "".join(pieces) == read_text(message)
        assert upstream.word in read_text(message)
        assert message.model == CLAUDE_MODEL
        assert message.stop_reason == "end_turn"

    def test_message_calls_a_tool_and_takes_up_its_result(
        self, anthropic_client: anthropic.Anthropic
    ) -> None:
        messages: list[Any] = [{"role": "user", "content": WEATHER}]
        tools: Any = [
            {
                "name": "get_weather",
                "description": WEATHER_DESCRIPTION,
                "input_schema": WEATHER_SCHEMA,
            }
        ]
        asked = anthropic_client.messages.create(
            model=CLAUDE_MODEL, max_tokens=200, messages=messages, tools=tools
        )
        assert asked.stop_reason == "tool_use"
        [call] = [block for block in asked.content if block.type == "tool_use"]
        assert call.input == {"city": "Paris"}

        result = {"type": "tool_result", "tool_use_id": call.id, "content": WEATHER_RESULT}
        messages.append({"role": "assistant", "content": asked.model_dump()["content"]})
        messages.append({"role": "user", "content": [result]})
        told = anthropic_client.messages.create(
            model=CLAUDE_MODEL, max_tokens=200, messages=messages, tools=tools
        )
        assert WEATHER_RESULT in read_text(told)


class OtherScenarios:
    """Embeddings, moderations, models, and what a wrong key and a wrong name are told."""

    def test_embeddings_keep_order_and_size(self, openai_client: openai.OpenAI) -> None:
        result = openai_client.embeddings.create(
            model=EMBEDDING_MODEL, input=["one text", "and another"]
        )
        assert [item.index for item in result.data] == [0, 1]
        assert {len(item.embedding) for item in result.data} == {1536}
        assert result.data[0].embedding != result.data[1].embedding

    def test_moderation_lets_a_greeting_pass(self, openai_client: openai.OpenAI) -> None:
        result = openai_client.moderations.create(model=MODERATION_MODEL, input=GREETING)
        assert [item.flagged for item in result.results] == [False]

    def test_models_are_listed_and_retrieved(self, openai_client: openai.OpenAI) -> None:
        names = {model.id for model in openai_client.models.list()}
        assert {CHAT_MODEL, CLAUDE_MODEL, EMBEDDING_MODEL} <= names
        assert openai_client.models.retrieve(CHAT_MODEL).id == CHAT_MODEL

    def test_wrong_key_is_an_authentication_error_in_both_sdks(
        self, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
    ) -> None:
        with pytest.raises(openai.AuthenticationError):
            openai_client.with_options(api_key="ng-wrong").responses.create(
                model=CHAT_MODEL, input=GREETING
            )
        with pytest.raises(anthropic.AuthenticationError):
            anthropic_client.with_options(api_key="ng-wrong").messages.create(
                model=CLAUDE_MODEL,
                max_tokens=10,
                messages=[{"role": "user", "content": GREETING}],
            )

    def test_unknown_model_is_not_found_and_the_nearest_is_named(
        self, openai_client: openai.OpenAI
    ) -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            openai_client.responses.create(model="gpt-4.1-mimi", input=GREETING)
        assert CHAT_MODEL in caught.value.message

    async def test_many_streams_at_once_are_each_whole(
        self, gateway: GatewayProcess, upstream: Upstream
    ) -> None:
        async def read_stream(client: openai.AsyncOpenAI) -> str:
            async with client.responses.stream(model=CHAT_MODEL, input=GREETING) as stream:
                return (await stream.get_final_response()).output_text

        async with openai.AsyncOpenAI(
            base_url=gateway.openai_url, api_key=gateway.key, max_retries=0
        ) as client:
            texts = await asyncio.gather(*(read_stream(client) for _ in range(PARALLEL)))
        assert len(set(texts)) == 1
        assert upstream.word in texts[0]


class SdkScenarios(ChatScenarios, ResponsesScenarios, MessagesScenarios, OtherScenarios):
    """All of them."""


def read_text(message: anthropic.types.Message) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")
