"""Answers of other dialects, as events, and the official SDK's reading of what becomes of them."""

from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec
import openai
from openai.types.responses import Response as SdkResponse

from nagara.dialects.codec import Frame
from nagara.dialects.openai_responses import encode_response, encode_stream
from nagara.domain.events import (
    Began,
    ChoiceEnded,
    Ended,
    Event,
    FinishReason,
    PartAmended,
    PartBegan,
    PartDelta,
    PartEnded,
    UsageReported,
    fold,
)
from nagara.domain.messages import (
    Citation,
    CitationKind,
    FunctionTool,
    HostedCall,
    HostedKind,
    HostedResult,
    Reasoning,
    Refusal,
    Request,
    Signature,
    Source,
    Text,
    ToolCall,
    ToolKind,
)
from nagara.domain.usage import Meter, make_usage

REQUEST = Request(
    dialect="openai_responses",
    model="m",
    messages=(),
    tools=(FunctionTool(name="f", parameters=msgspec.Raw(b'{"type":"object"}')),),
)
BEGAN = Began(dialect="anthropic_messages", id="x", model="claude")
USAGE = make_usage((Meter.INPUT, 5), (Meter.CACHE_READ, 3), (Meter.OUTPUT, 7), (Meter.REASONING, 2))
RAW = msgspec.Raw(b'{"type":"server_tool_use","id":"s1"}')


def make_frame(request: Request = REQUEST) -> Frame:
    return Frame(request=request, model="m", seed="0123", created_s=1_700_000_000)


def end(finish: FinishReason, *, choice: int = 0) -> list[Event]:
    return [ChoiceEnded(finish=finish, choice=choice), UsageReported(USAGE), Ended()]


PAGE = Citation(kind=CitationKind.URL, url="https://a", title="A", start=0, end=2)
WHOLE_PAGE = Citation(kind=CitationKind.URL, url="https://b")

TEXT: list[Event] = [
    BEGAN,
    PartBegan(0, Text("")),
    PartDelta(0, "Hel"),
    PartDelta(0, "lo"),
    PartEnded(0),
    *end(FinishReason.STOP),
]
REASONING: list[Event] = [
    BEGAN,
    PartBegan(0, Reasoning()),
    PartDelta(0, "I th"),
    PartDelta(0, "ink"),
    PartAmended(index=0, signature=Signature("sig", "anthropic")),
    PartEnded(0),
    PartBegan(1, Reasoning(signature=Signature("hidden", "anthropic"), is_redacted=True)),
    PartEnded(1),
    PartBegan(2, Text("")),
    PartDelta(2, "So."),
    PartEnded(2),
    *end(FinishReason.STOP),
]
CALLS: list[Event] = [
    BEGAN,
    PartBegan(0, Text("")),
    PartDelta(0, "Now"),
    PartEnded(0),
    PartBegan(1, ToolCall(id="c1", name="f", namespace="ns")),
    PartDelta(1, '{"a":'),
    PartEnded(1),
    PartBegan(2, ToolCall(id="c2", name="f", signature=Signature("g", "google"))),
    PartDelta(2, "{}"),
    # A provider that writes its calls in turns.
    PartDelta(1, "1}"),
    PartEnded(2),
    PartBegan(3, ToolCall(id="c3", name="g", kind=ToolKind.CUSTOM)),
    PartDelta(3, "free"),
    PartEnded(3),
    PartBegan(4, ToolCall(id="c4", name="f")),
    PartEnded(4),
    *end(FinishReason.TOOL_CALLS),
]
REFUSAL: list[Event] = [
    BEGAN,
    PartBegan(0, Refusal("")),
    PartDelta(0, "No."),
    PartEnded(0),
    *end(FinishReason.REFUSAL),
]
SEARCH: list[Event] = [
    BEGAN,
    PartBegan(
        0,
        HostedCall(
            id="s1",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            arguments='{"query":"q"}',
            dialect="anthropic_messages",
            raw=RAW,
        ),
    ),
    PartEnded(0),
    PartBegan(
        1,
        HostedResult(
            call_id="s1",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            sources=(Source("https://a", "A"),),
            dialect="anthropic_messages",
            raw=RAW,
        ),
    ),
    PartEnded(1),
    PartBegan(2, Text("")),
    PartAmended(index=2, citation=WHOLE_PAGE),
    PartDelta(2, "ab"),
    PartAmended(index=2, citation=PAGE),
    PartEnded(2),
    PartBegan(3, Text("")),
    PartDelta(3, "cd"),
    PartEnded(3),
    *end(FinishReason.STOP),
]
CUT: list[Event] = [*TEXT[:-3], *end(FinishReason.LENGTH)]

ANSWERS = {
    "text": TEXT,
    "reasoning": REASONING,
    "calls": CALLS,
    "refusal": REFUSAL,
    "search": SEARCH,
}


def stream(events: Sequence[Event], request: Request = REQUEST) -> bytes:
    encoder = encode_stream(make_frame(request))
    return b"".join(encoder.encode(event) for event in events)


def read_events(body: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert lines[-1] == b"[DONE]"
    return [msgspec.json.decode(line) for line in lines[:-1]]


def whole(events: Sequence[Event], request: Request = REQUEST) -> dict[str, Any]:
    encoded = encode_response(fold(events), make_frame(request))
    body: dict[str, Any] = msgspec.json.decode(encoded.body)
    return body


def ask_sdk(body: bytes, *, is_streamed: bool) -> SdkResponse:
    """What the official SDK makes of the answer: for a stream, its own accumulation."""
    kind = "text/event-stream" if is_streamed else "application/json"

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(api_key="x", http_client=http) as client,
    ):
        if not is_streamed:
            return client.responses.parse(model="m", input="Hi")
        with client.responses.stream(model="m", input="Hi") as responses:
            return responses.get_final_response()
