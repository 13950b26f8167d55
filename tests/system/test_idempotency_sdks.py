"""Idempotency keys as programs send them: by the official SDKs, to a gateway with its sandbox."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from tests.system.gateway import GatewayProcess
from tests.system.keyed_calls import REPLAYED, count_charges, new_key
from tests.system.sdk_scenarios import CHAT_MODEL, CLAUDE_MODEL, EMBEDDING_MODEL, GREETING
from tests.system.stage import is_request, log_lines, wait_for_line


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("data")
    with GatewayProcess(folder, {"NAGARA_LOG_FORMAT": "json"}) as gateway:
        yield gateway


def test_openai_streams_are_given_again(
    gateway: GatewayProcess, openai_client: openai.OpenAI
) -> None:
    before, named, answers = count_charges(gateway), {"Idempotency-Key": new_key()}, []
    for _ in range(2):
        raw = openai_client.chat.completions.with_raw_response.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": GREETING}],
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=named,
        )
        answers.append((raw.headers.get(REPLAYED), [event.to_json() for event in raw.parse()]))
    (first, events), (second, same) = answers
    assert (first, second) == (None, "true")
    assert len(events) > 2
    assert events == same
    assert count_charges(gateway) == before + 1


def test_responses_streams_are_given_again(
    gateway: GatewayProcess, openai_client: openai.OpenAI
) -> None:
    before, named, answers = count_charges(gateway), {"Idempotency-Key": new_key()}, []
    for _ in range(2):
        with openai_client.responses.stream(
            model=CHAT_MODEL, input=GREETING, extra_headers=named
        ) as stream:
            answers.append((list(stream), stream.get_final_response().output_text))
    assert answers[0] == answers[1]
    assert answers[0][1]
    assert count_charges(gateway) == before + 1


def test_anthropic_streams_are_given_again(
    gateway: GatewayProcess, anthropic_client: anthropic.Anthropic
) -> None:
    before, named, answers = count_charges(gateway), {"Idempotency-Key": new_key()}, []
    for _ in range(2):
        with anthropic_client.messages.stream(
            model=CLAUDE_MODEL,
            max_tokens=100,
            messages=[{"role": "user", "content": GREETING}],
            extra_headers=named,
        ) as stream:
            replayed = stream.response.headers.get(REPLAYED)
            answers.append((replayed, "".join(stream.text_stream), stream.get_final_message()))
    assert [replayed for replayed, *_ in answers] == [None, "true"]
    assert answers[0][1:] == answers[1][1:]
    assert answers[0][1]
    assert count_charges(gateway) == before + 1


def test_embeddings_are_given_again(gateway: GatewayProcess, openai_client: openai.OpenAI) -> None:
    before, named = count_charges(gateway), {"Idempotency-Key": new_key()}
    vectors = [
        openai_client.embeddings.create(model=EMBEDDING_MODEL, input="a", extra_headers=named)
        for _ in range(2)
    ]
    assert vectors[0] == vectors[1]
    assert count_charges(gateway) == before + 1


def test_sdks_do_not_repeat_what_cannot_succeed(gateway: GatewayProcess) -> None:
    key = new_key()
    with openai.OpenAI(base_url=gateway.openai_url, api_key=gateway.key, max_retries=5) as client:

        def ask(text: str) -> None:
            client.chat.completions.create(
                model=CHAT_MODEL,
                messages=[{"role": "user", "content": text}],
                extra_headers={"Idempotency-Key": key},
            )

        ask("one")
        with pytest.raises(openai.ConflictError) as caught:
            ask("another")
        last = client.chat.completions.with_raw_response.create(
            model=CHAT_MODEL, messages=[{"role": "user", "content": "Anything."}]
        ).headers["x-request-id"]
    # When its line is there, so are those of all before it.
    wait_for_line(gateway, is_request(last))
    assert caught.value.code == "idempotency_key_reused"
    refused = [line for line in log_lines(gateway.output) if line.get("status") == 409]
    assert len(refused) == 1
