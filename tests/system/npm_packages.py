"""Where the npm packages of the system tests are, and the reason to skip where they are not.

They are pinned in `npm/package.json`; `npm ci --ignore-scripts` in that folder installs them. Their
programs are used as the packages hold them: no install script has to run. NAGARA_AGENTS_DIR names
another folder of packages.
"""

import os
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).with_name("npm")


def find_packages() -> Path:
    """The folder that holds the packages, which may not be there."""
    return Path(os.environ.get("NAGARA_AGENTS_DIR") or FOLDER / "node_modules")


def find_package(name: str) -> Path:
    """The folder of one package; skips the test if it is not installed."""
    return find_file(name, f"{name}/package.json").parent


def find_file(name: str, pattern: str) -> Path:
    """The first file that fits `pattern` among the packages; skips the test if there is none."""
    found = sorted(find_packages().glob(pattern))
    if not found:
        pytest.skip(f"{name} is not installed: run `npm ci --ignore-scripts` in tests/system/npm")
    return found[0]
