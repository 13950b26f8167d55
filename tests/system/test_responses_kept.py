"""Kept responses, with OpenAI's SDK: continued, read, listed, deleted; whose they are."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from openai.types.responses import Response

from nagara.storage.data_folder import database_path
from nagara.storage.keys import create_account
from nagara.storage.sqlite import SqliteDriver
from tests.fakes import Peer
from tests.system.gateway import GatewayProcess, served
from tests.system.responses_provider import (
    ResponsesProvider,
    call,
    message,
    reasoning,
    staged_alone,
)
from tests.system.scripts import CALLER_MODEL, MESSAGES, give_answer, give_stream
from tests.system.stage import Address, Stage

TOOL: Any = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
SANDBOX_MODEL = "gpt-4.1-mini"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_alone(tmp_path_factory.mktemp("kept")) as stage:
        yield stage


@pytest.fixture
async def provider(stage: Stage) -> AsyncIterator[ResponsesProvider]:
    provider = ResponsesProvider()
    async with stage.upstream(provider.script):
        yield provider


def client_of(gateway: GatewayProcess, key: str | None = None) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=gateway.openai_url, api_key=key or gateway.key, max_retries=0
    )


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(stage.gateway) as client:
        yield client


async def ask(client: openai.AsyncOpenAI, text: Any, **more: Any) -> Response:
    more = {"model": CALLER_MODEL, **more}
    response = await client.responses.create(input=text, **more)
    assert isinstance(response, Response)
    return response


async def test_conversation_with_a_tool_is_sent_whole_at_each_turn(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    thought, asked = reasoning(), call("add", '{"a":1}')
    provider.turns = [[thought, asked], [message("It is 3.", 2)], [message("Bye.", 3)]]
    first = await ask(client, "1 and 2?", instructions="Be brief.", tools=[TOOL])
    result = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
    second = await ask(client, [result], previous_response_id=first.id)
    third = await ask(client, "Thanks.", previous_response_id=second.id)
    question = {"type": "message", "role": "user", "content": "1 and 2?"}
    assert provider.requests[1]["input"] == [question, thought, asked, result]
    assert provider.requests[2]["input"] == [
        *provider.requests[1]["input"],
        message("It is 3.", 2),
        {"type": "message", "role": "user", "content": "Thanks."},
    ]
    for request in provider.requests:
        assert "previous_response_id" not in request
    # Neither is part of the conversation.
    assert "instructions" not in provider.requests[1]
    assert "tools" not in provider.requests[1]
    assert first.previous_response_id is None
    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    assert third.output_text == "Bye."
    assert third.model == CALLER_MODEL


async def test_streamed_turn_names_the_one_it_continues_and_can_be_continued(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    first = await ask(client, "One.")
    async with client.responses.stream(
        model=CALLER_MODEL, input="Two.", previous_response_id=first.id
    ) as stream:
        async for event in stream:
            if event.type in ("response.created", "response.completed"):
                assert event.response.previous_response_id == first.id
        second = await stream.get_final_response()
    await ask(client, "Three.", previous_response_id=second.id)
    assert [
        item["content"] for item in provider.requests[2]["input"] if item["role"] == "user"
    ] == [
        "One.",
        "Two.",
        "Three.",
    ]
    assert (await client.responses.retrieve(second.id)).output_text == "Hello."


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_response_is_read_back_as_it_was_given(
    client: openai.AsyncOpenAI, provider: ResponsesProvider, is_streamed: bool
) -> None:
    provider.turns = [[message("Line\u2028sep \U0001f600")]]
    if is_streamed:
        async with client.responses.stream(model=CALLER_MODEL, input="Hi.") as stream:
            given: Any = (await stream.get_final_response()).to_dict()
        given["output"][0]["content"][0].pop("parsed", None)
    else:
        given = (await ask(client, "Hi.")).to_dict()
    assert (await client.responses.retrieve(given["id"])).to_dict() == given


async def test_what_is_not_to_be_stored_is_not(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    given = await ask(client, "Hi.", store=False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(given.id)
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, "Hi.", previous_response_id=given.id)
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"
    assert provider.requests[0]["store"] is False
    assert len(provider.requests) == 1


async def test_continuation_that_is_not_stored_reads_what_is(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    first = await ask(client, "One.")
    second = await ask(client, "Two.", previous_response_id=first.id, store=False)
    assert len(provider.requests[1]["input"]) == 3
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(second.id)


async def test_deleted_response_is_gone(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    first = await ask(client, "One.")
    second = await ask(client, "Two.", previous_response_id=first.id)
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        await ask(client, "Three.", previous_response_id=first.id)
    # What came after it stands by itself.
    await ask(client, "Three.", previous_response_id=second.id)
    assert len(provider.requests[2]["input"]) == 5


async def test_input_items_are_paged_in_either_order(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    provider.turns = [[message("A.", 11)], [message("B.", 12)]]
    first = await ask(client, "One.")
    second = await ask(client, [{"role": "user", "content": "Two."}], previous_response_id=first.id)
    listed = [item async for item in client.responses.input_items.list(second.id, limit=1)]
    texts = [item.to_dict()["content"][0]["text"] for item in listed]  # type: ignore[index]
    assert texts == ["Two.", "A.", "One."]
    page = await client.responses.input_items.list(second.id, limit=2, order="asc")
    assert [item.id for item in page.data] == [item.id for item in listed[:0:-1]]
    assert page.data[1].id == "msg_11"
    assert page.has_next_page()
    rest = await page.get_next_page()
    assert [item.id for item in rest.data] == [listed[0].id]
    assert not rest.has_more


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("order=up", "order"),
        ("after=msg_nowhere", "after"),
    ],
)
async def test_wrong_paging_is_refused_by_name(
    client: openai.AsyncOpenAI, provider: ResponsesProvider, query: str, param: str
) -> None:
    given = await ask(client, "Hi.")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.get(f"/responses/{given.id}/input_items?{query}", cast_to=object)
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["store", "background", "previous_response_id"])
async def test_wrong_state_field_is_refused_by_name(
    client: openai.AsyncOpenAI, provider: ResponsesProvider, field: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, "Hi.", extra_body={field: 7})
    assert caught.value.param == field
    assert not provider.requests


async def test_only_background_responses_are_cancelled_or_streamed_again(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    given = await ask(client, "Hi.")
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.cancel(given.id)
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.retrieve(given.id, stream=True)
    assert (await client.responses.retrieve(given.id)).status == "completed"


@pytest.mark.parametrize("response_id", ["resp_none", "%00", "%C3%BC", "a" * 300])
@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")]
)
def test_unknown_id_is_a_404_in_openais_shape(
    stage: Stage, method: str, tail: str, response_id: str
) -> None:
    answer = requests.request(
        method,
        f"{stage.gateway.openai_url}/responses/{response_id}{tail}",
        headers={"authorization": f"Bearer {stage.gateway.key}"},
        timeout=10,
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert answer.headers["x-request-id"]


async def test_other_accounts_and_other_kinds_of_key_see_nothing(
    client: openai.AsyncOpenAI, stage: Stage, provider: ResponsesProvider
) -> None:
    driver = await SqliteDriver.open(database_path(stage.gateway.data))
    await create_account(driver, "other", created_at_s=1, opening_grant_nano=10**12)
    await driver.close()
    given = await ask(client, "Hi.")
    strangers = {
        stage.gateway.make_key("theirs", "--account", "other"): CALLER_MODEL,
        stage.gateway.make_key("ci", "--test"): SANDBOX_MODEL,
    }
    for key, model in strangers.items():
        async with client_of(stage.gateway, key) as stranger:
            with pytest.raises(openai.NotFoundError):
                await stranger.responses.retrieve(given.id)
            with pytest.raises(openai.NotFoundError):
                await stranger.responses.delete(given.id)
            with pytest.raises(openai.NotFoundError):
                await stranger.responses.cancel(given.id)
            with pytest.raises(openai.NotFoundError):
                await stranger.responses.input_items.list(given.id)
            with pytest.raises(openai.BadRequestError) as caught:
                await ask(stranger, "Hi.", previous_response_id=given.id, model=model)
            assert caught.value.code == "previous_response_not_found"
    async with client_of(stage.gateway, stage.gateway.make_key("mine")) as colleague:
        assert (await colleague.responses.retrieve(given.id)).id == given.id
    async with client_of(stage.gateway, stage.gateway.provisioning_key) as provisioning:
        with pytest.raises(openai.AuthenticationError):
            await provisioning.responses.retrieve(given.id)


async def test_test_key_has_its_own_conversations(stage: Stage) -> None:
    key = stage.gateway.make_key("ci2", "--test")
    async with client_of(stage.gateway, key) as client:
        first = await ask(client, "One.", model=SANDBOX_MODEL)
        second = await ask(client, "Two.", model=SANDBOX_MODEL, previous_response_id=first.id)
        items = await client.responses.input_items.list(second.id)
        assert len(items.data) == 3


async def test_responses_outlive_the_process(tmp_path: Path) -> None:
    with served(tmp_path) as gateway:
        key = gateway.key
        async with client_of(gateway) as client:
            first = await ask(client, "One.", model=SANDBOX_MODEL)
    with GatewayProcess(tmp_path / "data") as gateway:
        async with client_of(gateway, key) as client:
            assert (await client.responses.retrieve(first.id)).to_dict() == first.to_dict()
            second = await ask(client, "Two.", model=SANDBOX_MODEL, previous_response_id=first.id)
            items = await client.responses.input_items.list(second.id)
            assert len(items.data) == 3


async def test_nothing_is_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    with served(tmp_path, {"responses_retention_days": 0}) as gateway:
        async with client_of(gateway) as client:
            given = await ask(client, "One.", model=SANDBOX_MODEL)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(given.id)
            with pytest.raises(openai.BadRequestError, match="responses_retention_days"):
                await ask(client, "One.", model=SANDBOX_MODEL, background=True)


TWO_MAKERS = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.first]
kind = "compatible"
base_url = "http://127.0.0.1:{first}/v1"
credential = "theirs"

[providers.second]
kind = "compatible"
base_url = "http://127.0.0.1:{second}/v1"
credential = "theirs"

[models.model-one]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "first", model = "one" }}]

[models.model-two]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "second", model = "two" }}]
"""


async def test_reasoning_that_only_its_maker_can_read_is_left_out_for_others_and_named(
    tmp_path: Path,
) -> None:
    first, second = Address(), Address()
    config = tmp_path / "nagara.toml"
    config.write_text(TWO_MAKERS.format(first=first.port, second=second.port))
    maker, other = (ResponsesProvider([reasoning(), message("A.")]) for _ in range(2))
    gateway = GatewayProcess(tmp_path / "data", {"THEIR_KEY": "sk-1"}, "--config", str(config))
    with gateway:
        async with (
            first.upstream(maker.script),
            second.upstream(other.script),
            client_of(gateway) as client,
        ):
            begun = await ask(client, "One.", model="model-one")
            elsewhere = await client.responses.with_raw_response.create(
                model="model-two", input="Two.", previous_response_id=begun.id
            )
            back = await client.responses.with_raw_response.create(
                model="model-one", input="Two.", previous_response_id=begun.id
            )
    assert elsewhere.headers["x-nagara-dropped"] == "input.reasoning"
    sent = other.requests[0]["input"]
    assert [item["type"] for item in sent] == ["message", "message", "message"]
    # The id refers to what its maker keeps.
    assert "id" not in sent[1]
    assert "x-nagara-dropped" not in back.headers
    assert maker.requests[1]["input"][1:3] == [reasoning(), message("A.")]
    first.close()
    second.close()


async def test_finished_response_is_there_at_once_for_many_at_a_time(
    client: openai.AsyncOpenAI, provider: ResponsesProvider
) -> None:
    async def turn(number: int) -> None:
        given = await ask(client, f"Turn {number}.")
        await client.responses.retrieve(given.id)

    await asyncio.gather(*(turn(number) for number in range(20)))
    assert len(provider.requests) == 20


ANTHROPIC = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs]
kind = "compatible_anthropic"
base_url = "http://127.0.0.1:{port}"
credential = "theirs"

[models.{model}]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "theirs", model = "claude-sonnet-4-5" }}]
"""


@pytest.mark.parametrize("is_background", [False, True])
async def test_provider_of_another_dialect_is_sent_the_whole_conversation(
    tmp_path: Path, is_background: bool
) -> None:
    address, asked = Address(), list[dict[str, Any]]()

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            asked.append(json.loads(request.body))
            give = give_stream if asked[-1].get("stream") else give_answer
            await give(peer, MESSAGES)

    config = tmp_path / "nagara.toml"
    config.write_text(ANTHROPIC.format(port=address.port, model=CALLER_MODEL))
    gateway = GatewayProcess(tmp_path / "data", {"THEIR_KEY": "sk-1"}, "--config", str(config))
    with gateway:
        async with address.upstream(script), client_of(gateway) as client:
            first = await ask(client, "One.")
            second = await ask(
                client, "Two.", previous_response_id=first.id, background=is_background
            )
            async with asyncio.timeout(10):
                while second.status in ("queued", "in_progress"):
                    await asyncio.sleep(0.02)
                    second = await client.responses.retrieve(second.id)
    assert (first.output_text, second.output_text) == ("Hello.", "Hello.")
    assert second.previous_response_id == first.id
    assert [turn["role"] for turn in asked[1]["messages"]] == ["user", "assistant", "user"]
    address.close()
