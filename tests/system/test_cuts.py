"""A provider that dies, stalls or talks nonsense, at every moment of an answer.

Before the first byte the caller gets an error answer; after it, an event that its SDK raises. A
stream that broke off never looks complete.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import Peer
from tests.system.caller import call
from tests.system.scripts import DIALECTS, DONE, MESSAGES, RESPONSES, TURN, Lines, begin_stream
from tests.system.stage import Stage, is_request, staged

FIRST_BYTE_S = 0.3
IDLE_S = 0.3
EVENT_BYTES_MAX = 4096

in_every_dialect = pytest.mark.parametrize("lines", DIALECTS.values(), ids=DIALECTS.keys())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(
        tmp_path_factory.mktemp("cuts"),
        first_byte_timeout_s=FIRST_BYTE_S,
        idle_timeout_s=IDLE_S,
        event_bytes_max=EVENT_BYTES_MAX,
        response_bytes_max=65_536,
    ) as stage:
        yield stage


def read_error(answer: bytes) -> dict[str, Any]:
    error = json.loads(answer)["error"]
    assert isinstance(error, dict)
    return error


# Before the first byte


async def close_at_once(peer: Peer, lines: Lines) -> None:
    peer.close()


async def close_in_head(peer: Peer, lines: Lines) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    peer.close()


async def reset(peer: Peer, lines: Lines) -> None:
    peer.reset()


async def close_after_head(peer: Peer, lines: Lines) -> None:
    await peer.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n"
    )
    peer.close()


async def close_in_body(peer: Peer, lines: Lines) -> None:
    body = json.dumps(lines.answer).encode()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body[:-5])
    peer.close()


async def close_in_chunked_body(peer: Peer, lines: Lines) -> None:
    body = json.dumps(lines.answer).encode()
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    await peer.send_chunks(body)
    peer.close()


async def answer_nonsense(peer: Peer, lines: Lines) -> None:
    await peer.answer(b"<html>It works!</html>", b"content-type: text/html")


async def answer_nothing(peer: Peer, lines: Lines) -> None:
    await peer.answer(b"", b"content-type: application/json")


async def answer_too_much(peer: Peer, lines: Lines) -> None:
    await peer.answer(b'{"a": "' + b"x" * 70_000 + b'"}', b"content-type: application/json")


async def redirect(peer: Peer, lines: Lines) -> None:
    await peer.answer(b"", b"location: http://127.0.0.1:1/", status=307)


async def stay_silent(peer: Peer, lines: Lines) -> None:
    await peer.stall()


async def stall_in_body(peer: Peer, lines: Lines) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{")
    await peer.stall()


Break = Callable[[Peer, Lines], Awaitable[None]]
BREAKS: list[tuple[Break, int, str]] = [
    (close_at_once, 502, "upstream_cut"),
    (close_in_head, 502, "upstream_cut"),
    (reset, 502, "upstream_cut"),
    (close_after_head, 502, "upstream_cut"),
    (close_in_body, 502, "upstream_cut"),
    (close_in_chunked_body, 502, "upstream_cut"),
    (answer_nonsense, 502, "upstream_protocol"),
    (answer_nothing, 502, "upstream_cut"),
    (answer_too_much, 502, "upstream_too_large"),
    (redirect, 502, "upstream_protocol"),
    (stay_silent, 504, "upstream_first_byte_timeout"),
    (stall_in_body, 504, "upstream_idle_timeout"),
]


@in_every_dialect
@pytest.mark.parametrize(
    ("break_", "status", "code"), BREAKS, ids=[row[0].__name__ for row in BREAKS]
)
async def test_answer_that_never_comes_whole_is_an_error_answer(
    stage: Stage, lines: Lines, break_: Break, status: int, code: str
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await break_(peer, lines)

    async with stage.upstream(script) as upstream:
        head, answer = await call(stage.gateway, lines.path, lines.request)
    assert head.status == status, answer
    error = read_error(answer)
    assert error["code"] == code
    assert "127.0.0.1" not in error["message"]
    assert str(upstream.port) not in error["message"]
    line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
    assert (line["status"], line["outcome"], line["error"]) == (status, "error", code)


# Within a stream


async def cut(peer: Peer, lines: Lines) -> None:
    await begin_stream(peer, *lines.events)
    peer.close()


async def end_early(peer: Peer, lines: Lines) -> None:
    """An orderly end of the body without the terminal event."""
    await begin_stream(peer, *lines.events, b"")


async def cut_in_event(peer: Peer, lines: Lines) -> None:
    await begin_stream(peer, *lines.events, lines.ending[:20])
    peer.close()


async def malform(peer: Peer, lines: Lines) -> None:
    await begin_stream(peer, *lines.events, b'data: {"id": \n\n')
    await peer.stall()


async def send_endless_event(peer: Peer, lines: Lines) -> None:
    await begin_stream(peer, *lines.events, b'data: {"id": "')
    while True:
        await peer.send_chunks(b"x" * EVENT_BYTES_MAX)


async def stall(peer: Peer, lines: Lines) -> None:
    await begin_stream(peer, *lines.events)
    await peer.stall()


STREAM_BREAKS: list[tuple[Break, str]] = [
    (cut, "upstream_cut"),
    (end_early, "upstream_cut"),
    (cut_in_event, "upstream_cut"),
    (malform, "upstream_protocol"),
    (send_endless_event, "upstream_too_large"),
    (stall, "upstream_idle_timeout"),
]

in_every_way = pytest.mark.parametrize(
    ("break_", "code"), STREAM_BREAKS, ids=[row[0].__name__ for row in STREAM_BREAKS]
)


@in_every_dialect
@in_every_way
async def test_stream_that_breaks_off_ends_with_one_error_event(
    stage: Stage, lines: Lines, break_: Break, code: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await break_(peer, lines)

    async with stage.upstream(script):
        head, answer = await call(stage.gateway, lines.path, lines.streamed)
    assert head.status == 200
    events = answer.removesuffix(b"\n\n").split(b"\n\n")
    sent = b"".join(lines.events).removesuffix(b"\n\n").split(b"\n\n")
    tail = events[len(sent) :]
    assert_error_events(tail, lines, code)
    line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
    assert (line["status"], line["outcome"], line["error"]) == (200, "cut", code)
    assert "usage" in line


def assert_error_events(tail: list[bytes], lines: Lines, code: str) -> None:
    """The exact events of each dialect, and nothing that looks like a good end."""
    if lines is RESPONSES:
        error, failed, done = tail
        assert error.startswith(b"event: error\n")
        assert json.loads(error.partition(b"data: ")[2])["code"] == code
        last = json.loads(failed.partition(b"data: ")[2])
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["id"] == "resp_1"
        assert done + b"\n\n" == DONE
        return
    (event,) = tail
    said = json.loads(event.partition(b"data: ")[2])
    assert said["error"]["code"] == code
    if lines is MESSAGES:
        assert event.startswith(b"event: error\n")
        assert said["type"] == "error"


@in_every_way
async def test_openai_sdk_raises_on_a_broken_chat_stream(
    stage: Stage, break_: Break, code: str
) -> None:
    lines = DIALECTS["chat"]

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await break_(peer, lines)

    async with (
        stage.upstream(script),
        openai.AsyncOpenAI(
            base_url=stage.gateway.openai_url, api_key=stage.gateway.key, max_retries=0
        ) as client,
    ):
        stream = await client.chat.completions.create(
            model="house-model", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        chunks = aiter(stream)
        text = [(await anext(chunks)).choices[0].delta.content for _ in range(2)]
        with pytest.raises(openai.APIError) as caught:
            await anext(chunks)
    assert text == [None, "Hel"]
    assert caught.value.code == code


@in_every_way
async def test_openai_sdk_is_told_of_a_broken_response_stream(
    stage: Stage, break_: Break, code: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await break_(peer, RESPONSES)

    async with (
        stage.upstream(script),
        openai.AsyncOpenAI(
            base_url=stage.gateway.openai_url, api_key=stage.gateway.key, max_retries=0
        ) as client,
    ):
        stream = await client.responses.create(model="house-model", input="Hi", stream=True)
        types = [event.type async for event in stream]
    # OpenAI's SDK hands the error events of this API on; it raises for none of them.
    assert types[-2:] == ["error", "response.failed"]
    assert "response.completed" not in types


@in_every_way
async def test_anthropic_sdk_raises_on_a_broken_message_stream(
    stage: Stage, break_: Break, code: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await break_(peer, MESSAGES)

    async with (
        stage.upstream(script),
        anthropic.AsyncAnthropic(
            base_url=stage.gateway.url, api_key=stage.gateway.key, max_retries=0
        ) as client,
    ):
        with pytest.raises(anthropic.APIError) as caught:
            async with client.messages.stream(
                model="house-model", max_tokens=16, messages=[{"role": "user", "content": "Hi"}]
            ) as stream:
                await stream.get_final_message()
    assert code in str(caught.value.body)


async def test_errors_of_the_upstreams_own_stream_pass_as_they_are(stage: Stage) -> None:
    theirs = (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
        b'"message":"Overloaded"},"x_unknown":1}\n\n'
    )

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, *MESSAGES.events, theirs, b"")

    async with stage.upstream(script):
        head, answer = await call(stage.gateway, MESSAGES.path, MESSAGES.streamed)
    assert answer.endswith(theirs)
    line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
    assert (line["outcome"], line["error"]) == ("cut", "upstream_error_event")


async def test_callers_mistake_is_told_in_the_providers_words(stage: Stage) -> None:
    said = {"error": {"message": "temperature: 9 is too hot", "type": "invalid_request_error",
                      "param": "temperature", "code": "too_hot"}}  # fmt: skip

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(json.dumps(said).encode(), status=400)

    async with stage.upstream(script):
        head, answer = await call(
            stage.gateway, "/v1/chat/completions", {"model": "house-model", "messages": TURN}
        )
    assert head.status == 400
    error = read_error(answer)
    assert "temperature: 9 is too hot" in error["message"]
    assert (error["param"], error["code"]) == ("temperature", "too_hot")
