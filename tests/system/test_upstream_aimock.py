"""The official SDKs through the gateway to an upstream that none of us wrote.

The provider is found from the environment alone, as on a first start. The upstream's journal shows
what the gateway sent on.
"""

from collections.abc import Iterator

import openai
import pytest
import requests

from nagara.sandbox.sound_files import make_wav_header
from tests.system.aimock import AimockProcess
from tests.system.gateway import GatewayProcess
from tests.system.sdk_scenarios import (
    CHAT_MODEL,
    CLAUDE_MODEL,
    GREETING,
    SdkScenarios,
    Upstream,
)


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    """The upstream, which knows one credential."""
    with AimockProcess() as process:
        yield process


@pytest.fixture(scope="module")
def gateway(
    aimock: AimockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that finds two providers in its environment."""
    with GatewayProcess(tmp_path_factory.mktemp("data"), aimock.environment) as process:
        yield process


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    """aimock, as both providers."""
    return Upstream("upstream", "openai", "anthropic")


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


def test_query_and_betas_reach_the_upstream_as_they_are(
    gateway: GatewayProcess, aimock: AimockProcess
) -> None:
    response = requests.post(
        f"{gateway.url}/v1/messages?beta=true",
        headers={
            "x-api-key": gateway.key,
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "context-management-2025-06-27,made-up-2031-01-01",
        },
        json={
            "model": CLAUDE_MODEL,
            "max_tokens": 50,
            "messages": [{"role": "user", "content": GREETING}],
        },
        timeout=10,
    )
    assert response.status_code == 200, response.text
    entry = aimock.read_journal()[-1]
    assert entry["path"] == "/v1/messages?beta=true"
    assert entry["headers"]["anthropic-beta"] == "context-management-2025-06-27,made-up-2031-01-01"
    assert entry["headers"]["anthropic-version"] == "2023-06-01"


def test_upstreams_refusal_reaches_the_client_as_its_own(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.responses.create(model=CHAT_MODEL, input="nothing is recorded for this")
    assert caught.value.code == "no_fixture_match"


def test_speech_comes_from_the_upstream(
    aimock: AimockProcess, openai_client: openai.OpenAI
) -> None:
    speech = openai_client.audio.speech.with_raw_response.create(
        model="tts-1", voice="alloy", input="Speak up"
    )
    assert speech.headers["content-type"] == "audio/mpeg"
    assert speech.headers["x-nagara-provider"] == "openai"
    assert speech.content == b"\xff\xfb\x90\x00" + bytes(413)
    assert aimock.read_journal()[-1]["path"] == "/v1/audio/speech"


def test_transcript_comes_from_the_upstream(
    aimock: AimockProcess, openai_client: openai.OpenAI
) -> None:
    file = ("a.wav", make_wav_header(24_000, 24_000) + bytes(48_000))
    heard = openai_client.audio.transcriptions.create(model="whisper-1", file=file)
    assert heard.text == "The upstream heard this."
    assert aimock.read_journal()[-1]["path"] == "/v1/audio/transcriptions"
