"""The official SDKs against a first start that has no provider: the sandbox answers."""

from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest
import requests

from tests.system.gateway import GatewayProcess
from tests.system.sdk_scenarios import CLAUDE_MODEL, GREETING, SdkScenarios, Upstream


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
