"""One exchange across dialects: what is told of it to the caller, in the caller's words."""

import pytest

from nagara.dialects import (
    anthropic_messages,
    bedrock_converse,
    google_gemini,
    openai_chat,
    openai_responses,
)
from nagara.dialects.codec import Frame, Inbound, Target
from nagara.dialects.translation import AnswerTranslation, ask
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import Media, MediaKind, Message, Request, Role
from nagara.domain.usage import Meter, make_usage

TARGET = Target(provider="Them", model="anthropic.claude-sonnet-4-5", maker="anthropic")


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (openai_chat, "messages"),
        (anthropic_messages, "messages"),
        (openai_responses, "input"),
        (google_gemini, "contents"),
    ],
)
def test_a_refusal_of_an_encoder_names_the_callers_own_parameter(
    caller: Inbound, name: str
) -> None:
    picture = Media(kind=MediaKind.IMAGE, url="https://example.com/a.png")
    request = Request(dialect=caller.NAME, model="m", messages=(Message(Role.USER, (picture,)),))
    with pytest.raises(GatewayError) as caught:
        ask(request, caller, bedrock_converse, TARGET)
    assert caught.value.param == name
    assert f"Take it out of {name!r}" in caught.value.message


def stream_of(caller: Inbound) -> bytes:
    """A streamed answer of Gemini's in which code was run, and which says why it stopped."""
    request = Request(dialect=caller.NAME, model="m", messages=(), is_streamed=True)
    frame = Frame(request=request, model="m", seed="0", created_s=0)
    translation = AnswerTranslation(caller, google_gemini, TARGET, frame)
    stream = translation.open_stream(1 << 20, 1 << 20, is_event_stream=True)
    return stream.feed(
        b'data: {"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}},{"text":"a"}]},'
        b'"finishReason":"OTHER","finishMessage":"It stopped."}]}\n\n'
    ) + (b"" if stream.is_ended else stream.close())


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (openai_chat, [b"code_execution", b"explanation"]),
        (openai_responses, [b"explanation"]),
        (anthropic_messages, [b"explanation"]),
        (google_gemini, []),
    ],
)
def test_what_a_stream_drops_is_named_in_comments_that_its_clients_read_over(
    caller: Inbound, names: list[bytes]
) -> None:
    written = stream_of(caller)
    comments = [each for each in written.split(b"\n\n") if each.startswith(b":")]
    assert comments == [b": x-nagara-dropped: " + name for name in names]
    assert not written.endswith(b"explanation\n\n")


def test_name_of_a_dropped_tool_cannot_end_the_comment() -> None:
    request = Request(dialect="openai_chat", model="m", messages=(), is_streamed=True)
    frame = Frame(request=request, model="m", seed="0", created_s=0)
    stream = AnswerTranslation(openai_chat, openai_responses, TARGET, frame).open_stream(
        1 << 20, 1 << 20, is_event_stream=True
    )
    told = stream.feed(
        b'data: {"type":"response.output_item.done","output_index":0,"item":'
        b'{"type":"mcp_call","id":"m","name":"a\\r\\ndata: {}\\n\\u0085","arguments":"{}"}}\n\n'
    )
    assert b": x-nagara-dropped: a data: {} \n\n" in told
    assert b"\ndata: {}" not in told


def counted_piece(written: int) -> bytes:
    """A piece of an answer of Gemini's, which counts what was written so far."""
    return (
        b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":'
        b'{"promptTokenCount":7,"candidatesTokenCount":%d}}\n\n' % written
    )


def test_what_a_stream_counted_is_known_wherever_it_is_left() -> None:
    request = Request(dialect="openai_responses", model="m", messages=(), is_streamed=True)
    frame = Frame(request=request, model="m", seed="0", created_s=0)
    stream = AnswerTranslation(openai_responses, google_gemini, TARGET, frame).open_stream(
        1 << 20, 1 << 20, is_event_stream=True
    )
    assert stream.usage is None
    for written in (3, 5):
        stream.feed(counted_piece(written))
        assert stream.usage == make_usage((Meter.INPUT, 7), (Meter.OUTPUT, written))
    told = stream.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "It broke off."), "req_1")
    assert b'"output_tokens":5' in told
