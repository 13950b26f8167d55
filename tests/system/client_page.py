"""Does what the README says of clients, as it says it, with a gateway's address and key put in.

A section is a client. In it, a TOML, JSON or YAML block is a file, whose path is the first one in
backticks in the text before it; the other blocks are scripts, in order. So what the page promises
is what the tests run, and a line that is wrong on the page fails here. Every way out of the machine
is closed to the clients, so what works needs no account.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.system.gateway import GatewayProcess
from tests.system.npm_packages import find_node, find_packages

PAGE: Final = Path(__file__).parents[2] / "README.md"
DOCUMENTED_URL: Final = "http://127.0.0.1:8080"
DOCUMENTED_KEY: Final = "ng-YOUR-KEY"

FLAGS: Final = re.MULTILINE | re.DOTALL
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", FLAGS)
HOME_PATH: Final = re.compile(r"`~/([^`]+)`")
FILE_LANGUAGES: Final = frozenset({"toml", "json", "yaml"})

CLIENT_TIMEOUT_S: Final = 90.0
CLOSED: Final = "http://127.0.0.1:9"
"""An address where nobody listens: clients that look for updates get a refusal at once."""

ENVIRONMENT: Final = {
    "HTTP_PROXY": CLOSED,
    "HTTPS_PROXY": CLOSED,
    "NO_PROXY": "127.0.0.1,localhost",
    "npm_config_registry": CLOSED,
}


class Script(NamedTuple):
    """A block to be run."""

    language: str
    text: str


class Section(NamedTuple):
    """What the page says of one client: files by their path below HOME, and scripts in order."""

    files: dict[str, str]
    scripts: list[Script]


class Finished(NamedTuple):
    """How a script ended. `folder` is where it worked."""

    exit_code: int
    answer: str
    log: str
    folder: Path


class Client:
    """One client of the page in an empty HOME of its own, its files written.

    `programs` become commands on its PATH, in front of those of the tests' own environment.
    `changes` is what a user changes of the page, such as the name of a model.
    """

    def __init__(
        self,
        title: str,
        gateway: GatewayProcess,
        home: Path,
        *,
        changes: Mapping[str, str] = {},
        programs: Mapping[str, Path] = {},
    ) -> None:
        self._home = home
        self._folder = home / "work"
        self._folder.mkdir()
        self._section = read_section(title, gateway)
        for path, text in self._section.files.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            for old, new in changes.items():
                text = text.replace(old, new)
            (home / path).write_text(text)
        (home / "bin").mkdir()
        for name, program in programs.items():
            (home / "bin" / name).symlink_to(program)

    def run(self, *which: int) -> Finished:
        """Run scripts of the section as one, by their places; they are of one language."""
        scripts = [self._section.scripts[place] for place in which]
        return self._run(scripts[0].language, "".join(script.text for script in scripts))

    def run_after(self, place: int, text: str) -> Finished:
        """Run the script at that place of the section, and then one that is not of the page."""
        script = self._section.scripts[place]
        return self._run(script.language, script.text + text)

    def _run(self, language: str, text: str) -> Finished:
        path = [str(self._home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        done = subprocess.run(
            self._make_command(language, text),
            cwd=self._folder,
            env={**ENVIRONMENT, "HOME": str(self._home), "PATH": os.pathsep.join(path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT_S,
        )
        return Finished(done.returncode, done.stdout, done.stderr, self._folder)

    def _make_command(self, language: str, text: str) -> list[str]:
        if language == "sh":
            return ["bash", "-e", "-c", text]
        if language == "python":
            return [sys.executable, "-c", text]
        assert language == "js", f"no interpreter is known for {language}"
        (self._folder / "node_modules").symlink_to(find_packages())
        program = self._folder / "program.mjs"
        program.write_text(text)
        return [str(find_node()), str(program)]


def read_section(title: str, gateway: GatewayProcess) -> Section:
    """The section of one client, with this gateway's address and key put in."""
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE.read_text(), FLAGS)
    assert found, f"{PAGE.name} has no section {title!r}"
    page = found[1].replace(DOCUMENTED_URL, gateway.url).replace(DOCUMENTED_KEY, gateway.key)
    section = Section({}, [])
    prose_start = 0
    for block in BLOCK.finditer(page):
        if block[1] in FILE_LANGUAGES:
            path = HOME_PATH.search(page, prose_start, block.start())
            assert path, f"{title}: the text before a {block[1]} block names no `~/path`"
            section.files[path[1]] = block[2]
        else:
            section.scripts.append(Script(block[1], block[2]))
        prose_start = block.end()
    return section
