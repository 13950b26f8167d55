"""The official SDKs through the gateway to an upstream that none of us wrote.

The provider is found from the environment alone, as on a first start. The upstream's journal shows
what the gateway sent on.
"""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.system.aimock import AimockProcess
from tests.system.gateway import GatewayProcess
from tests.system.sdk_scenarios import (
    CHAT_MODEL,
    CLAUDE_MODEL,
    GREETING,
    SdkScenarios,
    Upstream,
)

CREDENTIAL = "sk-of-the-upstream"


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    """The upstream, which knows one credential."""
    with AimockProcess(CREDENTIAL) as process:
        yield process


@pytest.fixture(scope="module")
def gateway(
    aimock: AimockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that finds two providers in its environment."""
    environment = {
        "OPENAI_API_KEY": CREDENTIAL,
        "OPENAI_BASE_URL": f"{aimock.url}/v1",
        "ANTHROPIC_API_KEY": CREDENTIAL,
        "ANTHROPIC_BASE_URL": aimock.url,
    }
    with GatewayProcess(tmp_path_factory.mktemp("data"), environment) as process:
        yield process


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    """aimock, as both providers."""
    return Upstream("upstream", "openai", "anthropic", can_count_tokens=False)


class TestAimock(SdkScenarios):
    """The scenarios, answered by aimock."""


def test_upstream_gets_its_credential_and_never_the_callers_key(
    gateway: GatewayProcess, aimock: AimockProcess, openai_client: openai.OpenAI
) -> None:
    openai_client.responses.create(model=CHAT_MODEL, input=GREETING)
    entry = aimock.read_journal()[-1]
    assert entry["path"] == "/v1/responses"
    assert "authorization" in entry["headers"]
    assert "x-api-key" not in entry["headers"]
    assert gateway.key not in str(entry)


def test_betas_and_unknown_fields_reach_the_upstream_as_they_are(
    aimock: AimockProcess, anthropic_client: anthropic.Anthropic
) -> None:
    anthropic_client.beta.messages.create(
        model=CLAUDE_MODEL,
        max_tokens=50,
        messages=[{"role": "user", "content": GREETING}],
        betas=["context-management-2025-06-27", "made-up-2031-01-01"],
        extra_body={"made_up": {"kept": [1, 2]}},
    )
    entry = aimock.read_journal()[-1]
    assert entry["path"] == "/v1/messages?beta=true"
    assert entry["headers"]["anthropic-beta"] == "context-management-2025-06-27,made-up-2031-01-01"
    assert entry["headers"]["anthropic-version"] == "2023-06-01"


def test_prompt_that_the_upstream_does_not_know_is_its_error_with_the_providers_name(
    openai_client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        openai_client.responses.create(model=CHAT_MODEL, input="nothing is recorded for this")
    assert caught.value.response.headers["x-nagara-provider"] == "openai"
