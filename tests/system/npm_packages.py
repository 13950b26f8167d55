"""Where node and the npm packages of the system tests are; tests skip, saying so, without them.

They are pinned in `npm/package.json`; `npm ci --ignore-scripts` in that folder installs them. Their
programs are used as the packages hold them: no install script has to run. TEST_AGENTS_DIR names
another folder of packages, and TEST_AGENTS_REQUIRED=1 makes it a failure if anything is missing,
so that a run which is meant to have them cannot pass by skipping.
"""

import os
import shutil
from pathlib import Path
from typing import Final, NoReturn

import pytest

FOLDER: Final = Path(__file__).with_name("npm")


def find_packages() -> Path:
    """The folder that holds the packages, which may not be there."""
    return Path(os.environ.get("TEST_AGENTS_DIR") or FOLDER / "node_modules")


def find_package(name: str) -> Path:
    """The folder of one package; without it the test is skipped."""
    return find_file(name, f"{name}/package.json").parent


def find_file(name: str, pattern: str) -> Path:
    """The first file that fits `pattern` among the packages; without one the test is skipped."""
    found = sorted(find_packages().glob(pattern))
    if not found:
        do_without(f"{name} is not installed: run `npm ci --ignore-scripts` in tests/system/npm")
    return found[0]


def find_node() -> Path:
    """The node program; without it the test is skipped."""
    if (node := shutil.which("node")) is None:
        do_without("node is not installed")
    return Path(node)


def do_without(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything has to be there."""
    if os.environ.get("TEST_AGENTS_REQUIRED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
