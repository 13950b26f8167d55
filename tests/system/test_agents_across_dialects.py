"""Real agents on providers of another dialect than their own, over three turns with their tools.

The agents are set up by the lines of the README; the providers are played, and refuse what the
real ones would. So an answer here means that the calls came to the agent in its own form, that it
ran them, and that everything went back as that provider wants it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.system.client_page import Client
from tests.system.npm_packages import find_file, find_node
from tests.system.played_stage import (
    PROMPT,
    PlayedStage,
    has_thought,
    model_on,
    played_stage,
)

SET_UP: Final = 0
TURNS: Final = 3


class Agent(NamedTuple):
    """An agent: its section of the page, where npm puts the program, and how it is run.

    `changes` is what its user changes of the page to have it think with another model.
    """

    title: str
    command: str
    program: str
    line: str
    changes: dict[str, str]


CLAUDE: Final = Agent(
    "Claude Code",
    "claude",
    "@anthropic-ai/claude-code-*/claude",
    'claude -p --model {model} --allowedTools=Bash,Read "{prompt}"',
    {},
)
CODEX: Final = Agent(
    "Codex CLI",
    "codex",
    "@openai/codex/bin/codex.js",
    'codex exec --skip-git-repo-check --sandbox danger-full-access "{prompt}"',
    {'model = "gpt-4.1-mini"': 'model = "{model}"\nmodel_reasoning_effort = "medium"'},
)
OPENCODE: Final = Agent(
    "OpenCode",
    "opencode",
    "opencode-*/bin/opencode",
    'opencode run "{prompt}"',
    {
        '"gpt-4.1-mini": {}': '"{model}": {"options": {"reasoningEffort": "medium"}}',
        "gpt-4.1-mini": "{model}",
    },
)

PAIRS: Final = [
    (CLAUDE, "chat"),
    (CLAUDE, "deepseek"),
    (CLAUDE, "responses"),
    (CLAUDE, "gemini"),
    (CODEX, "messages"),
    (CODEX, "gemini"),
    (OPENCODE, "messages"),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedStage]:
    """A gateway and all played providers."""
    find_node()
    with played_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize(
    ("agent", "provider"), PAIRS, ids=lambda value: getattr(value, "command", value)
)
def test_agent_runs_its_tools_over_three_turns(
    stage: PlayedStage, agent: Agent, provider: str, tmp_path: Path
) -> None:
    played, model = stage.providers[provider], model_on(provider)
    played.read_new()
    changes = {old: new.replace("{model}", model) for old, new in agent.changes.items()}
    program = find_file(agent.title, agent.program)
    client = Client(
        agent.title, stage.gateway, tmp_path, changes=changes, programs={agent.command: program}
    )
    line = agent.line.format(model=model, prompt=PROMPT)
    finished = client.run_after(SET_UP, line)
    exchanges = played.read_new()
    assert [exchange["refusal"] for exchange in exchanges if exchange["refusal"]] == []
    assert finished.exit_code == 0, finished
    assert "The tools gave one-42 and two-43." in finished.answer, finished
    assert (finished.folder / "one.txt").read_text() == "one-42\n"
    assert (finished.folder / "two.txt").read_text() == "two-43\n"
    turns = [exchange for exchange in exchanges if has_tools(exchange["body"])]
    assert len(turns) == TURNS
    if provider != "chat":
        # The provider itself looks whether its reasoning comes back: there was some.
        assert all(has_thought(turn["answer"]) for turn in turns[:2])


def has_tools(body: dict[str, Any]) -> bool:
    """Whether a request is of the agent's work, not for a title."""
    return bool(body.get("tools"))
