"""A gateway as its own process on a free port, with its keys, its log and its memory at hand.

It starts on an empty data folder with nothing of the caller's environment, so that the sandbox
serves every model unless a test says otherwise, and it is ended by its pid.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

NAGARA = Path(sys.executable).with_name("nagara")
START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 10.0
STANDARD_KEY = re.compile(r"\bng-[0-9A-Za-z]{43}\b")
PROVISIONING_KEY = re.compile(r"\bng-prov-[0-9A-Za-z]{43}\b")
ANY_KEY = re.compile(r"\bng-(?:prov-|test-)?[0-9A-Za-z]{43}\b")


class ServedGateway:
    """A running gateway. `output` is everything it wrote, on both of its streams."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, data: Path, output: Path):
        self._process = process
        self._output = output
        self.port = port
        self.data = data

    @property
    def output(self) -> str:
        """What it wrote so far."""
        return self._output.read_text(errors="replace")

    @property
    def standard_key(self) -> str:
        """The key that the first start printed."""
        return _first(STANDARD_KEY, self.output)

    @property
    def provisioning_key(self) -> str:
        """The provisioning key that the first start printed."""
        return _first(PROVISIONING_KEY, self.output)

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def make_key(self, *options: str, name: str = "test") -> str:
        """A new key from `nagara keys create`, with further options; it works within a second."""
        printed = self.run("keys", "create", name, *options, "--json")
        return _first(ANY_KEY, printed)

    def run(self, *arguments: str) -> str:
        """What `nagara` with these arguments prints, on the data of this gateway."""
        command = [str(NAGARA), *arguments, "--data", str(self.data)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env=_environment({})
        )
        assert done.returncode == 0, f"{command}: {done.stdout!r} {done.stderr!r}"
        return done.stdout


@contextmanager
def served(
    folder: Path, settings: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[ServedGateway]:
    """Run `nagara serve` in `folder` with `settings` (by their names) until the block is left."""
    port = _free_port()
    output, data = folder / "output.txt", folder / "data"
    command = [str(NAGARA), "serve", "--port", str(port), "--data", str(data)]
    variables = {f"NAGARA_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    with open(output, "wb") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, cwd=folder,
            env=_environment({**variables, **(env or {})}),
        )  # fmt: skip
        try:
            gateway = ServedGateway(process, port, data, output)
            _wait_until_ready(gateway)
            yield gateway
        finally:
            _end(process)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **extra}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(gateway: ServedGateway) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _is_ready(gateway.port):
        assert gateway.is_running, f"the gateway ended at its start:\n{gateway.output}"
        assert time.monotonic() < deadline, f"not ready in time:\n{gateway.output}"
        time.sleep(0.01)


def _is_ready(port: int) -> bool:
    request = b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            connection.sendall(request)
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found, f"no {pattern.pattern} in what it printed:\n{text}"
    return found[0]
