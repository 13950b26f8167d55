"""What `nagara doctor` finds, one by one, and how it is shown.

A finding is wrong if a gateway would not start, or would fail its callers; it is a warning if it
may do so one day. A finding never holds a secret.
"""

import enum
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click
import msgspec

from nagara.cli.printing import print_json
from nagara.domain.text import escape_unprintable

WRAP_WIDTH_MIN = 20


class Verdict(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red"}
VERDICT_WIDTH = max(map(len, Verdict)) + 2


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what, how it is, and in words what to do about it."""

    check: str
    verdict: Verdict
    message: str


def is_fine(check: str, message: str) -> Finding:
    """All as it should be."""
    return Finding(check, Verdict.OK, message)


def is_doubtful(check: str, message: str) -> Finding:
    """Worth a look."""
    return Finding(check, Verdict.WARNING, message)


def is_wrong(check: str, message: str) -> Finding:
    """To be mended."""
    return Finding(check, Verdict.WRONG, message)


def print_findings(findings: Sequence[Finding], *, is_json: bool) -> None:
    """All findings, for programs or for people."""
    if is_json:
        has_failed = any(found.verdict is Verdict.WRONG for found in findings)
        checks = [msgspec.structs.asdict(found) for found in findings]
        print_json({"ok": not has_failed, "checks": checks})
        return
    margin = max(len(found.check) for found in findings) + 2
    for found in findings:
        _print(found, margin)
    click.echo(f"\n{sum_up(findings)}")


def sum_up(findings: Sequence[Finding]) -> str:
    """The last line: how many things are to be mended or looked at."""
    wrong, doubtful = (
        sum(found.verdict is verdict for found in findings)
        for verdict in (Verdict.WRONG, Verdict.WARNING)
    )
    warnings = f"{doubtful} warning{'' if doubtful == 1 else 's'}"
    if wrong:
        return f"{wrong} of {len(findings)} checks failed, with {warnings}."
    return f"Nothing is wrong; {warnings}." if doubtful else "Nothing is wrong."


def _print(found: Finding, margin: int) -> None:
    indent = VERDICT_WIDTH + margin
    width = shutil.get_terminal_size().columns - indent if sys.stdout.isatty() else 0
    message = escape_unprintable(found.message)
    lines = textwrap.wrap(message, width) if width >= WRAP_WIDTH_MIN else [message]
    # click takes the colours out again where the output is no terminal.
    verdict = click.style(found.verdict.ljust(VERDICT_WIDTH), fg=COLOURS[found.verdict])
    click.echo(verdict + found.check.ljust(margin) + f"\n{' ' * indent}".join(lines))
