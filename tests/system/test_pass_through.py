"""What passes through, byte for byte: unknown fields, names of models, headers, terminators."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import FakeUpstream, Peer, Received
from tests.system.caller import Head, call
from tests.system.scripts import (
    CALLER_MODEL,
    CHAT,
    CHAT_USAGE,
    DIALECTS,
    DONE,
    MESSAGES,
    RESPONSES,
    UPSTREAM_MODEL,
    Lines,
    begin_stream,
    chat_chunk,
    give_answer,
    give_stream,
)
from tests.system.stage import CREDENTIAL, Stage, is_request, staged

in_every_dialect = pytest.mark.parametrize("lines", DIALECTS.values(), ids=DIALECTS.keys())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("pass")) as stage:
        yield stage


async def exchange(
    stage: Stage, lines: Lines, body: dict[str, Any], path: str | None = None, **headers: str
) -> tuple[Received, Head, bytes]:
    """One call of a provider that answers well: what it was sent, and what the caller got."""
    got: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request)
            give = give_stream if json.loads(request.body).get("stream") else give_answer
            await give(peer, lines)

    async with stage.upstream(script):
        head, answer = await call(stage.gateway, path or lines.path, body, **headers)
    (request,) = got
    return request, head, answer


@in_every_dialect
async def test_unknown_request_fields_arrive_and_the_model_is_the_deployments(
    stage: Stage, lines: Lines
) -> None:
    sent = {**lines.request, "x_number": 1.50, "x_text": "ü\u2028", "x_null": None}
    request, head, _ = await exchange(stage, lines, sent)
    assert head.status == 200
    assert json.loads(request.body) == {**sent, "model": UPSTREAM_MODEL}


@in_every_dialect
async def test_unknown_answer_fields_arrive_and_the_model_is_the_callers(
    stage: Stage, lines: Lines
) -> None:
    _, head, answer = await exchange(stage, lines, lines.request)
    assert json.loads(answer) == {**lines.answer, "model": CALLER_MODEL}
    assert head.header("x-nagara-model") == UPSTREAM_MODEL
    assert (head.header("x-nagara-provider") or "").startswith("theirs-")
    assert head.header("x-nagara-attempts") == "1"
    assert head.header("x-nagara-cost") == "0.000011"


@in_every_dialect
async def test_stream_arrives_as_it_was_sent_but_for_the_model(stage: Stage, lines: Lines) -> None:
    request, head, answer = await exchange(stage, lines, lines.streamed)
    assert json.loads(request.body)["x_future"] == lines.request["x_future"]
    assert (head.header("content-type") or "").startswith("text/event-stream")
    assert read_events(answer) == read_events(lines.as_caller_sees(lines.stream) + lines.terminator)
    assert b": keep-alive\n\n" in answer
    assert answer.endswith(lines.terminator or lines.ending[-20:])


def read_events(stream: bytes) -> list[object]:
    """Names, comments and data; JSON decoded, because its spaces mean nothing."""
    return [
        json.loads(line[6:]) if line.startswith(b"data: {") else line
        for line in stream.split(b"\n")
    ]


@in_every_dialect
async def test_line_ends_of_every_kind_pass(stage: Stage, lines: Lines) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, lines.stream.replace(b"\n", b"\r\n"), b"")

    async with stage.upstream(script):
        _, answer = await call(stage.gateway, lines.path, lines.streamed)
    normal = answer.replace(b"\r\n", b"\n")
    assert read_events(normal) == read_events(lines.as_caller_sees(lines.stream) + lines.terminator)


async def test_anthropic_upstream_is_sent_betas_version_and_query_as_they_are(
    stage: Stage,
) -> None:
    beta = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
    request, head, _ = await exchange(
        stage, MESSAGES, MESSAGES.request, "/v1/messages?beta=true",
        anthropic_beta=beta, anthropic_version="2023-01-01", anthropic_dangerous="x",
    )  # fmt: skip
    assert head.status == 200
    assert request.target == b"/v1/messages?beta=true"
    assert request.header(b"anthropic-beta") == beta.encode()
    versions = [value for name, value in request.headers if name == b"anthropic-version"]
    assert versions == [b"2023-01-01"]


@in_every_dialect
async def test_no_credential_crosses_the_gateway(stage: Stage, lines: Lines) -> None:
    request, head, answer = await exchange(
        stage, lines, lines.request, cookie="session=1", openai_organization="org-caller"
    )
    upstream_head = repr(request.headers)
    assert stage.gateway.key not in upstream_head
    assert stage.gateway.key.encode() not in request.body
    assert CREDENTIAL in upstream_head
    assert not {name for name, _ in request.headers} & {b"cookie", b"openai-organization"}
    assert CREDENTIAL not in repr(head.headers)
    assert CREDENTIAL.encode() not in answer


async def test_upstream_headers_do_not_reach_the_caller(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        body = json.dumps(CHAT.answer).encode()
        await peer.answer(
            body, b"content-type: application/json", b"set-cookie: a=b", b"server: their-server-1",
            b"openai-organization: org-of-the-operator",
        )  # fmt: skip

    async with stage.upstream(script):
        head, _ = await call(stage.gateway, CHAT.path, CHAT.request)
    assert head.status == 200
    assert not {name for name, _ in head.headers} & {"set-cookie", "server", "openai-organization"}


async def chat_with_usage(stage: Stage, body: dict[str, Any]) -> tuple[dict[str, Any], Head, bytes]:
    got: list[Received] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            got.append(request)
            last = chat_chunk({"content": "lo."}, "stop") + CHAT_USAGE + DONE
            await begin_stream(peer, *CHAT.events, last, b"")

    async with stage.upstream(script):
        head, answer = await call(stage.gateway, CHAT.path, body)
    return json.loads(got[0].body), head, answer


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"x_other": 1}])
async def test_usage_is_asked_of_the_upstream_and_kept_from_a_caller_who_did_not(
    stage: Stage, options: dict[str, Any] | None
) -> None:
    body = CHAT.streamed if options is None else {**CHAT.streamed, "stream_options": options}
    asked, head, answer = await chat_with_usage(stage, body)
    assert asked["stream_options"] == {**(options or {}), "include_usage": True}
    assert b'"usage"' not in answer
    assert answer.endswith(DONE)
    assert answer.count(DONE) == 1
    line = stage.wait_for_line(is_request(head.header("x-request-id") or ""))
    assert line["usage"] == {"input": 7, "output": 2}


async def test_usage_that_the_caller_asked_for_reaches_it(stage: Stage) -> None:
    options = {"include_usage": True}
    _, _, answer = await chat_with_usage(stage, {**CHAT.streamed, "stream_options": options})
    assert b'"usage"' in answer
    assert answer.endswith(DONE)


async def test_done_of_a_responses_upstream_is_not_doubled(stage: Stage) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, RESPONSES.stream + DONE, b"")

    async with stage.upstream(script):
        _, answer = await call(stage.gateway, RESPONSES.path, RESPONSES.streamed)
    assert answer.count(DONE) == 1
    assert answer.endswith(DONE)


@in_every_dialect
async def test_upstream_connection_is_used_again_after_a_stream(stage: Stage, lines: Lines) -> None:
    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await give_stream(peer, lines)

    upstream: FakeUpstream
    async with stage.upstream(script) as upstream:
        for _ in range(3):
            head, _ = await call(stage.gateway, lines.path, lines.streamed)
            assert head.status == 200
    assert [peer.request_count for peer in upstream.peers] == [3]
