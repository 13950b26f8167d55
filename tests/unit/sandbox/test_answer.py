"""The adapter plays scripts as the network client would deliver them."""

import asyncio
import json
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.sandbox.answer import Sandbox, SandboxAnswer
from nagara.sandbox.script import Cut, Pause, Script


async def ask(model: str, **body: Any) -> SandboxAnswer:
    asked = {"messages": [{"role": "user", "content": "Hi"}], **body}
    return await Sandbox().answer(
        Operation.CHAT, model, json.dumps(asked).encode(), now_s=7, request_id="r"
    )


async def read_all(answer: SandboxAnswer) -> bytes:
    body = b""
    while piece := await answer.read():
        body += piece
    return body


async def test_an_answer_is_read_to_its_end_and_stays_there() -> None:
    answer = await ask("m")
    body = json.loads(await read_all(answer))
    assert (body["model"], body["created"]) == ("m", 7)
    assert await answer.read() == b""


async def test_a_stream_ends_with_done() -> None:
    assert (await read_all(await ask("m", stream=True))).endswith(b"\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("kind", "path"), [("audio", "/v1/audio/speech"), ("image", "/v1/images/generations")]
)
async def test_what_a_chat_is_not_answered_in_is_said_where_to_have(kind: str, path: str) -> None:
    assert (await ask("m", modalities=["text"])).status == 200
    answer = await ask("m", modalities=["text", kind])
    error = json.loads(await read_all(answer))["error"]
    assert (answer.status, error["param"]) == (400, "modalities[1]")
    assert path in error["message"]


async def test_a_cut_raises_what_the_network_client_raises() -> None:
    answer = await ask("m:cut-stream", stream=True)
    assert await answer.read()
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            await read_all(answer)
        assert caught.value.kind is ErrorKind.UPSTREAM_CUT


async def test_a_cut_document_raises_too() -> None:
    with pytest.raises(GatewayError):
        await read_all(await ask("m:cut-stream"))


async def test_pauses_are_played_and_an_abort_ends_one() -> None:
    short = SandboxAnswer(Script(200, [], (Pause(0.001), b"x")))
    assert await read_all(short) == b"x"
    long = SandboxAnswer(Script(200, [], (b"x", Pause(3600.0), b"y", Cut())))
    assert await long.read() == b"x"
    reading = asyncio.create_task(long.read())
    await asyncio.sleep(0)
    long.abort()
    long.abort()
    assert await reading == b""
    assert await long.read() == b""
