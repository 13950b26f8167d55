"""Streams in the pass-through lane: what is forwarded, what is noted, and when they are whole."""

import json
from collections.abc import Mapping
from types import ModuleType

import pytest

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.dialects.base import ForwardedStream
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter

CHAT, RESPONSES, MESSAGES = openai_chat, openai_responses, anthropic_messages
DONE = b"data: [DONE]\n\n"


def event(data: object, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def chunk(
    index: int | None = 0, text: str = "", reason: str | None = None, **more: object
) -> bytes:
    choices = (
        []
        if index is None
        else [{"index": index, "delta": {"content": text}, "finish_reason": reason}]
    )
    return event({"id": "c", "model": "theirs", "choices": choices} | more)


def typed(kind: str, **fields: object) -> bytes:
    return event({"type": kind} | fields, kind)


def open_stream(
    dialect: ModuleType, model: str | None = None, *, hides_usage: bool = False
) -> ForwardedStream:
    stream: ForwardedStream = dialect.forward_stream(10_000, model, hides_usage=hides_usage)
    return stream


def forward(stream: ForwardedStream, *pieces: bytes) -> bytes:
    """What the relay sends: to the last event, or to the upstream's orderly end."""
    output = b""
    for piece in pieces:
        output += stream.feed(piece)
        if stream.is_ended:
            return output + stream.terminator()
    return output + stream.close()


USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
FINISHED = {
    "id": "r",
    "model": "theirs",
    "status": "completed",
    "usage": {
        "input_tokens": 10,
        "output_tokens": 4,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 1},
    },
}
WHOLE: Mapping[str, tuple[ModuleType, list[bytes]]] = {
    "chat": (
        CHAT,
        [
            b": OPENROUTER PROCESSING\n\n",
            chunk(0, 'Say "model": "theirs"'),
            chunk(0, reason="stop"),
            chunk(None, usage=USAGE),
            DONE,
        ],
    ),
    "responses": (
        RESPONSES,
        [
            typed("response.created", sequence_number=0, response={"id": "r", "model": "theirs"}),
            typed("response.output_text.delta", sequence_number=1, delta="Hi"),
            typed("response.completed", sequence_number=2, response=FINISHED),
            DONE,
        ],
    ),
    "messages": (
        MESSAGES,
        [
            typed(
                "message_start",
                message={"model": "theirs", "usage": {"input_tokens": 10, "output_tokens": 1}},
            ),
            typed("ping"),
            b": comment\n\n",
            typed("content_block_delta", delta={"type": "text_delta", "text": "theirs"}),
            typed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4}),
            typed("message_stop"),
        ],
    ),
}
every_stream = pytest.mark.parametrize("name", WHOLE)


def test_usage_that_only_groqs_own_field_tells_is_metered() -> None:
    # From a recorded stream that was not asked for usage.
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    told = {"x_groq": {"id": "req", "usage": {"prompt_tokens": 21, "completion_tokens": 988}}}
    stream = open_stream(CHAT)
    forward(stream, b"data: " + json.dumps(last | told).encode() + b"\n\n", DONE)
    assert stream.usage is not None
    assert stream.usage.quantities == {Meter.INPUT: 21, Meter.OUTPUT: 988}


@every_stream
def test_whole_stream_passes_byte_for_byte(name: str) -> None:
    dialect, events = WHOLE[name]
    stream = open_stream(dialect)
    assert forward(stream, *events) == b"".join(events)
    assert stream.is_complete
    assert not stream.has_failed
    assert stream.usage is not None
    assert (stream.usage.input_tokens, stream.usage.output_tokens) == (10, 4)
    assert stream.output_bytes <= len(b"".join(events))


@every_stream
def test_stream_that_is_cut_before_its_end_is_never_complete(name: str) -> None:
    dialect, events = WHOLE[name]
    last = {"chat": 2, "responses": 2, "messages": 5}[name]
    for count in range(last):
        for rest in (b"", events[count][: len(events[count]) // 2]):
            stream = open_stream(dialect)
            with pytest.raises(GatewayError) as caught:
                forward(stream, *events[:count], *([rest] if rest else []))
            assert caught.value.kind is ErrorKind.UPSTREAM_CUT


@every_stream
def test_callers_model_stands_where_the_upstreams_stood_and_nowhere_else(name: str) -> None:
    dialect, events = WHOLE[name]
    output = forward(open_stream(dialect, "ours"), *events).decode()
    original = b"".join(events).decode()
    assert '"model":"theirs"' not in output.replace('": "', '":"')
    assert output.count("theirs") == original.count("theirs") - original.count('"model": "theirs"')
    said = [line for line in output.split("\n") if not line.startswith("data:")]
    assert said == [line for line in original.split("\n") if not line.startswith("data:")]


def test_nested_model_keys_stay() -> None:
    nested = {"model": "theirs", "choices": [{"index": 0, "delta": {"model": "theirs"}}]}
    output = open_stream(CHAT, "ours").feed(event(nested))
    assert json.loads(output[6:]) == nested | {"model": "ours"}
    started = {"model": "theirs", "tools": [{"type": "image", "model": "theirs"}]}
    output = open_stream(RESPONSES, "ours").feed(
        typed("response.created", model="theirs", response=started)
    )
    said = json.loads(output.partition(b"data: ")[2])
    assert said["model"] == "theirs"
    assert said["response"] == started | {"model": "ours"}


def test_replaced_chunk_keeps_its_comment_and_its_unknown_fields() -> None:
    line = b': c\nid: 7\ndata: {"model":"theirs","x":1.00,"choices":[]}\n\n'
    assert open_stream(CHAT, "ours").feed(line) == (
        b': c\nid: 7\ndata: {"model":"ours","x":1.00,"choices":[]}\n\n'
    )


@pytest.mark.parametrize("hides_usage", [True, False])
def test_usage_chunk_is_hidden_only_if_we_asked_for_it(hides_usage: bool) -> None:
    events = WHOLE["chat"][1]
    stream = open_stream(CHAT, hides_usage=hides_usage)
    output = forward(stream, *events)
    assert (events[3] in output) is not hides_usage
    assert output == b"".join(e for e in events if e is not events[3] or not hides_usage)
    assert stream.usage is not None
    assert stream.usage.input_tokens == 10


def test_usage_beside_choices_is_read_and_never_hidden() -> None:
    last = chunk(0, reason="stop", usage=USAGE)
    stream = open_stream(CHAT, hides_usage=True)
    assert forward(stream, chunk(0, "Hi"), last, DONE) == chunk(0, "Hi") + last + DONE
    assert stream.usage is not None
    assert stream.usage.output_tokens == 4


def test_chunk_without_choices_and_usage_is_not_hidden() -> None:
    first = event({"choices": [], "prompt_filter_results": [], "usage": None})
    assert open_stream(CHAT, hides_usage=True).feed(first) == first


def test_hidden_usage_chunk_without_its_empty_line_is_hidden() -> None:
    stream = open_stream(CHAT, hides_usage=True)
    output = forward(stream, chunk(0, "Hi", "stop"), chunk(None, usage=USAGE)[:-1])
    assert output == chunk(0, "Hi", "stop") + DONE
    assert stream.usage is not None


def test_chat_that_finished_and_ended_in_order_is_given_its_done() -> None:
    events = [chunk(0, "Hi"), chunk(0, reason="stop")]
    assert forward(open_stream(CHAT), *events) == b"".join(events) + DONE


def test_last_event_may_lack_its_empty_line() -> None:
    assert forward(open_stream(CHAT), chunk(0, "Hi", "stop"), DONE[:-2]).endswith(DONE)
    assert forward(open_stream(CHAT), chunk(0, "Hi", "stop"), DONE[:-2]).count(DONE) == 1
    assert forward(open_stream(MESSAGES), *WHOLE["messages"][1][:-1], typed("message_stop")[:-1])


@pytest.mark.parametrize(
    ("chunks", "is_whole"),
    [
        ([(0, "stop"), (1, "stop")], True),
        ([(0, None), (1, None), (0, "stop")], False),
        ([(0, None), (1, None), (1, "stop"), (0, "length")], True),
        ([(0, "stop"), (0, None)], True),
        ([(0, "")], False),
        ([(0, None)], False),
        ([], False),
    ],
)
def test_chat_is_whole_when_every_begun_choice_has_its_reason(
    chunks: list[tuple[int, str | None]], is_whole: bool
) -> None:
    stream = open_stream(CHAT)
    for index, reason in chunks:
        stream.feed(chunk(index, "x", reason))
    assert stream.is_complete is is_whole


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", ["chat", "responses"])
def test_done_comes_once_however_it_is_sent(name: str, together: bool) -> None:
    dialect, events = WHOLE[name]
    pieces = [*events[:-2], events[-2] + DONE + DONE] if together else [*events, DONE]
    assert forward(open_stream(dialect), *pieces).count(b"[DONE]") == 1


def test_response_without_done_is_given_it() -> None:
    events = WHOLE["responses"][1][:-1]
    assert forward(open_stream(RESPONSES), *events) == b"".join(events) + DONE


def test_response_that_says_done_without_its_terminal_event_is_cut() -> None:
    stream = open_stream(RESPONSES)
    assert stream.feed(WHOLE["responses"][1][0] + DONE) == WHOLE["responses"][1][0]
    with pytest.raises(GatewayError) as caught:
        stream.close()
    output = stream.fail(caught.value, "req")
    assert output.count(DONE) == 1
    assert output.endswith(DONE)


@pytest.mark.parametrize("together", [True, False])
def test_messages_never_end_with_done(together: bool) -> None:
    events = WHOLE["messages"][1]
    pieces = [b"".join(events) + DONE] if together else [*events, DONE]
    assert forward(open_stream(MESSAGES), *pieces) == b"".join(events)
    early = forward(open_stream(MESSAGES), *events[:-1], DONE, events[-1])
    assert early == b"".join(events)


@pytest.mark.parametrize("kind", ["response.incomplete", "response.failed"])
def test_response_that_ends_otherwise_is_whole_and_metered(kind: str) -> None:
    stream = open_stream(RESPONSES)
    ending = typed(kind, sequence_number=1, response=FINISHED | {"status": kind[9:]})
    assert forward(stream, ending) == ending + DONE
    assert stream.has_failed is (kind == "response.failed")
    assert stream.usage is not None
    assert stream.usage.quantities == {
        Meter.INPUT: 7,
        Meter.CACHE_READ: 3,
        Meter.OUTPUT: 3,
        Meter.REASONING: 1,
    }


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (CHAT, event({"error": {"message": "no", "code": 502}})),
        (CHAT, event({"error": "no"})),
        (
            CHAT,
            event({"error": {"message": "no"}, "choices": [{"finish_reason": "error"}]}),
        ),
        (RESPONSES, typed("error", message="no", sequence_number=4)),
        (MESSAGES, typed("error", error={"type": "overloaded_error", "message": "no"})),
    ],
)
def test_upstreams_own_error_event_passes_and_ends_the_stream(
    dialect: ModuleType, error: bytes
) -> None:
    stream = open_stream(dialect)
    assert forward(stream, error).removesuffix(DONE) == error
    assert stream.has_failed
    assert stream.is_complete


def test_error_of_null_is_none() -> None:
    stream = open_stream(CHAT)
    stream.feed(event({"choices": [], "error": None}))
    assert not stream.has_failed


@every_stream
def test_event_that_is_not_json_is_malformed(name: str) -> None:
    with pytest.raises(GatewayError) as caught:
        open_stream(WHOLE[name][0]).feed(b'data: {"broken\n\n')
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


@every_stream
@pytest.mark.parametrize("data", ["[]", "1", "null", '{"choices":1,"usage":"x","type":5}', "{}"])
def test_event_of_an_unexpected_shape_passes_unmetered(name: str, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    for model in (None, "ours"):
        stream = open_stream(WHOLE[name][0], model, hides_usage=True)
        assert stream.feed(line) == line
        assert stream.usage is None
        assert not stream.is_complete


def test_half_a_surrogate_pair_passes_and_its_event_is_metered() -> None:
    finishing = (
        b'data: {"choices":[{"delta":{"content":"\\ud83d"},"finish_reason":"stop"}],"model":"x",'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    )
    for model in (None, "ours"):
        stream = open_stream(CHAT, model)
        assert b'"\\ud83d"' in stream.feed(finishing)
        assert stream.is_complete
        assert stream.usage is not None
    completed = (
        b'data: {"type":"response.completed","response":{"model":"theirs","text":"\\ud83d",'
        b'"usage":{"input_tokens":1,"output_tokens":2}}}\n\n'
    )
    for model in (None, "ours"):
        stream = open_stream(RESPONSES, model)
        assert b'"\\ud83d"' in stream.feed(completed).replace(b": ", b":")
        assert stream.usage is not None


def test_what_the_model_wrote_is_counted_and_not_its_frames() -> None:
    text = "word " * 20
    for dialect, delta in (
        (CHAT, chunk(0, text)),
        (RESPONSES, typed("response.output_text.delta", delta=text)),
        (MESSAGES, typed("content_block_delta", delta={"type": "text_delta", "text": text})),
    ):
        stream = open_stream(dialect)
        stream.feed(delta)
        assert len(text) <= stream.text_bytes <= len(text) + 5


@pytest.mark.parametrize("response", [None, "x", 5, []])
def test_failing_after_an_odd_response_still_says_how(response: object) -> None:
    stream = open_stream(RESPONSES)
    stream.feed(typed("response.created", sequence_number=0, response=response))
    assert b"response.failed" in stream.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "cut"), "r")


def test_failed_response_counts_on_and_keeps_what_is_known() -> None:
    stream = open_stream(RESPONSES, "ours")
    stream.feed(b"".join(WHOLE["responses"][1][:2]))
    error, failed, done = stream.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "cut"), "r").split(
        b"\n\n"
    )[:3]
    assert error.startswith(b"event: error\n")
    assert failed.startswith(b"event: response.failed\n")
    assert done == b"data: [DONE]"
    first, second = (json.loads(e.partition(b"data: ")[2]) for e in (error, failed))
    assert (first["sequence_number"], second["sequence_number"]) == (2, 3)
    assert second["response"] == {
        "id": "r",
        "model": "ours",
        "status": "failed",
        "error": {"code": "upstream_cut", "message": "cut"},
    }
