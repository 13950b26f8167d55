"""Chat Completions through the codec: any split, any damage, and there and back again."""

import contextlib
import itertools
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dialects.openai_chat.chat import DONE, EVENT_BYTES_MAX, chunk, frame, target

from nagara.dialects import openai_chat
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.errors import GatewayError
from nagara.domain.events import Choice, Event, FinishReason, Response, fold, unfold
from nagara.domain.messages import (
    CacheMark,
    Effort,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)

TEXTS = st.text(min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,20}", fullmatch=True)
IDS = st.from_regex(r"call_[a-z0-9]{1,20}", fullmatch=True)
JSON = st.dictionaries(TEXTS, st.integers(-9, 9), max_size=2).map(
    lambda value: json.dumps(value, separators=(",", ":"))
)

# There is no word for more than `xhigh` here.
EFFORTS = [effort for effort in Effort if effort is not Effort.MAX]

# A target that takes all that the dialect can say.
EVERYTHING = target(
    Trait.DEVELOPER_ROLE, Trait.MAX_COMPLETION_TOKENS, Trait.REFUSALS, Trait.ALL_EFFORTS,
    Trait.REASONING_DETAILS, Trait.CACHE_CONTROL, Trait.FILE_URL, Trait.VIDEO_URL,
)  # fmt: skip

marks = st.one_of(st.none(), st.sampled_from([CacheMark(), CacheMark("1h")]))
texts = st.builds(Text, TEXTS, cache=marks)
images = st.builds(
    Media,
    kind=st.just(MediaKind.IMAGE),
    url=st.just("https://a.example/x"),
    detail=st.sampled_from([None, "low"]),
    cache=marks,
)
audio = st.builds(
    Media, kind=st.just(MediaKind.AUDIO), media_type=st.just("audio/mpeg"), data=st.just("QUJD")
)
calls = st.builds(ToolCall, id=IDS, name=NAMES, arguments=JSON)
reasoning = st.builds(Reasoning, text=TEXTS)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A user's turn, what the assistant says to it, and the results of its calls."""
    turn = [Message(Role.USER, tuple(draw(st.lists(st.one_of(texts, images, audio), min_size=1))))]
    parts: list[Any] = draw(st.lists(reasoning, max_size=1))
    parts += draw(st.lists(st.builds(Text, TEXTS), max_size=1))
    parts += draw(st.lists(st.builds(Refusal, TEXTS), max_size=1))
    called = draw(st.lists(calls, max_size=3, unique_by=lambda call: call.id))
    if parts or called:
        turn.append(Message(Role.ASSISTANT, (*parts, *called)))
    results = (ToolResult(call_id=call.id, parts=(Text(draw(TEXTS)),)) for call in called)
    return turn + [Message(Role.USER, (result,)) for result in results]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    roles = st.sampled_from([Role.SYSTEM, Role.DEVELOPER])
    instructions = st.builds(Message, roles, st.tuples(st.builds(Text, TEXTS)))
    system = draw(st.lists(instructions, max_size=2))
    said = itertools.chain.from_iterable(draw(st.lists(turns(), min_size=1, max_size=3)))
    tools = draw(
        st.lists(
            st.builds(
                FunctionTool,
                name=NAMES,
                description=st.one_of(st.none(), TEXTS),
                parameters=st.just(msgspec.Raw(b'{"type":"object"}')),
                is_strict=st.sampled_from([None, True, False]),
                cache=marks,
            ),
            max_size=2,
        )
    )
    modes = st.sampled_from([ToolChoiceMode.AUTO, ToolChoiceMode.NONE, ToolChoiceMode.REQUIRED])
    return Request(
        dialect="openai_chat",
        model=EVERYTHING.model,
        messages=(*system, *said),
        tools=tuple(tools),
        tool_choice=draw(st.builds(ToolChoice, modes)) if tools else None,
        is_streamed=True,
        temperature=draw(st.one_of(st.none(), st.floats(0, 2))),
        stop=tuple(draw(st.lists(TEXTS, max_size=2))),
        output_tokens_max=draw(st.one_of(st.none(), st.integers(1, 9999))),
        reasoning=draw(
            st.one_of(st.none(), st.builds(ReasoningOptions, effort=st.sampled_from(EFFORTS)))
        ),
        metadata=draw(st.dictionaries(TEXTS, TEXTS, max_size=2)),
    )


@given(requests())
@settings(deadline=None, max_examples=60)
def test_what_is_written_reads_as_what_it_was(request: Request) -> None:
    encoded = openai_chat.encode_request(request, EVERYTHING)
    assert encoded.dropped == ()
    assert openai_chat.decode_request(encoded.body) == request


@st.composite
def responses(draw: st.DrawFn) -> Response:
    signed = st.builds(Signature, TEXTS, st.just("maker"))
    thought = st.builds(Reasoning, text=TEXTS, signature=st.one_of(st.none(), signed))
    hidden = st.builds(Reasoning, is_redacted=st.just(True), signature=signed)
    parts: list[Any] = draw(st.lists(st.one_of(thought, hidden), max_size=2))
    parts += draw(st.lists(st.builds(Text, TEXTS), max_size=1))
    parts += draw(st.lists(calls, max_size=3, unique_by=lambda call: call.id))
    choice = Choice(parts=tuple(parts), finish=FinishReason.STOP)
    return Response(dialect="elsewhere", choices=(choice,))


@given(responses())
@settings(deadline=None, max_examples=60)
def test_an_answer_that_a_caller_sends_back_is_the_answer(response: Response) -> None:
    body = json.loads(openai_chat.encode_response(response, frame()).body)
    request = {"model": "m", "messages": [body["choices"][0]["message"]]}
    (message,) = openai_chat.decode_request(json.dumps(request).encode()).messages
    assert message.parts == response.choices[0].parts or not response.choices[0].parts


@given(responses())
@settings(deadline=None, max_examples=60)
def test_a_stream_says_what_the_whole_answer_says(response: Response) -> None:
    encoder = openai_chat.encode_stream(frame())
    body = b"".join(map(encoder.encode, unfold(response)))
    streamed = fold(events_of(body, []))
    whole = openai_chat.decode_response(
        openai_chat.encode_response(response, frame()).body, target()
    )
    for kind in (Text, ToolCall):
        told = [p for p in streamed.choices[0].parts if isinstance(p, kind)]
        assert told == [p for p in whole.choices[0].parts if isinstance(p, kind)]
    assert streamed.choices[0].finish is whole.choices[0].finish


CALL = {"id": "a", "function": {"name": "f", "arguments": "{"}}
STREAM = b"".join(
    [
        b": ping\n\n",
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "a\u2028b\u0085c"}),
        chunk({"content": "h\u00e9\U0001f600"}),
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
        chunk({"tool_calls": [CALL | {"index": 0}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
        chunk({}, finish_reason="tool_calls", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        DONE,
    ]
)
CUTS = st.lists(st.integers(0, len(STREAM)), max_size=12)


def events_of(body: bytes, cuts: list[int]) -> list[Event]:
    stream = openai_chat.decode_stream(EVENT_BYTES_MAX, target())
    at = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    events: list[Event] = []
    for start, end in itertools.pairwise(at):
        events += stream.feed(body[start:end])
    return events if stream.is_ended else events + stream.close()


@given(CUTS, st.sampled_from([b"\n", b"\r", b"\r\n"]))
@settings(deadline=None)
def test_any_split_and_any_line_end_give_the_same_events(cuts: list[int], end: bytes) -> None:
    assert events_of(STREAM.replace(b"\n", end), cuts) == events_of(STREAM, [])


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)
DETAIL = {"type": "reasoning.text", "text": "t", "signature": "nagara1-x", "format": "nagara"}
CONTENT = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}]
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": CONTENT},
        {"role": "assistant", "reasoning_details": [DETAIL], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "c"}}},
    "reasoning": {"effort": "low"},
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "message": {
                "content": "x",
                "reasoning_details": [{"type": "reasoning.text", "text": "t"}],
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                "executed_tools": [{"index": 0, "type": "search", "output": "x"}],
            },
            "logprobs": {"content": [{"token": "x", "logprob": 0.5}]},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}


def damaged(value: Any, draw: st.DrawFn) -> Any:
    """The value with something in it replaced by anything at all."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: damaged(value[name], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        return [damaged(value[0], draw), *value[1:]]
    return draw(VALUES)


@st.composite
def bodies(draw: st.DrawFn, whole: dict[str, Any]) -> bytes:
    body = json.dumps(damaged(whole, draw)).encode()
    return body if draw(st.booleans()) else body[: draw(st.integers(0, len(body)))]


@given(st.one_of(bodies(REQUEST), st.binary(max_size=40)))
@settings(deadline=None, max_examples=300)
def test_a_damaged_request_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(GatewayError):
        request = openai_chat.decode_request(body)
        openai_chat.encode_request(request, EVERYTHING)


@given(st.one_of(bodies(ANSWER), st.binary(max_size=40)))
@settings(deadline=None, max_examples=300)
def test_a_damaged_answer_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(GatewayError):
        response = openai_chat.decode_response(body, target())
        openai_chat.encode_response(response, frame())
        encoder = openai_chat.encode_stream(frame())
        for event in unfold(response):
            encoder.encode(event)


@given(st.integers(0, len(STREAM)), st.binary(max_size=8), CUTS)
@settings(deadline=None, max_examples=200)
def test_a_damaged_stream_is_read_or_refused(at: int, junk: bytes, cuts: list[int]) -> None:
    encoder = openai_chat.encode_stream(frame())
    with contextlib.suppress(GatewayError):
        for event in events_of(STREAM[:at] + junk + STREAM[at:], cuts):
            encoder.encode(event)
