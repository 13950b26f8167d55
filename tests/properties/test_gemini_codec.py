"""Gemini's codec reads what it wrote, in any split, and raises nothing but our errors."""

import contextlib
import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.canonical import responses

from nagara.dialects import google_gemini
from nagara.dialects.codec import Frame, Target
from nagara.domain.errors import GatewayError
from nagara.domain.events import fold, unfold
from nagara.domain.messages import (
    Effort,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    OutputFormat,
    OutputKind,
    Part,
    Reasoning,
    ReasoningOptions,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

TARGET = Target(provider="P", model="gemini-2.5-flash", maker="p")
EVENT_BYTES_MAX = 2_000_000
TEXTS = st.text(
    st.characters(codec="utf-8") | st.sampled_from(["\u2028", "\u0085", "\U0001f600"]),
    min_size=1,
    max_size=20,
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True)
SIGNATURES = st.none() | TEXTS.map(Signature)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request that this dialect can say, as its own decoder would tell it."""
    messages = [Message(Role.SYSTEM, (Text(draw(TEXTS)),))] if draw(st.booleans()) else []
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        said = [Text(text) for text in draw(st.lists(TEXTS, min_size=1, max_size=2))]
        media = draw(st.lists(st.sampled_from(MEDIA), max_size=1))
        messages.append(Message(Role.USER, (*said, *media)))
        answer: list[Part] = []
        if draw(st.booleans()):
            answer.append(Reasoning(text=draw(TEXTS), signature=draw(SIGNATURES)))
        if draw(st.booleans()):
            answer.append(Text(draw(TEXTS)))
            if (signature := draw(SIGNATURES)) is not None:
                marked = msgspec.structs.replace(signature, text="")
                answer.append(Reasoning(signature=marked))
        calls = []
        for _ in range(draw(st.integers(0, 2))):
            told = {draw(NAMES): draw(TEXTS)}
            # As it is written again, where a name in it looks like one of the wire's own.
            arguments = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
            calls.append(
                ToolCall(
                    id=f"c{number}",
                    name=draw(NAMES),
                    arguments=arguments,
                    signature=draw(SIGNATURES),
                )
            )
            number += 1
        answer += calls
        # Neighbours of one role would be written as one turn.
        messages.append(Message(Role.ASSISTANT, tuple(answer) or (Text(draw(TEXTS)),)))
        if calls:
            results = [give_result(call, draw(TEXTS), draw(st.booleans())) for call in calls]
            messages.append(Message(Role.USER, tuple(results)))
            messages.append(Message(Role.ASSISTANT, (Text(draw(TEXTS)),)))
    return Request(
        dialect="google_gemini",
        model="",
        messages=tuple(messages),
        tools=(FunctionTool(name="f", description=draw(TEXTS), parameters=raw(SCHEMA)),),
        tool_choice=draw(st.none() | st.sampled_from(CHOICES)),
        output_tokens_max=draw(st.none() | st.integers(1, 99)),
        choice_count=draw(st.integers(1, 3)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_k=draw(st.none() | st.integers(1, 99)),
        seed=draw(st.none() | st.integers(0, 99)),
        stop=tuple(draw(st.lists(TEXTS, max_size=3))),
        top_logprobs=draw(st.none() | st.integers(0, 5)),
        output_format=draw(st.none() | st.sampled_from(FORMATS)),
        reasoning=draw(st.none() | st.sampled_from(THINKING)),
        extras={"cachedContent": raw("x")} if draw(st.booleans()) else {},
    )


def give_result(call: ToolCall, text: str, is_error: bool) -> ToolResult:
    return ToolResult(
        call_id=call.id,
        name=call.name,
        parts=(Text(text),),
        is_error=is_error,
    )


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
MEDIA = [
    Media(kind=MediaKind.IMAGE, media_type="image/png", data="aGk="),
    Media(kind=MediaKind.AUDIO, media_type="audio/mpeg", url="https://x.example/a.mp3"),
    Media(kind=MediaKind.DOCUMENT, media_type="application/pdf", file_id="gs://b/a.pdf"),
]
CHOICES = [
    ToolChoice(ToolChoiceMode.AUTO),
    ToolChoice(ToolChoiceMode.NONE),
    ToolChoice(ToolChoiceMode.REQUIRED, allowed=("f", "g")),
    ToolChoice(ToolChoiceMode.NAMED, name="f"),
]
FORMATS = [
    OutputFormat(kind=OutputKind.JSON_OBJECT),
    OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=raw(SCHEMA), is_strict=True),
]
THINKING = [
    ReasoningOptions(effort=Effort.LOW, is_shown=True),
    ReasoningOptions(budget_tokens=99),
    ReasoningOptions(is_adaptive=True),
]


@given(requests())
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_a_request_is_read_as_it_was_written(request: Request) -> None:
    encoded = google_gemini.encode_request(request, TARGET)
    assert google_gemini.decode_request(encoded.body) == request
    assert encoded.dropped == ()


def snake(value: Any) -> Any:
    """The body with its own names in snake_case."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, item in value.items():
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in key)
        kept = key in ("args", "response", "parametersJsonSchema", "responseJsonSchema")
        made[name] = item if kept else snake(item)
    return made


@given(requests())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_names_in_snake_case_say_the_same(request: Request) -> None:
    body = json.loads(google_gemini.encode_request(request, TARGET).body)
    told = google_gemini.decode_request(msgspec.json.encode(snake(body)))
    assert told.messages == google_gemini.decode_request(msgspec.json.encode(body)).messages
    assert told.reasoning == request.reasoning
    assert told.tool_choice == request.tool_choice


FRAME = Frame(
    request=Request(dialect="google_gemini", model="m", messages=()),
    model="m",
    seed="s",
    created_s=0,
)


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(at)]


@given(responses(), st.lists(st.integers(0, 5000), max_size=12), st.sampled_from(["\n", "\r"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_split_of_a_stream_gives_the_same_events(
    response: Any, cuts: list[int], line_end: str
) -> None:
    encoder = google_gemini.encode_stream(FRAME)
    stream = b"".join(map(encoder.encode, unfold(response)))
    stream = stream.replace(b"\n", line_end.encode())
    whole = google_gemini.decode_stream(EVENT_BYTES_MAX, TARGET)
    cut = google_gemini.decode_stream(EVENT_BYTES_MAX, TARGET)
    expected, events = [], []
    with contextlib.suppress(GatewayError):
        expected = whole.feed(stream)
        expected += whole.close()
    with contextlib.suppress(GatewayError):
        for piece in pieces_of(stream, cuts):
            events += cut.feed(piece)
        events += cut.close()
    assert events == expected


@given(responses())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_answer_it_can_be_told_whole_streamed_and_as_an_array(response: Any) -> None:
    whole = json.loads(google_gemini.encode_response(response, FRAME).body)
    streamed = google_gemini.encode_stream(FRAME)
    events = b"".join(map(streamed.encode, unfold(response))).split(b"\n\n")
    told = [json.loads(event[6:]) for event in events if event]
    array = google_gemini.encode_stream(FRAME, is_array=True)
    assert json.loads(b"".join(map(array.encode, unfold(response)))) == told
    assert told[-1]["usageMetadata"] == whole["usageMetadata"]
    assert texts_of(told) == texts_of([whole])
    assert calls_of(told) == calls_of([whole])


def parts_of(bodies: list[Any], choice: int) -> list[Any]:
    return [
        part
        for body in bodies
        for candidate in body.get("candidates", ())
        if candidate["index"] == choice
        for part in candidate["content"]["parts"]
    ]


def texts_of(bodies: list[Any]) -> list[str]:
    return [
        "".join(p["text"] for p in parts_of(bodies, n) if "text" in p and "thought" not in p)
        for n in range(3)
    ]


def calls_of(bodies: list[Any]) -> list[Any]:
    return [p["functionCall"] for n in range(3) for p in parts_of(bodies, n) if "functionCall" in p]


BODY = json.dumps(
    {
        "candidates": [
            {
                "content": {"parts": [{"text": "é\u2028"}, {"functionCall": {"name": "f"}}]},
                "finishReason": "STOP",
                "groundingMetadata": {
                    "groundingChunks": [{"web": {"uri": "u"}}],
                    "groundingSupports": [
                        {"segment": {"endIndex": 2}, "groundingChunkIndices": [0]}
                    ],
                    "webSearchQueries": ["q"],
                },
            }
        ],
        "usageMetadata": {"promptTokenCount": 1},
    },
    ensure_ascii=False,
).encode()
ASKED = json.dumps(
    {
        "contents": [{"role": "user", "parts": [{"text": "hi"}, {"functionCall": {"name": "f"}}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
        "generation_config": {"top_k": 3, "responseSchema": {"type": "STRING"}},
    }
).encode()


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.integers(0, 12))
        data[at:end] = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"null", b"[]", b"{}", b'"\\ud83d"', b"1e999", b"-1", b"true"])
        )
    return bytes(data)


@given(mutated(BODY) | st.binary(max_size=60))
@settings(deadline=None, max_examples=200)
def test_no_bytes_of_an_answer_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(GatewayError):
        response = google_gemini.decode_response(data, TARGET)
        google_gemini.encode_response(response, FRAME)
    decoder = google_gemini.decode_stream(EVENT_BYTES_MAX, TARGET)
    with contextlib.suppress(GatewayError):
        fold([*decoder.feed(b"data: " + data + b"\n\n"), *decoder.close()])


@given(mutated(ASKED) | st.binary(max_size=60))
@settings(deadline=None, max_examples=200)
def test_no_bytes_of_a_request_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(GatewayError):
        google_gemini.read_request(data)
    with contextlib.suppress(GatewayError):
        google_gemini.encode_request(google_gemini.decode_request(data), TARGET)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\ud83d", "\u2028\u0085"])
def test_odd_and_large_texts_pass(text: str) -> None:
    said = {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]}
    decoder = google_gemini.decode_stream(EVENT_BYTES_MAX, TARGET)
    events = decoder.feed(b"data: " + json.dumps(said).encode() + b"\r\n\r\n") + decoder.close()
    part = fold(events).choices[0].parts[0]
    assert isinstance(part, Text)
    assert len(part.text) == len(text)
