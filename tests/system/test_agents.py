"""Real agents, headless, on a first start: Claude Code, Codex CLI and OpenCode.

Each runs in its own empty HOME, set to the gateway by the lines that the README gives and by
nothing else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.system.aimock import AimockProcess
from tests.system.client_page import Client
from tests.system.gateway import GatewayProcess
from tests.system.npm_packages import find_file, find_node


class Agent(NamedTuple):
    """An agent: its section of the page, its command, and where npm puts the program."""

    title: str
    command: str
    program: str


AGENTS: Final = [
    Agent("Claude Code", "claude", "@anthropic-ai/claude-code-*/claude"),
    Agent("Codex CLI", "codex", "@openai/codex/bin/codex.js"),
    Agent("OpenCode", "opencode", "opencode-*/bin/opencode"),
]

# The places of the scripts in an agent's section.
SET_UP, GREETING, TOOL = 0, 1, 2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway on its first start, with no provider."""
    with GatewayProcess(tmp_path_factory.mktemp("data")) as process:
        yield process


@pytest.fixture(scope="module")
def aimock() -> Iterator[AimockProcess]:
    """An upstream process."""
    with AimockProcess() as process:
        yield process


@pytest.fixture(scope="module")
def provided_gateway(
    aimock: AimockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that finds the upstream in its environment."""
    with GatewayProcess(tmp_path_factory.mktemp("data"), aimock.environment) as process:
        yield process


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.command)
def agent(request: pytest.FixtureRequest) -> Agent:
    """Each agent in turn."""
    find_node()
    assert isinstance(request.param, Agent)
    return request.param


def set_up(agent: Agent, gateway: GatewayProcess, home: Path) -> Client:
    """The agent in an empty HOME, as its section says."""
    program = find_file(agent.title, agent.program)
    return Client(agent.title, gateway, home, programs={agent.command: program})


def test_agent_ends_well_with_the_sandboxs_answer(
    agent: Agent, gateway: GatewayProcess, tmp_path: Path
) -> None:
    finished = set_up(agent, gateway, tmp_path).run(SET_UP, GREETING)
    assert finished.exit_code == 0, finished
    assert "sandbox" in finished.answer, finished


def test_agent_runs_a_tool_and_the_second_answer_takes_its_result_up(
    agent: Agent, gateway: GatewayProcess, tmp_path: Path
) -> None:
    finished = set_up(agent, gateway, tmp_path).run(SET_UP, TOOL)
    assert finished.exit_code == 0, finished
    assert (finished.folder / "made.txt").read_text() == "nagara-42\n"
    assert "The tool returned" in finished.answer, finished
    assert "nagara-42" in finished.answer, finished


def test_agent_gets_the_answer_of_a_real_upstream(
    agent: Agent, provided_gateway: GatewayProcess, tmp_path: Path
) -> None:
    finished = set_up(agent, provided_gateway, tmp_path).run(SET_UP, GREETING)
    assert finished.exit_code == 0, finished
    assert "Hello from the upstream" in finished.answer, finished
