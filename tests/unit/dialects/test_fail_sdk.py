"""How a stream fails, as the official SDKs read it from a real server: they raise, or say so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import anthropic
import openai
import pytest
from tests.fakes import FakeUpstream, Peer
from tests.unit.dialects.test_streams import WHOLE

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.dialects.base import ForwardedStream, cut_stream

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@asynccontextmanager
async def failing_server(dialect: ModuleType, name: str, count: int) -> AsyncIterator[str]:
    """The base URL of a server that sends `count` events of a stream and then our failure."""
    stream: ForwardedStream = dialect.forward_stream(10_000, None, hides_usage=False)
    body = b"".join(stream.feed(event) for event in WHOLE[name][1][:count])
    body += stream.fail(cut_stream(), "req_1")

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(body, b"content-type: text/event-stream")

    async with FakeUpstream(script) as upstream:
        yield upstream.url


@pytest.mark.parametrize("count", [0, 2])
async def test_chat_sdk_raises_what_was_said(count: int) -> None:
    async with (
        failing_server(openai_chat, "chat", count) as url,
        openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client,
    ):
        stream: Any = await client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        with pytest.raises(openai.APIError, match="before the answer was complete") as caught:
            async for _ in stream:
                pass
    assert caught.value.code == "upstream_cut"


@pytest.mark.parametrize("count", [0, 2])
async def test_responses_sdk_reads_error_and_failed_response(count: int) -> None:
    async with (
        failing_server(openai_responses, "responses", count) as url,
        openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client,
    ):
        stream: Any = await client.responses.create(model="m", input="Hi", stream=True)
        events = [event async for event in stream]
    error, failed = events[-2:]
    assert error.type == "error"
    assert "before the answer was complete" in error.message
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error is not None
    assert [e.sequence_number for e in events] == list(range(count + 2))


@pytest.mark.parametrize("count", [0, 4])
async def test_messages_sdk_raises_what_was_said(count: int) -> None:
    async with (
        failing_server(anthropic_messages, "messages", count) as url,
        anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0) as client,
    ):
        stream: Any = await client.messages.create(
            model="m",
            max_tokens=5,
            messages=MESSAGES,
            stream=True,
        )
        with pytest.raises(anthropic.APIStatusError, match="before the answer was") as caught:
            async for _ in stream:
                pass
    assert caught.value.body == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": cut_stream().message,
            "code": "upstream_cut",
        },
        "request_id": "req_1",
    }
