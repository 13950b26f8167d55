"""A real server on loopback in front of the sandbox, and the official SDKs pointed at it."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anthropic
import msgspec
import openai
import pytest
import uvicorn

from nagara.domain.catalog import Operation
from nagara.domain.errors import GatewayError
from nagara.sandbox.answer import Sandbox

NOW_S = 1_700_000_000
PATHS = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/responses": Operation.RESPONSES,
    "/v1/messages": Operation.MESSAGES,
    "/v1/messages/count_tokens": Operation.COUNT_TOKENS,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/moderations": Operation.MODERATIONS,
    "/v1/images/generations": Operation.IMAGES,
    "/v1/audio/speech": Operation.SPEECH,
}

Message = dict[str, Any]


class Front:
    """An ASGI application that hands every request to the sandbox and relays its answer."""

    def __init__(self) -> None:
        self._sandbox = Sandbox()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        model = msgspec.json.decode(body).get("model") or "none"
        answer = await self._sandbox.answer(
            PATHS[scope["path"]], model, body, now_s=NOW_S, request_id="test"
        )
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        try:
            while piece := await answer.read():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except GatewayError:
            # Leaving without the last message makes uvicorn close the connection.
            return
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The server's base URL, without `/v1`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Front(), lifespan="off", log_config=None, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


@pytest.fixture(scope="session")
def openai_client(address: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK; it does not retry."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_client(address: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK; it does not retry."""
    with anthropic.Anthropic(base_url=address, api_key="x", max_retries=0) as client:
        yield client
