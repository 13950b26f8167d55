"""A real gateway process, started and stopped as its users do it.

It runs `nagara serve` on a free port and a data folder of the test's own, in an environment that
holds nothing but what the test gives, and learns the address and the keys from what is printed:
what a person would paste is what the tests use. It must not reach into the process in any other
way; what cannot be seen from outside is no matter of a system test.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil
import requests

from tests.system.commands import NAGARA, succeed

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 20.0

ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
STANDARD_KEY: Final = re.compile(r"\bng-(?!prov-|test-)\w{43}\b")
PROVISIONING_KEY: Final = re.compile(r"\bng-prov-\w{43}\b")
ANY_KEY: Final = re.compile(r"\bng-(?:prov-|test-)?\w{43}\b")
LAST_LINE: Final = re.compile(r"^ *Data +\S.*\n", re.MULTILINE)
"""The end of what a start prints: by then address and keys are out."""


class Output:
    """The lines that a process has printed so far, read by a thread of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._is_closed = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """All that was printed up to now."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        """The first match in the output; AssertionError with the output if none comes."""

        def found() -> re.Match[str] | None:
            return pattern.search("".join(self._lines))

        with self._changed:
            self._changed.wait_for(lambda: found() or self._is_closed, timeout_s)
            match = found()
            text = "".join(self._lines)
        assert match is not None, f"{pattern.pattern!r} was not printed, but:\n{text}"
        return match

    def close(self) -> None:
        """Wait for the end of the output, once the process has gone."""
        self._reader.join(STOP_TIMEOUT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


class GatewayProcess:
    """`nagara serve`, from ready to exit code 0. Use it as a context manager.

    `environment` is added to an otherwise empty one, so no provider of the developer's own is
    found. The keys are those that a first start printed; empty where this has seen none.
    """

    command: tuple[str, ...] = (str(NAGARA),)

    def __init__(
        self, data: Path, environment: Mapping[str, str] | None = None, *arguments: str
    ) -> None:
        self.data = data
        self._environment = {"PATH": os.defpath, "HOME": str(data), **(environment or {})}
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._output: Output | None = None
        self.url = ""
        self.key = ""
        self.provisioning_key = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it; it answers when this returns. Once it has ended, it may be started again."""
        command = [*self.command, "serve", "--port", "0", "--data", str(self.data)]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output = Output(self._process)
        try:
            self._output.wait_for(LAST_LINE, START_TIMEOUT_S)
            self.url = self._find(ADDRESS)
            # The socket listens before the loop runs: this waits until somebody answers.
            requests.get(f"{self.url}/readyz", timeout=START_TIMEOUT_S).raise_for_status()
        except BaseException:
            self.stop()
            raise
        self.key = self._find(STANDARD_KEY) or self.key
        self.provisioning_key = self._find(PROVISIONING_KEY) or self.provisioning_key

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        exit_code = self.stop()
        if error is None:
            assert exit_code == 0, f"exit code {exit_code} after:\n{self.output}"

    def _find(self, pattern: re.Pattern[str]) -> str:
        match = pattern.search(self.output)
        return match[0] if match else ""

    @property
    def output(self) -> str:
        """What the process has printed, log lines included."""
        return self._output.text if self._output else ""

    def wait_for(self, pattern: re.Pattern[str]) -> None:
        """Wait until something like it was printed."""
        assert self._output is not None, "not started"
        self._output.wait_for(pattern, START_TIMEOUT_S)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on, for raw sockets."""
        return int(self.url.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        assert self._process is not None, "not started"
        return self._process.poll() is None

    def run(self, *words: str) -> str:
        """What `nagara` with these words prints, on the data of this gateway."""
        return succeed(*words, "--data", str(self.data))

    def make_key(self, *words: str) -> str:
        """A new key from `nagara keys create` with these words; it works within a second."""
        printed = self.run("keys", "create", *words, "--json")
        found = ANY_KEY.search(printed)
        assert found, f"no key in {printed!r}"
        return found[0]

    @property
    def openai_url(self) -> str:
        """The base URL for clients of OpenAI's API."""
        return f"{self.url}/v1"

    def wait(self) -> int:
        """Wait for the process to end by itself, and give its exit code."""
        assert self._process is not None, "not started"
        return self._process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None, "not started"
        self._process.kill()
        self.stop()

    def stop(self) -> int:
        """Ask the process to end, as a supervisor does, and give its exit code."""
        assert self._process is not None, "not started"
        assert self._output is not None, "not started"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            exit_code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            exit_code = self._process.wait()
        self._output.close()
        return exit_code


def name_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment variables of settings that are given by their names."""
    return {f"NAGARA_{name.upper()}": str(value) for name, value in settings.items()}


@contextmanager
def served(
    folder: Path, settings: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """Run a first start in `folder` with `settings` until the block is left."""
    environment = name_variables(settings or {}) | dict(env or {})
    with GatewayProcess(folder / "data", environment) as gateway:
        yield gateway
