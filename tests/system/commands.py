"""`nagara` with other words than `serve`, beside a running gateway or alone."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NAGARA = Path(sys.executable).with_name("nagara")
TIMEOUT_S = 30.0


def run(
    *words: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in an otherwise empty environment, whatever its exit code."""
    return subprocess.run(
        [str(NAGARA), *words],
        env={"HOME": str(folder or "/nonexistent"), "LANG": "C.UTF-8", **(environment or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def succeed(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints that must succeed."""
    done = run(*words, environment=environment)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
