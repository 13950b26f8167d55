"""The gateway process with settings by their names, and with what only hostile tests ask of it.

They need its port for raw sockets, its memory, and keys made beside it while it runs.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.system.gateway import GatewayProcess

ANY_KEY = re.compile(r"\bng-(?:prov-|test-)?[0-9A-Za-z]{43}\b")
COMMAND_TIMEOUT_S = 30.0


class ServedGateway(GatewayProcess):
    """A running gateway, seen from its socket and from the command line."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def make_key(self, *options: str, name: str = "test") -> str:
        """A new key from `nagara keys create`, with further options; it works within a second."""
        printed = self.run("keys", "create", name, *options, "--json")
        found = ANY_KEY.search(printed)
        assert found, f"no key in {printed!r}"
        return found[0]

    def run(self, *arguments: str) -> str:
        """What `nagara` with these arguments prints, on the data of this gateway."""
        command = [str(Path(sys.executable).with_name("nagara")), *arguments]
        done = subprocess.run(
            [*command, "--data", str(self.data)],
            capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False,
            env={"PATH": os.defpath, "HOME": str(self.data)},
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout!r} {done.stderr!r}"
        return done.stdout


@contextmanager
def served(
    folder: Path, settings: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[ServedGateway]:
    """Run a first start in `folder` with `settings` until the block is left."""
    variables = {f"NAGARA_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    with ServedGateway(folder / "data", {**variables, **(env or {})}) as gateway:
        yield gateway
