"""A call with an `Idempotency-Key` is made once, whatever happens to those who ask for it.

The provider is played in the test's own loop, so it is known how often it was asked; what was
charged is read from the account API of the same gateway.
"""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
import requests

from tests.fakes import Peer
from tests.system.caller import Caller, call
from tests.system.gateway import GatewayProcess
from tests.system.keyed_calls import asked, count_charges, error_of, is_replay, new_key, play
from tests.system.scripts import (
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
from tests.system.stage import Stage, is_request, staged

ANSWER_BYTES_MAX = 20_000

in_every_dialect = pytest.mark.parametrize("lines", DIALECTS.values(), ids=DIALECTS.keys())
in_both_shapes = pytest.mark.parametrize("lines", [CHAT, MESSAGES], ids=["openai", "anthropic"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("idempotency")
    with staged(folder, idempotency_answer_bytes_max=ANSWER_BYTES_MAX) as stage:
        yield stage
        stage.gateway.run("ledger", "verify")


@in_every_dialect
@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_repetition_is_given_the_same_answer_and_charged_nothing(
    stage: Stage, lines: Lines, is_streamed: bool
) -> None:
    before, key = count_charges(stage.gateway), new_key()
    body = {**lines.request, "stream": is_streamed}
    async with stage.upstream(lambda peer: play(peer, lines, is_streamed)) as upstream:
        first, answer = await call(stage.gateway, lines.path, body, idempotency_key=key)
        again, same = await call(stage.gateway, lines.path, body, idempotency_key=key)
        assert asked(upstream) == 1
    assert (first.status, again.status) == (200, 200)
    assert same == answer
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert again.header("content-type") == first.header("content-type")
    assert again.header("x-nagara-model") == UPSTREAM_MODEL
    assert again.header("x-request-id") != first.header("x-request-id")
    assert again.header("x-nagara-original-request-id") == first.header("x-request-id")
    assert again.header("x-nagara-cost") == (None if is_streamed else "0.00")
    assert count_charges(stage.gateway) == before + 1
    line = stage.wait_for_line(is_request(again.header("x-request-id") or ""))
    assert line["is_replay"]
    assert line["status"] == 200
    assert "usage" not in line


async def test_many_at_once_are_one_call(stage: Stage) -> None:
    before, key = count_charges(stage.gateway), new_key()
    async with stage.upstream() as upstream:
        calls = [
            asyncio.create_task(call(stage.gateway, CHAT.path, CHAT.streamed, idempotency_key=key))
            for _ in range(20)
        ]
        peer = await upstream.accept()
        assert await peer.read_request()
        await give_stream(peer, CHAT)
        answers = await asyncio.gather(*calls)
        assert asked(upstream) == 1
    assert {head.status for head, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert sum(is_replay(head) for head, _ in answers) == 19
    assert count_charges(stage.gateway) == before + 1


@in_both_shapes
async def test_another_body_or_path_under_the_same_key_is_409(stage: Stage, lines: Lines) -> None:
    key = new_key()
    other = {**lines.request, "temperature": 0.5}
    async with stage.upstream(lambda peer: play(peer, lines, False)) as upstream:
        await call(stage.gateway, lines.path, lines.request, idempotency_key=key)
        head, body = await call(stage.gateway, lines.path, other, idempotency_key=key)
        elsewhere, _ = await call(
            stage.gateway, RESPONSES.path, RESPONSES.request, idempotency_key=key
        )
        assert asked(upstream) == 1
    assert (head.status, elsewhere.status) == (409, 409)
    assert "used before" in error_of(body)["message"]
    # Or the SDKs would send it again and again.
    assert head.header("x-should-retry") == "false"


async def test_another_body_is_409_while_the_first_runs(stage: Stage) -> None:
    key = new_key()
    async with stage.upstream() as upstream, Caller(stage.gateway) as caller:
        caller.post(CHAT.path, CHAT.request, idempotency_key=key)
        peer = await upstream.accept()
        assert await peer.read_request()
        head, body = await call(stage.gateway, CHAT.path, CHAT.streamed, idempotency_key=key)
        assert head.status == 409
        assert error_of(body)["code"] == "idempotency_key_reused"
        await give_answer(peer, CHAT)
        assert (await caller.read_answer())[0].status == 200


@in_both_shapes
@pytest.mark.parametrize("key", ["x" * 256, "tab\there", "caf\xe9"])
async def test_bad_key_is_400(stage: Stage, lines: Lines, key: str) -> None:
    async with Caller(stage.gateway) as caller:
        data = json.dumps(lines.request).encode()
        caller.writer.write(
            f"POST {lines.path} HTTP/1.1\r\nhost: a\r\n"
            f"authorization: Bearer {stage.gateway.key}\r\n"
            f"content-length: {len(data)}\r\nidempotency-key: {key}\r\n\r\n".encode("latin-1")
            + data
        )
        head, body = await caller.read_answer()
    assert head.status == 400
    assert "Idempotency-Key" in error_of(body)["message"]


async def test_two_different_keys_are_400_and_an_empty_one_too(stage: Stage) -> None:
    head, body = await call(
        stage.gateway, CHAT.path, CHAT.request, idempotency_key="a", Idempotency_Key="b"
    )
    assert head.status == 400
    assert "more than once" in error_of(body)["message"]
    data = json.dumps(CHAT.request).encode()
    async with Caller(stage.gateway) as caller:
        caller.writer.write(
            f"POST {CHAT.path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {stage.gateway.key}\r\n"
            f"content-length: {len(data)}\r\nidempotency-key: \r\n\r\n".encode()
            + data
        )
        head, body = await caller.read_answer()
    assert head.status == 400
    assert "is empty" in error_of(body)["message"]


async def test_call_that_failed_is_made_again(stage: Stage) -> None:
    key = new_key()

    async def refuse(peer: Peer) -> None:
        while await peer.read_request():
            await peer.answer(b'{"error": {"message": "no"}}', status=400)

    async with stage.upstream(refuse):
        head, _ = await call(stage.gateway, CHAT.path, CHAT.request, idempotency_key=key)
        assert head.status == 400
    async with stage.upstream(lambda peer: play(peer, CHAT, False)):
        head, _ = await call(stage.gateway, CHAT.path, CHAT.request, idempotency_key=key)
    assert head.status == 200
    assert not is_replay(head)


@in_every_dialect
async def test_stream_that_broke_off_is_made_again(stage: Stage, lines: Lines) -> None:
    before, key = count_charges(stage.gateway), new_key()

    async def break_off(peer: Peer) -> None:
        await peer.read_request()
        await begin_stream(peer, *lines.events)
        peer.reset()

    async with stage.upstream(break_off):
        head, _ = await call(stage.gateway, lines.path, lines.streamed, idempotency_key=key)
        assert head.status == 200
    async with stage.upstream(lambda peer: play(peer, lines, True)):
        head, body = await call(stage.gateway, lines.path, lines.streamed, idempotency_key=key)
        _, whole = await call(stage.gateway, lines.path, lines.streamed)
    assert not is_replay(head)
    assert body == whole
    assert count_charges(stage.gateway) == before + 2


async def test_those_who_wait_for_a_call_that_fails_make_it_again_once(stage: Stage) -> None:
    before, key = count_charges(stage.gateway), new_key()
    async with stage.upstream() as upstream:
        calls = [
            asyncio.create_task(call(stage.gateway, CHAT.path, CHAT.request, idempotency_key=key))
            for _ in range(5)
        ]
        peer = await upstream.accept()
        assert await peer.read_request()
        await peer.answer(b'{"error": {"message": "no"}}', status=400)
        assert await peer.read_request()
        await give_answer(peer, CHAT)
        answers = await asyncio.gather(*calls)
        assert asked(upstream) == 2
    assert sorted(head.status for head, _ in answers) == [200, 200, 200, 200, 400]
    assert count_charges(stage.gateway) == before + 1


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_client_that_left_finds_the_whole_answer(stage: Stage, is_streamed: bool) -> None:
    before, key = count_charges(stage.gateway), new_key()
    body = {**CHAT.request, "stream": is_streamed}
    async with stage.upstream() as upstream:
        async with Caller(stage.gateway) as caller:
            caller.post(CHAT.path, body, idempotency_key=key, x_request_id=f"left-{key}")
            peer = await upstream.accept()
            assert await peer.read_request()
            if is_streamed:
                await begin_stream(peer, *CHAT.events)
                await caller.read_head()
                await caller.read_until(b"keep-alive")
        # A round trip: what came before it has been seen.
        await call(stage.gateway, "/v1/none", {})
        again = asyncio.create_task(call(stage.gateway, CHAT.path, body, idempotency_key=key))
        if is_streamed:
            await peer.send_chunks(CHAT.ending, b"")
        else:
            await give_answer(peer, CHAT)
        head, answer = await again
        assert asked(upstream) == 1
    assert is_replay(head)
    assert b"Hel" in answer
    assert b"lo." in answer
    line = stage.wait_for_line(is_request(f"left-{key}"))
    assert line["has_client_left"]
    assert count_charges(stage.gateway) == before + 1


async def test_who_waits_and_leaves_disturbs_nobody(stage: Stage) -> None:
    key = new_key()
    async with stage.upstream() as upstream, Caller(stage.gateway) as first:
        first.post(CHAT.path, CHAT.request, idempotency_key=key)
        peer = await upstream.accept()
        assert await peer.read_request()
        async with Caller(stage.gateway) as other:
            other.post(CHAT.path, CHAT.request, idempotency_key=key, x_request_id=f"out-{key}")
            await call(stage.gateway, "/v1/none", {})
        line = await asyncio.to_thread(stage.wait_for_line, is_request(f"out-{key}"))
        assert line["status"] == 499
        await give_answer(peer, CHAT)
        head, _ = await first.read_answer()
    assert head.status == 200
    assert not is_replay(head)


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_answer_too_large_to_keep_is_409_and_charged_once(
    stage: Stage, is_streamed: bool
) -> None:
    before, key = count_charges(stage.gateway), new_key()
    body = {**CHAT.request, "stream": is_streamed}
    large = "x" * (ANSWER_BYTES_MAX + 1)

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            if is_streamed:
                ending = (chat_chunk({}, "stop"), CHAT_USAGE, DONE, b"")
                await begin_stream(peer, chat_chunk({"content": large}), *ending)
            else:
                await peer.answer(json.dumps({**CHAT.answer, "x": large}).encode())

    async with stage.upstream(script) as upstream:
        head, answer = await call(stage.gateway, CHAT.path, body, idempotency_key=key)
        assert head.status == 200
        assert large.encode() in answer
        head, answer = await call(stage.gateway, CHAT.path, body, idempotency_key=key)
        assert asked(upstream) == 1
    assert head.status == 409
    assert error_of(answer)["code"] == "idempotent_answer_not_kept"
    assert "idempotency_answer_bytes_max" in error_of(answer)["message"]
    assert count_charges(stage.gateway) == before + 1


async def test_client_that_left_an_answer_too_large_to_keep_pays_for_what_was_read(
    stage: Stage,
) -> None:
    before, key = count_charges(stage.gateway), new_key()
    async with stage.upstream() as upstream:
        async with Caller(stage.gateway) as caller:
            caller.post(CHAT.path, CHAT.streamed, idempotency_key=key, x_request_id=f"cut-{key}")
            peer = await upstream.accept()
            assert await peer.read_request()
            await begin_stream(peer, *CHAT.events)
            await caller.read_head()
        await call(stage.gateway, "/v1/none", {})
        for _ in range(2):
            await peer.send_chunks(chat_chunk({"content": "x" * ANSWER_BYTES_MAX}))
        async with asyncio.timeout(5):
            await peer.closed()
        await asyncio.to_thread(stage.wait_for_line, is_request(f"cut-{key}"))
        head, answer = await call(stage.gateway, CHAT.path, CHAT.streamed, idempotency_key=key)
        assert asked(upstream) == 1
    assert head.status == 409
    assert error_of(answer)["code"] == "idempotent_answer_not_kept"
    assert count_charges(stage.gateway) == before + 1


async def test_test_keys_have_their_own_calls(stage: Stage) -> None:
    before, key = count_charges(stage.gateway), new_key()
    test_key = stage.gateway.make_key(f"ci-{key}", "--test")
    body = {"model": "gpt-4.1-mini", "messages": CHAT.request["messages"]}
    authorization = {"authorization": f"Bearer {test_key}"}
    await wait_until_valid(stage.gateway, test_key)
    answers = [
        await call(stage.gateway, CHAT.path, body, idempotency_key=key, **authorization)
        for _ in range(2)
    ]
    assert [head.status for head, _ in answers] == [200, 200]
    assert [is_replay(head) for head, _ in answers] == [False, True]
    assert answers[0][1] == answers[1][1]
    async with stage.upstream(lambda peer: play(peer, CHAT, False)):
        head, _ = await call(stage.gateway, CHAT.path, CHAT.request, idempotency_key=key)
    assert head.status == 200
    assert not is_replay(head)
    assert count_charges(stage.gateway) == before + 1


async def test_repetition_counts_towards_no_limit(stage: Stage) -> None:
    """The key may make one call a minute."""
    key, name = new_key(), f"one-{new_key()}"
    secret = stage.gateway.make_key(name, "--requests-per-minute", "1")
    await wait_until_valid(stage.gateway, secret)
    named = {"authorization": f"Bearer {secret}", "idempotency_key": key}
    async with stage.upstream(lambda peer: play(peer, CHAT, False)) as upstream:
        first, answer = await call(stage.gateway, CHAT.path, CHAT.request, **named)
        for _ in range(5):
            head, same = await call(stage.gateway, CHAT.path, CHAT.request, **named)
            assert (head.status, same) == (200, answer)
            assert head.header("x-ratelimit-remaining-requests") is None
        named["idempotency_key"] = new_key()
        refused, _ = await call(stage.gateway, CHAT.path, CHAT.request, **named)
        assert asked(upstream) == 1
    assert first.header("x-ratelimit-remaining-requests") == "0"
    assert refused.status == 429


async def wait_until_valid(gateway: GatewayProcess, key: str) -> None:
    """A new key is seen within a second."""
    async with asyncio.timeout(5):
        while True:
            head, _ = await call(gateway, CHAT.path, {}, authorization=f"Bearer {key}")
            if head.status != 401:
                return
            await asyncio.sleep(0.02)


async def test_continued_response_is_given_again_as_its_caller_had_it(stage: Stage) -> None:
    """The answer names the response that it continues, which its provider knows nothing of."""
    key = new_key()
    for is_streamed in (False, True):
        async with stage.upstream(lambda peer: play(peer, RESPONSES, False)):
            await call(stage.gateway, RESPONSES.path, RESPONSES.request)
        body = {**RESPONSES.request, "previous_response_id": "resp_1", "stream": is_streamed}
        named = {"idempotency_key": f"{key}-{is_streamed}"}

        async def script(peer: Peer, is_streamed: bool = is_streamed) -> None:
            await play(peer, RESPONSES, is_streamed)

        async with stage.upstream(script) as upstream:
            _, answer = await call(stage.gateway, RESPONSES.path, body, **named)
            head, again = await call(stage.gateway, RESPONSES.path, body, **named)
            assert asked(upstream) == 1
        assert is_replay(head)
        assert again == answer
        assert b'"previous_response_id":"resp_1"' in again


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_background_response_is_begun_once(stage: Stage, is_streamed: bool) -> None:
    before, key = count_charges(stage.gateway), new_key()
    body = {**RESPONSES.request, "background": True, "stream": is_streamed}
    async with stage.upstream(lambda peer: play(peer, RESPONSES, True)) as upstream:
        first, answer = await call(stage.gateway, RESPONSES.path, body, idempotency_key=key)
        again, same = await call(stage.gateway, RESPONSES.path, body, idempotency_key=key)
        found = re.search(rb'"id":"(resp_[0-9a-f]+)"', answer)
        assert found
        url = f"{stage.gateway.url}/v1/responses/{found[1].decode()}"
        headers = {"authorization": f"Bearer {stage.gateway.key}"}
        async with asyncio.timeout(5):
            while True:
                shown = await asyncio.to_thread(requests.get, url, headers=headers, timeout=5)
                if shown.json()["status"] == "completed":
                    break
        assert asked(upstream) == 1
    assert (first.status, again.status) == (200, 200)
    assert is_replay(again)
    assert same == answer
    assert count_charges(stage.gateway) == before + 1
