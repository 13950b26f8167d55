"""What commands print: tables and facts for people, JSON for programs.

Tables are drawn by rich on a terminal, and are plain aligned columns for pipes and files.

What is shown may come from anywhere (names of keys, for one): it is never read as markup, and
cannot move the cursor or break a line. rich is imported only for a terminal.

A terminal too narrow for all columns is shown the first ones whole rather than all of them cut to
pieces, and is told which are missing. Callers put the columns in that order.
"""

import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

import click
import msgspec

from nagara.domain.text import escape_unprintable

NUMBER = re.compile(r"-|[0-9]+(\.[0-9]+)?")
WRAP_WIDTH_MIN = 20
COLUMN_MARGIN = 2
TABLE_MARGIN = 1


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their column names."""
    shown = [[escape_unprintable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, shown)
    else:
        _print_plain([[column.upper() for column in columns], *shown])


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one a line; on a terminal long values stay in their column."""
    margin = max(len(name) for name, _ in facts) + 2
    width = shutil.get_terminal_size().columns - margin if sys.stdout.isatty() else 0
    for name, value in facts:
        shown = escape_unprintable(value)
        # What a narrow terminal cannot hold it wraps itself.
        lines = textwrap.wrap(shown, width) if width >= WRAP_WIDTH_MIN else [shown]
        click.echo(name.ljust(margin) + f"\n{' ' * margin}".join(lines))


def print_json(value: Mapping[str, object]) -> None:
    """Print JSON for programs that people look over the shoulder of."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    fitting = _count_fitting(columns, rows, console.width)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns[:fitting]):
        is_numeric = all(NUMBER.fullmatch(row[index]) for row in rows)
        table.add_column(column, justify="right" if is_numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row[:fitting]))
    console.print(table)
    if left_out := ", ".join(columns[fitting:]):
        console.print(f"A wider terminal shows {left_out} too, and so does --json.", style="dim")


def _count_fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """How many of the columns stand side by side in `width`, their margins included; at least 1."""
    from rich.cells import cell_len

    used = TABLE_MARGIN
    for index, column in enumerate(columns):
        used += max(cell_len(cell) for cell in (column, *(row[index] for row in rows)))
        used += COLUMN_MARGIN
        if used > width:
            return max(index, 1)
    return len(columns)


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
