"""A server that has only Chat Completions, although its kind would have Responses too."""

import contextlib
import json
from collections.abc import Iterator
from itertools import count

import pytest

from tests.fakes import Peer
from tests.system.caller import call
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CHAT, MESSAGES, RESPONSES, give_answer, give_stream
from tests.system.stage import Address, Stage, is_request

CONFIG = """
[providers.mine]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
"""
NUMBERS = count()


def any_model() -> str:
    """A model that nothing was found out about yet."""
    return f"mine/m{next(NUMBERS)}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("absent")
    config = folder / "nagara.toml"
    with contextlib.closing(Address()) as address:
        config.write_text(CONFIG.format(port=address.port))
        with GatewayProcess(folder / "data", None, "--config", str(config)) as gateway:
            yield Stage(gateway, address)


class ChatServer:
    """Serves Chat Completions alone, and keeps the paths that it was asked at."""

    def __init__(self, chat_status: int = 200) -> None:
        self.chat_status = chat_status
        self.asked: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        while request := await peer.read_request():
            self.asked.append(request.target.decode())
            if request.target != b"/v1/chat/completions":
                await peer.answer(b'{"detail":"Not Found"}', status=404)
            elif self.chat_status != 200:
                await peer.answer(b'{"error":{"message":"Gone."}}', status=self.chat_status)
            elif json.loads(request.body).get("stream"):
                await give_stream(peer, CHAT)
            else:
                await give_answer(peer, CHAT)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_responses_caller_is_answered_and_the_next_goes_straight_there(
    stage: Stage, is_streamed: bool
) -> None:
    server, model = ChatServer(), any_model()
    body = {"model": model, "input": "Say hello.", "stream": is_streamed}
    async with stage.upstream(server):
        first, answer = await call(stage.gateway, RESPONSES.path, body)
        again, _ = await call(stage.gateway, RESPONSES.path, body)
    assert (first.status, again.status) == (200, 200)
    assert b"Hello." in answer
    chat = "/v1/chat/completions"
    assert server.asked == ["/v1/responses", chat, chat]
    assert first.header("x-nagara-attempts") == "2"
    assert again.header("x-nagara-attempts") == "1"


async def test_attempt_that_found_out_is_in_the_log_with_the_remedy(stage: Stage) -> None:
    body = {"model": any_model(), "input": "Say hello."}
    async with stage.upstream(ChatServer()):
        await call(stage.gateway, RESPONSES.path, body, x_request_id="found-out")
    ended = stage.wait_for_line(is_request("found-out"))
    assert (ended["attempts"], ended["status"]) == (2, 200)
    assert (ended["operation"], ended["provider_operation"]) == ("responses", "chat.completions")
    failed = stage.wait_for_line(
        lambda line: line["event"] == "attempt_failed" and line["request_id"] == "found-out"
    )
    assert failed["absent_operation"] == "responses"
    assert failed["provider_status"] == 404


async def test_messages_caller_is_asked_in_both_dialects_of_the_server(stage: Stage) -> None:
    server = ChatServer()
    async with stage.upstream(server):
        head, _ = await call(
            stage.gateway, MESSAGES.path, {**MESSAGES.request, "model": any_model()}
        )
    assert head.status == 200
    assert server.asked[-1] == "/v1/chat/completions"


async def test_server_that_lacks_all_is_refused_once_and_nothing_is_remembered(
    stage: Stage,
) -> None:
    server, model = ChatServer(chat_status=404), any_model()
    body = {"model": model, "input": "Say hello."}
    async with stage.upstream(server):
        head, answer = await call(stage.gateway, RESPONSES.path, body)
        await call(stage.gateway, RESPONSES.path, body)
    assert head.status == 404
    assert json.loads(answer)["error"]["message"] == "Not Found"
    assert server.asked == ["/v1/responses", "/v1/chat/completions"] * 2


async def test_404_that_names_the_model_is_asked_once(stage: Stage) -> None:
    asked: list[bytes] = []

    async def play(peer: Peer) -> None:
        while request := await peer.read_request():
            asked.append(request.target)
            name = json.loads(request.body)["model"]
            said = {"error": {"message": f"The model `{name}` does not exist."}}
            await peer.answer(json.dumps(said).encode(), status=404)

    async with stage.upstream(play):
        head, _ = await call(
            stage.gateway, RESPONSES.path, {"model": any_model(), "input": "Say hello."}
        )
    assert head.status == 404
    assert asked == [b"/v1/responses"]
