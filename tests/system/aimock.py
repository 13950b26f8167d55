"""An upstream that none of us wrote: the npm package `@copilotkit/aimock`, as a process.

It speaks OpenAI's and Anthropic's APIs from the conversations in `aimock.json`, takes only the
credentials it was started with, and keeps a journal of what reached it. So a test can see both
ends: what the client got and what the gateway sent on.
"""

import os
import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

from tests.system.gateway import START_TIMEOUT_S, STOP_TIMEOUT_S, Output
from tests.system.npm_packages import find_node, find_package

FIXTURES: Final = Path(__file__).with_name("aimock.json")
PROGRAM: Final = Path(__file__).with_name("aimock.mjs")
LISTENING: Final = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")


class AimockProcess:
    """aimock on a free port. `credential` is the only one that it accepts."""

    def __init__(self, credential: str = "sk-of-the-upstream") -> None:
        self.credential = credential
        self.url = ""

    def __enter__(self) -> Self:
        node = find_node()
        library = find_package("@copilotkit/aimock") / "dist" / "index.js"
        self._process = subprocess.Popen(
            [node, PROGRAM, library, FIXTURES],
            env={"PATH": os.defpath, "AIMOCK_API_KEYS": self.credential},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output = Output(self._process)
        self.url = self._output.wait_for(LISTENING, START_TIMEOUT_S)[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(STOP_TIMEOUT_S)
        self._output.close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a gateway find this upstream as two providers."""
        return {
            "OPENAI_API_KEY": self.credential,
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "ANTHROPIC_API_KEY": self.credential,
            "ANTHROPIC_BASE_URL": self.url,
        }

    def read_journal(self) -> list[dict[str, Any]]:
        """The requests that arrived, oldest first, each with method, path, headers and body."""
        answer = requests.get(
            f"{self.url}/__aimock/journal",
            headers={"authorization": f"Bearer {self.credential}"},
            timeout=5,
        )
        answer.raise_for_status()
        entries: list[dict[str, Any]] = answer.json()
        return entries
