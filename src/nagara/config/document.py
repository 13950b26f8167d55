"""A TOML file, its values, and on which line each of them stands.

The parser of the standard library gives no line numbers, so a second look at the text finds them:
good enough to point at, never used to decide. Every way in which a file cannot be read is a
`ConfigError`; nothing else is raised, whatever the bytes are.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nagara.domain.configuration import ConfigError

FILE_BYTES_MAX = 2**20

Keys = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = re.compile(rf"\s*\[\[?\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]")
_ENTRY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


class Document(msgspec.Struct, frozen=True):
    """The values of a configuration file. An empty one stands for no file at all."""

    name: str = ""
    values: Mapping[str, Any] = {}
    lines: Mapping[Keys, int] = {}

    def where(self, *keys: str) -> str:
        """Where something stands, for people: `"nagara.toml:12: server.port"`."""
        line = self.line(keys)
        place = f"{self.name}:{line}" if line else self.name
        return f"{place}: {'.'.join(keys)}"

    def line(self, keys: Keys) -> int | None:
        """The line of these keys, or of the nearest table around them."""
        return next(
            (self.lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.lines), None
        )


def read_document(path: Path) -> Document:
    """Read and parse a file. Raises `ConfigError` if it is missing, too large or not TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from error
    return parse_document(str(path), content)


def parse_document(name: str, content: bytes) -> Document:
    """Parse the bytes of a file that people know as `name`. Raises `ConfigError`."""
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError([f"{name}: is larger than {FILE_BYTES_MAX} bytes"])
    try:
        text = content.decode()
        return Document(name, tomllib.loads(text), find_lines(text))
    except UnicodeDecodeError as error:
        raise ConfigError([f"{name}: is not UTF-8 at byte {error.start}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{name}: is nested too deep"]) from error
    except ValueError as error:
        # A TOMLDecodeError, which names the line; or a number with more digits than Python takes.
        raise ConfigError([f"{name}: is not TOML: {error}"]) from error


def find_lines(text: str) -> Mapping[Keys, int]:
    """The line, from 1, on which each table and each entry begins."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _split_keys(header[1])
            lines.setdefault(table, number)
        elif entry := _ENTRY.match(line):
            lines.setdefault(table + _split_keys(entry[1]), number)
    return lines


def _split_keys(dotted: str) -> Keys:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
