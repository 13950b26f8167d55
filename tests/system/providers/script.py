"""What a model says over three turns to whoever has a tool that runs commands.

First it looks, with one call; then it makes two calls at once; then it says what they gave, in
words that are nowhere but in the results. The tools are the asker's own, found by the arguments
that they take. Where there is none, as in a request for a title, there is only a text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LOOK = "pwd; echo one-$((20 + 22)) | tee one.txt"
MAKE = "echo two-$((40 + 3)) | tee two.txt"
TITLE = "Two files"

COMMAND_ARGUMENTS = ("command", "cmd")
PATH_ARGUMENTS = ("file_path", "filePath")
READERS = frozenset({"read", "read_file"})


class Call(NamedTuple):
    """A call of one of the asker's tools."""

    name: str
    arguments: dict[str, Any]


class Step(NamedTuple):
    """What the model says in one turn: thoughts, then text, then calls."""

    thoughts: str
    text: str
    calls: tuple[Call, ...] = ()


class Asked(NamedTuple):
    """What a request says to the script, whatever its dialect.

    `tools` are the properties of each tool's schema; `results` are those of this conversation's
    calls, in the order of the calls.
    """

    tools: Mapping[str, Mapping[str, Any]]
    results: Sequence[str]
    is_streamed: bool
    thinks: bool


def next_step(asked: Asked) -> Step:
    """What the model says now."""
    shell = find_tool(asked.tools, COMMAND_ARGUMENTS)
    if shell is None:
        return Step("They want a title.", TITLE)
    name, argument = shell
    if not asked.results:
        calls = (Call(name, fill(asked.tools[name], {argument: LOOK})),)
        return Step("I shall look around first.", "I look around.", calls)
    if len(asked.results) == 1:
        both = (read_back(asked, shell), Call(name, fill(asked.tools[name], {argument: MAKE})))
        return Step("Now two things at once.", "", both)
    found = [find(r"one-\d+", asked.results[1]), find(r"two-\d+", asked.results[2])]
    return Step("That is all I need.", f"The tools gave {' and '.join(found)}.")


def read_back(asked: Asked, shell: tuple[str, str]) -> Call:
    """A call that reads the first file: with a tool for that, or else with a command."""
    readers = {name: tool for name, tool in asked.tools.items() if name.lower() in READERS}
    reader = find_tool(readers, PATH_ARGUMENTS)
    if reader is not None:
        folder = find(r"(?m)^/\S*$", asked.results[0])
        return Call(reader[0], {reader[1]: f"{folder}/one.txt"})
    return Call(shell[0], fill(asked.tools[shell[0]], {shell[1]: "cat one.txt"}))


def find_tool(
    tools: Mapping[str, Mapping[str, Any]], arguments: Sequence[str]
) -> tuple[str, str] | None:
    """The first tool that takes one of these arguments, and which it takes."""
    for name, properties in tools.items():
        for argument in arguments:
            if argument in properties:
                return name, argument
    return None


def fill(properties: Mapping[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with the description that some tools want."""
    return {**arguments, "description": "Two files"} if "description" in properties else arguments


def find(pattern: str, text: str) -> str:
    """What fits in a result, or words that no test expects."""
    found = re.search(pattern, text)
    return found[0] if found else f"nothing like {pattern} in {text!r}"
