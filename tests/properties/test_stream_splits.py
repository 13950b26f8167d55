"""However the bytes of a stream are split, it says the same, and the same comes out."""

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.dialects.sse import SseSplitter, read_data

LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
TEXT = st.text(max_size=20).map(lambda text: msgspec.json.encode({"text": text}))
COMMENTS = st.just(b": ping")
CUTS = st.lists(st.integers(0, 2000), max_size=20)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """The bytes of a stream with one kind of line end, and the data of its events."""
    end = draw(LINE_ENDS)
    stream, said = b"", []
    for data in draw(st.lists(TEXT, max_size=6)):
        comment = draw(st.one_of(st.none(), COMMENTS))
        stream += (comment + end if comment else b"") + b"data: " + data + end + end
        said.append(data)
    return stream, said


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(at)]


@given(streams(), CUTS)
@settings(deadline=None)
def test_any_split_gives_the_same_events(
    stream: tuple[bytes, list[bytes]], cuts: list[int]
) -> None:
    splitter = SseSplitter(10_000)
    events = [e for piece in pieces_of(stream[0], cuts) for e in splitter.feed(piece)]
    assert [read_data(event) for event in events] == stream[1]
    assert b"".join(events) + splitter.take_rest() == stream[0]
    assert splitter.take_rest().strip() == b""


CHAT = (
    b': c\n\ndata: {"model":"m","choices":[{"index":0,"delta":{"content":"h\xc3\xa9"}}]}\n\n'
    b'data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    b"data: [DONE]\n\n"
)
RESPONSES = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,'
    b'"response":{"model":"m"}}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":1,'
    b'"response":{"model":"m","usage":{"input_tokens":3,"output_tokens":4}}}\n\ndata: [DONE]\n\n'
)
MESSAGES = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"m",'
    b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\nevent: ping\ndata: {"type":"ping"}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":4}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


@given(
    st.sampled_from(
        [(openai_chat, CHAT), (openai_responses, RESPONSES), (anthropic_messages, MESSAGES)]
    ),
    st.sampled_from([None, "theirs"]),
    st.booleans(),
    CUTS,
)
@settings(deadline=None)
def test_any_split_is_forwarded_alike(
    case: tuple[object, bytes], model: str | None, hides_usage: bool, cuts: list[int]
) -> None:
    dialect, whole = case
    outputs = []
    for pieces in ([whole], pieces_of(whole, cuts)):
        stream = dialect.forward_stream(10_000, model, hides_usage=hides_usage)  # type: ignore[attr-defined]
        output = b""
        for piece in pieces:
            output += stream.feed(piece)
            if stream.is_ended:
                break
        outputs.append(output + (stream.terminator() if stream.is_ended else stream.close()))
        assert stream.is_complete
        assert stream.usage.input_tokens == 3
        assert stream.usage.output_tokens == 4
    assert outputs[0] == outputs[1]
