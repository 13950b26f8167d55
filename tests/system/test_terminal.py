"""What people see on a terminal of 80 columns: nothing is cut to pieces, nothing wraps by accident.

The commands run on a pseudo-terminal, so that they draw as they do for people.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.system.gateway import GatewayProcess

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def show(columns: int, data: Path, *words: str) -> list[str]:
    """The lines that `nagara` draws on a terminal that wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {"PATH": os.defpath, "HOME": str(data), "TERM": "xterm", "NAGARA_DATA": str(data)}
    nagara = Path(sys.executable).with_name("nagara")
    process = subprocess.Popen(
        [str(nagara), *words], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65_536):
            written += piece
    except OSError:
        # Linux's way to say that the other side has closed.
        pass
    finally:
        os.close(ours)
    assert process.wait(20) == 0, written
    return STYLE.sub("", written.decode()).splitlines()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    show(80, folder, "keys", "create", "a-laptop")
    show(80, folder, "keys", "create", "provisioning", "--provisioning")
    show(80, folder, "keys", "create", "pipeline", "--test", "--expires", "30d")
    return folder


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_keys_are_shown_whole_whatever_the_width(data: Path, columns: int) -> None:
    lines = show(columns, data, "keys", "list")
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert re.search(r"a-laptop +standard +ng-\w{4}…\w{4} +enabled +\$0\.00 +none", text), text
    assert re.search(r"provisioning +provisioning +ng-prov-\w{4}…\w{4} +enabled", text), text
    shown = r"pipeline +test +ng-test-\w{4}…\w{4} +enabled +\$0\.00 +none"
    assert re.search(shown + (r" +\d{4}-\d\d-\d\dT" if columns > 80 else ""), text), text
    assert ("--json" in text) is (columns < 200)


def test_models_are_shown_whole_with_their_prices(data: Path) -> None:
    lines = show(80, data, "models", "list", "--search", "gpt-4.1")
    assert max(map(len, lines)) <= 80
    assert any(re.match(r" *gpt-4\.1-mini +0\.4 +1\.6 +", line) for line in lines), lines


def test_facts_stay_in_their_column(data: Path) -> None:
    lines = show(80, data, "models", "show", "gpt-4.1-mini")
    assert max(map(len, lines)) <= 80
    start = next(i for i, line in enumerate(lines) if line.startswith("description"))
    assert lines[start + 1].startswith(" " * 20)


def test_first_words_of_a_gateway_fit_a_terminal(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "d") as gateway:
        printed = [line for line in gateway.output.splitlines() if not line.startswith("  Data")]
        assert max(map(len, printed)) <= 80


def test_later_start_names_the_program_and_folder_as_they_can_be_called(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    with GatewayProcess(folder):
        pass
    with GatewayProcess(folder) as gateway:
        line = next(line for line in gateway.output.splitlines() if "keys create" in line)
    command = line.partition(": ")[2].replace("NAME", "later")
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ng-")
    assert "later" in "\n".join(show(80, folder, "keys", "list"))
