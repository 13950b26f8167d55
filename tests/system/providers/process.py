"""A played provider as a process, from the side of a test."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

from tests.system.gateway import START_TIMEOUT_S, STOP_TIMEOUT_S, Output
from tests.system.providers.server import JOURNAL_PATH

ROOT: Final = Path(__file__).parents[3]
LISTENING: Final = re.compile(r"http://127\.0\.0\.1:\d+")


class ProviderProcess:
    """One played provider on a free port. Use it as a context manager."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._seen = 0
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.providers", self._dialect],
            cwd=ROOT,
            env={"PATH": os.defpath},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output = Output(self._process)
        self.url = self._output.wait_for(LISTENING, START_TIMEOUT_S)[0]
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
        assert "Traceback" not in self._output.text, self._output.text

    def read_new(self) -> list[dict[str, Any]]:
        """The exchanges since this was last asked, oldest first."""
        answer = requests.get(self.url + JOURNAL_PATH, timeout=5)
        answer.raise_for_status()
        entries: list[dict[str, Any]] = answer.json()
        new, self._seen = entries[self._seen :], len(entries)
        return new
