"""Every other client of the README: its lines, as they stand there, get an answer."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.client_page import Client
from tests.system.gateway import GatewayProcess
from tests.system.npm_packages import find_package


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway on its first start, with no provider."""
    with GatewayProcess(tmp_path_factory.mktemp("data")) as process:
        yield process


def check_answer(title: str, gateway: GatewayProcess, home: Path, which: int = 0) -> None:
    """One of the client's scripts ends well and prints the sandbox's answer."""
    finished = Client(title, gateway, home).run(which)
    assert finished.exit_code == 0, finished
    assert "sandbox" in finished.answer, finished


def test_curl_line_is_answered(gateway: GatewayProcess, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    check_answer("curl", gateway, tmp_path)


@pytest.mark.parametrize("title", ["OpenAI SDK for Python", "Anthropic SDK for Python"])
def test_python_sdk_program_is_answered(
    title: str, gateway: GatewayProcess, tmp_path: Path
) -> None:
    check_answer(title, gateway, tmp_path)


def test_google_sdk_program_is_answered(gateway: GatewayProcess, tmp_path: Path) -> None:
    if importlib.util.find_spec("google") is None:
        pytest.skip("google-genai is not installed")
    check_answer("Google SDK for Python", gateway, tmp_path)


def test_python_program_that_names_no_address_follows_its_environment(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    check_answer("OpenAI SDK for Python", gateway, tmp_path, which=1)


def test_node_sdk_program_is_answered(gateway: GatewayProcess, tmp_path: Path) -> None:
    find_package("openai")
    check_answer("OpenAI SDK for Node", gateway, tmp_path)


def test_langchain_program_is_answered(gateway: GatewayProcess, tmp_path: Path) -> None:
    for name in ("langchain_openai", "langchain_anthropic"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    check_answer("LangChain", gateway, tmp_path)


def test_llm_lines_are_answered(gateway: GatewayProcess, tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("llm").exists():
        pytest.skip("llm is not installed")
    check_answer("llm", gateway, tmp_path)
