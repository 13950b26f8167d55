"""Every dialect's own SDK on every dialect's provider: three turns with tools that really run.

The providers refuse what the real ones would refuse, so each line here says that the gateway makes
requests which keep the rules, with the reasoning of the turns before where it has to come back.
"""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import requests

pytest.importorskip("google.genai", reason="Google's SDK is not here: make install-clients")

from tests.system.played_stage import PLACES, PlayedStage, has_thought, model_on, played_stage
from tests.system.providers.server import CREDENTIAL
from tests.system.sdk_agents import AGENTS, TOOLS

THOUGHTS = ["I shall look around first.", "Now two things at once.", "That is all I need."]
TEXTS = ["I look around.", "", "The tools gave one-42 and two-43."]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedStage]:
    """A gateway and all played providers."""
    with played_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


PAIRS = [(agent, provider) for agent in AGENTS for provider in PLACES]
# The bytes of such a caller are passed on as they are, and DeepSeek refuses them.
PAIRS.remove(("forgetful_chat", "deepseek"))


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("agent", "provider"), PAIRS)
def test_tools_run_over_three_turns_with_reasoning_replayed(
    stage: PlayedStage, agent: str, provider: str, is_streamed: bool, tmp_path: Path
) -> None:
    played = stage.providers[provider]
    played.read_new()
    heard = AGENTS[agent](
        stage.gateway, [model_on(provider)], tmp_path, is_streamed=is_streamed
    )  # fmt: skip
    exchanges = played.read_new()
    assert [exchange["refusal"] for exchange in exchanges] == [None, None, None]
    assert heard.texts == TEXTS
    assert heard.calls == ["run_command", "read_file", "run_command"]
    assert (tmp_path / "two.txt").read_text() == "two-43\n"
    if provider != "chat":
        assert all(has_thought(exchange["answer"]) for exchange in exchanges[:2])
        assert heard.thoughts == THOUGHTS


# What one provider made is the past of another's turn, as after a failover.
MOVES = [("messages", "gemini", "responses"), ("gemini", "messages", "deepseek"),
         ("responses", "deepseek", "messages"), ("deepseek", "responses", "gemini"),
         ("messages", "responses", "messages"), ("gemini", "chat", "gemini")]  # fmt: skip


@pytest.mark.parametrize("providers", MOVES, ids="-".join)
@pytest.mark.parametrize("agent", AGENTS)
def test_conversation_moves_between_providers_in_its_midst(
    stage: PlayedStage, agent: str, providers: tuple[str, ...], tmp_path: Path
) -> None:
    for played in stage.providers.values():
        played.read_new()
    models = [model_on(provider) for provider in providers]
    heard = AGENTS[agent](stage.gateway, models, tmp_path, is_streamed=True)
    exchanges = [e for played in stage.providers.values() for e in played.read_new()]
    assert [exchange["refusal"] for exchange in exchanges] == [None, None, None]
    assert heard.texts == TEXTS


NAMESPACED = {"type": "namespace", "name": "files", "description": "Files.", "tools": [
    {"type": "function", "name": "run", "strict": False, "parameters": TOOLS["run_command"]},
]}  # fmt: skip


@pytest.mark.parametrize("provider", ["chat", "deepseek", "messages", "gemini"])
def test_tool_of_a_namespace_is_flattened_and_called_under_its_own_name(
    stage: PlayedStage, provider: str
) -> None:
    played = stage.providers[provider]
    played.read_new()
    with openai.OpenAI(
        base_url=stage.gateway.openai_url, api_key=stage.gateway.key, max_retries=0
    ) as client:
        answer = client.responses.with_raw_response.create(
            model=model_on(provider),
            input="Look around.",
            tools=[NAMESPACED, {"type": "image_generation"}],  # type: ignore[list-item]
        )
    [call] = [item for item in answer.parse().output if item.type == "function_call"]
    assert (call.name, call.model_dump()["namespace"]) == ("run", "files")
    assert "image_generation" in answer.headers["x-nagara-dropped"]
    [exchange] = played.read_new()
    assert "files__run" in str(exchange["body"])


def test_played_provider_refuses_what_is_against_its_rules(stage: PlayedStage) -> None:
    bodies = {
        "chat": ("/v1/chat/completions", {"model": "m", "messages": [
            {"role": "tool", "tool_call_id": "call_1", "content": "a result of no call"}]}),
        "deepseek": ("/chat/completions", {"model": "m", "messages": [
            {"role": "user", "content": "Hi.", "colour": "red"}]}),
        "responses": ("/v1/responses", {"model": "m", "input": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "forged"}]}),
        "messages": ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "Hi."}, {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "forged"}]}]}),
        "gemini": ("/v1beta/models/m:generateContent", {"contents": [
            {"role": "user", "parts": [{"text": "Hi."}]}, {"role": "model", "parts": [
                {"functionCall": {"name": "f"}}]}, {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {}}}]}]}),
    }  # fmt: skip
    headers = dict.fromkeys(("x-api-key", "x-goog-api-key"), f"Bearer {CREDENTIAL}")
    headers |= {"authorization": f"Bearer {CREDENTIAL}", "anthropic-version": "2023-06-01"}
    for provider, (path, body) in bodies.items():
        played = stage.providers[provider]
        played.read_new()
        answer = requests.post(played.url + path, json=body, headers=headers, timeout=5)
        assert answer.status_code == 400, provider
        assert answer.json()["error"]["message"] == played.read_new()[0]["refusal"]
