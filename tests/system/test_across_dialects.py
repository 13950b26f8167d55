"""Every dialect's own SDK on every dialect's provider: three turns with tools that really run.

The providers refuse what the real ones would refuse, so each line here says that the gateway makes
requests which keep the rules, with the reasoning of the turns before where it has to come back.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.played_stage import PLACES, PlayedStage, has_thought, model_on, played_stage
from tests.system.sdk_agents import AGENTS

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
        stage.gateway, model_on(provider), tmp_path, is_streamed=is_streamed
    )  # fmt: skip
    exchanges = played.read_new()
    assert [exchange["refusal"] for exchange in exchanges] == [None, None, None]
    assert heard.texts == TEXTS
    assert heard.calls == ["run_command", "read_file", "run_command"]
    assert (tmp_path / "two.txt").read_text() == "two-43\n"
    if provider != "chat":
        assert all(has_thought(exchange["answer"]) for exchange in exchanges[:2])
        assert heard.thoughts == THOUGHTS
