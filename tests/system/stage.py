"""A gateway whose providers are played by the test.

The addresses of the providers are kept free for the whole of a module, and a test opens a
`FakeUpstream` on one when it wants somebody to be there; until then it refuses connections.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.fakes import FakeUpstream, Script
from tests.system.gateway import GatewayProcess, name_variables
from tests.system.scripts import CALLER_MODEL, UPSTREAM_MODEL

CREDENTIAL = "sk-provider-0123456789-secret"
DEADLINE_S = 10.0
CHECK_S = 0.01

TWO_PROVIDERS = """
[credentials.theirs]
env = "THEIR_KEY"

[providers.theirs-openai]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
credential = "theirs"

[providers.theirs-anthropic]
kind = "compatible_anthropic"
base_url = "http://127.0.0.1:{port}"
credential = "theirs"

[models.{caller_model}]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [
    {{ provider = "theirs-openai", model = "{upstream_model}" }},
    {{ provider = "theirs-anthropic", model = "{upstream_model}" }},
]
"""
"""One address that speaks all dialects, and one model there under a name of its own."""


class Address:
    """A loopback port that is kept for upstreams of one test after the other."""

    def __init__(self) -> None:
        # Bound and not listening: connections are refused, and nobody else is given the port.
        self._keeper = socket.socket()
        self._keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._keeper.bind(("127.0.0.1", 0))
        self.port: int = self._keeper.getsockname()[1]

    def upstream(self, script: Script | None = None) -> FakeUpstream:
        """Somebody who answers there, until the test closes it."""
        upstream = FakeUpstream(script)
        upstream.port = self.port
        return upstream

    def close(self) -> None:
        """Give the port back."""
        self._keeper.close()


class Stage:
    """A running gateway and the address of its provider."""

    def __init__(self, gateway: GatewayProcess, address: Address) -> None:
        self.gateway = gateway
        self.address = address
        self.upstream = address.upstream

    def wait_for_line(self, is_wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """The first line of the log that fits; it may still be on its way."""
        return wait_for_line(self.gateway, is_wanted)


def wait_for_line(
    gateway: GatewayProcess, is_wanted: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """The first line of a gateway's log that fits; AssertionError with the output if none comes."""
    until_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s:
        for line in log_lines(gateway.output):
            if is_wanted(line):
                return line
        time.sleep(CHECK_S)
    raise AssertionError(f"no such line in:\n{gateway.output}")


def log_lines(output: str) -> Iterator[Mapping[str, Any]]:
    """The lines of a JSON log, among whatever else was printed."""
    for line in output.splitlines():
        if line.startswith('{"time"'):
            yield json.loads(line)


def is_request(request_id: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a line is the one of that request."""
    return lambda line: line["event"] == "request_ended" and line["request_id"] == request_id


@contextlib.contextmanager
def staged(folder: Path, **settings: object) -> Iterator[Stage]:
    """A stage with one provider for all dialects; settings by their names."""
    with staged_by(TWO_PROVIDERS, folder, settings) as stage:
        yield stage


@contextlib.contextmanager
def staged_by(document: str, folder: Path, settings: Mapping[str, object]) -> Iterator[Stage]:
    """A stage by another configuration file, which is told the port of its provider."""
    address = Address()
    config = folder / "nagara.toml"
    config.write_text(
        document.format(port=address.port, caller_model=CALLER_MODEL, upstream_model=UPSTREAM_MODEL)
    )
    environment = name_variables(settings)
    environment["THEIR_KEY"] = CREDENTIAL
    try:
        with GatewayProcess(folder / "data", environment, "--config", str(config)) as gateway:
            yield Stage(gateway, address)
            assert "Traceback" not in gateway.output, gateway.output
            assert CREDENTIAL not in gateway.output
    finally:
        address.close()
