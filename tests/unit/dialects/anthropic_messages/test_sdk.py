"""What the official SDK makes of our answers: the same, streamed and not."""

from collections.abc import Sequence
from typing import Any

import anthropic
import pytest
from tests.fakes import FakeUpstream, Peer
from tests.unit.dialects.anthropic_messages.messages_requests import frame

from nagara.dialects import anthropic_messages
from nagara.domain.events import Choice, FinishReason, Response, unfold
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Source,
    Text,
    ToolCall,
)
from nagara.domain.usage import Meter, Usage

ANSWERS: dict[str, Sequence[Part]] = {
    "text": [Text("Hello")],
    "nothing": [],
    "refusal": [Refusal("No.")],
    "parallel calls": [
        Text("Both."),
        ToolCall(id="c0", name="f", arguments='{"a":[1,{"b":"ü"}]}'),
        ToolCall(id="c1", name="g"),
        ToolCall(id="c2", name="h", arguments="{}", signature=Signature("s", "google")),
    ],
    "reasoning": [
        Reasoning(text="Hm.", signature=Signature("sealed", "openai")),
        Reasoning(signature=Signature("secret", "openai")),
        Reasoning(text="Aloud."),
        Reasoning(signature=Signature("hidden", "x"), is_redacted=True),
        Reasoning(),
        Text("So."),
    ],
    "search": [
        HostedCall(
            id="w", kind=HostedKind.WEB_SEARCH, name="web_search", arguments='{"query":"q"}'
        ),
        HostedResult(
            call_id="w",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            sources=(Source("https://a", "A"),),
        ),
        Text("Found.", (Citation(kind=CitationKind.URL, url="https://a", title="A"),)),
    ],
    "code": [
        HostedCall(id="x", kind=HostedKind.CODE_EXECUTION, name="python", arguments='{"code":"1"}'),
        HostedResult(call_id="x", kind=HostedKind.CODE_EXECUTION, name="python", output="1"),
    ],
}
USAGE = Usage(
    {Meter.INPUT: 7, Meter.CACHE_READ: 5, Meter.OUTPUT: 3, Meter.REASONING: 2, Meter.SEARCHES: 1}
)


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_sdk_comes_to_the_same_message_streamed_and_not(name: str) -> None:
    choice = Choice(parts=tuple(ANSWERS[name]), finish=FinishReason.STOP, stop_sequence="END")
    response = Response(dialect="openai_responses", choices=(choice,), usage=USAGE)
    whole = anthropic_messages.encode_response(response, frame()).body
    encoder = anthropic_messages.encode_stream(frame())
    stream = b"".join(encoder.encode(event) for event in unfold(response))

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            is_streamed = b'"stream":true' in request.body.replace(b" ", b"")
            kind = b"text/event-stream" if is_streamed else b"application/json"
            await peer.answer(stream if is_streamed else whole, b"content-type: " + kind)

    asked: dict[str, Any] = {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    async with (
        FakeUpstream(script) as upstream,
        anthropic.AsyncAnthropic(api_key="x", base_url=upstream.url, max_retries=0) as client,
    ):
        unstreamed = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as streamed:
            final = await streamed.get_final_message()
    assert final.to_dict(warnings=False) == unstreamed.to_dict(warnings=False)
    assert unstreamed.usage.input_tokens == 7
    assert unstreamed.usage.output_tokens == 5
