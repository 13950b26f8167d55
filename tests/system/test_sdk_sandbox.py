"""The official SDKs against a first start that has no provider: the sandbox answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import requests
from openai.types import ModerationMultiModalInputParam

from tests.system.gateway import GatewayProcess
from tests.system.sdk_scenarios import (
    CLAUDE_MODEL,
    EMBEDDING_MODEL,
    GREETING,
    MODERATION_MODEL,
    SdkScenarios,
    Upstream,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway on its first start, with nothing in its environment."""
    with GatewayProcess(tmp_path_factory.mktemp("data")) as process:
        yield process


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    """The sandbox, under every provider's models."""
    return Upstream("sandbox", "sandbox", "sandbox")


class TestSandbox(SdkScenarios):
    """The scenarios, answered by the built-in provider, and what aimock does not have."""

    def test_message_tokens_are_counted(self, anthropic_client: anthropic.Anthropic) -> None:
        short, long = (
            anthropic_client.messages.count_tokens(
                model=CLAUDE_MODEL, messages=[{"role": "user", "content": text}]
            ).input_tokens
            for text in (GREETING, GREETING * 50)
        )
        assert 0 < short < long

    @pytest.mark.parametrize("dimensions", [64, 256])
    def test_embeddings_are_the_same_in_both_encodings(
        self, openai_client: openai.OpenAI, dimensions: int
    ) -> None:
        # The SDK asks for base64 by itself and unpacks it.
        text = ["one text"]
        packed = openai_client.embeddings.create(
            model=EMBEDDING_MODEL, input=text, dimensions=dimensions
        )
        plain = openai_client.embeddings.create(
            model=EMBEDDING_MODEL, input=text, dimensions=dimensions, encoding_format="float"
        )
        assert len(packed.data[0].embedding) == dimensions
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)

    def test_token_ids_are_embedded(self, openai_client: openai.OpenAI) -> None:
        result = openai_client.embeddings.create(model=EMBEDDING_MODEL, input=[[1, 2], [3]])
        assert len(result.data) == 2
        assert result.usage.prompt_tokens == 3

    def test_moderation_of_mixed_parts_is_one_result_in_all_categories(
        self, openai_client: openai.OpenAI
    ) -> None:
        parts: list[ModerationMultiModalInputParam] = [
            {"type": "text", "text": "I will murder them"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ]
        result = openai_client.moderations.create(model=MODERATION_MODEL, input=parts)
        (judged,) = result.results
        assert judged.flagged
        assert judged.categories.violence
        assert "image" in judged.category_applied_input_types.violence
        assert all(0 <= score <= 1 for score in judged.category_scores.model_dump().values())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_ranking_is_answered_and_charged_by_the_search(
    gateway: GatewayProcess, version: str
) -> None:
    response = requests.post(
        f"{gateway.url}/{version}/rerank",
        headers={"authorization": f"Bearer {gateway.key}"},
        json={
            "model": "rerank-v3.5",
            "query": "a red fox",
            "documents": ["a dog", {"text": "the red fox"}],
            "top_n": 1,
            "return_documents": True,
        },
        timeout=10,
    )
    assert response.status_code == 200, response.text
    (result,) = response.json()["results"]
    assert result["index"] == 1
    assert result["document"] == {"text": "the red fox"}
    assert response.headers["x-nagara-cost"] == "0.002"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_google_sdk_finds_models_at_either_version(gateway: GatewayProcess, version: str) -> None:
    def ask(path: str) -> dict[str, Any]:
        url = f"{gateway.url}/{version}/models{path}"
        answer: dict[str, Any] = requests.get(
            url, headers={"x-goog-api-key": gateway.key}, timeout=10
        ).json()
        return answer

    listed = [model["name"] for model in ask("")["models"]]
    assert "models/gemini-2.5-flash" in listed
    assert ask("/gemini-2.5-flash")["name"] == "models/gemini-2.5-flash"
    assert ask("/gemini-9")["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_failure_on_request_says_that_the_sandbox_played_it(
    gateway: GatewayProcess, status: int
) -> None:
    response = requests.post(
        f"{gateway.url}/v1/responses",
        headers={"authorization": f"Bearer {gateway.key}"},
        json={"model": f"gpt-4.1-mini:fail-{status}", "input": "Say hello."},
        timeout=10,
    )
    assert response.status_code == status
    assert response.json()["error"]["message"].startswith("The sandbox ")


@pytest.mark.parametrize("scheme", ["authorization", "x-api-key"])
def test_printed_key_works_under_either_header(gateway: GatewayProcess, scheme: str) -> None:
    value = f"Bearer {gateway.key}" if scheme == "authorization" else gateway.key
    response = requests.post(
        f"{gateway.url}/v1/responses",
        headers={scheme: value},
        json={"model": "gpt-4.1-mini", "input": "Say hello."},
        timeout=10,
    )
    assert response.status_code == 200, response.text
    assert response.json()["output"][0]["content"][0]["text"]


def test_printed_provisioning_key_shows_the_balance(gateway: GatewayProcess) -> None:
    response = requests.get(
        f"{gateway.url}/v1/account/balance",
        headers={"authorization": f"Bearer {gateway.provisioning_key}"},
        timeout=10,
    )
    assert response.status_code == 200, response.text
    assert float(response.json()["balance"]) > 0


def test_later_start_prints_no_key_and_the_first_ones_still_work(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as first:
        key = first.key
        assert key
    with GatewayProcess(tmp_path) as second:
        assert second.key == second.provisioning_key == ""
        response = requests.post(
            f"{second.url}/v1/responses",
            headers={"x-api-key": key},
            json={"model": "gpt-4.1-mini", "input": "Say hello."},
            timeout=10,
        )
    assert response.status_code == 200, response.text
