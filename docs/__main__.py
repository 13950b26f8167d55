"""Writes the generated pages of this folder anew: `make docs`.

What is generated is a table of file names and functions; a test holds the files to them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from nagara.config.render import render_documentation
from nagara.config.render_evidence import render_providers

FOLDER = Path(__file__).parent
PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": render_documentation,
    "providers.md": render_providers,
}


def main() -> None:
    """Write every generated page."""
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render())


if __name__ == "__main__":
    main()
