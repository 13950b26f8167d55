"""What commands print: tables and facts for people, JSON for programs.

Tables are drawn by rich on a terminal, and are plain aligned columns for pipes and files.

What is shown may come from anywhere (names of keys, for one): it is never read as markup, and
cannot move the cursor or break a line. rich is imported only for a terminal.
"""

import sys
from collections.abc import Mapping, Sequence

import click
import msgspec

from nagara.domain.text import escape_unprintable


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their column names."""
    shown = [[escape_unprintable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, shown)
    else:
        _print_plain([[column.upper() for column in columns], *shown])


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one a line."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(width)}  {escape_unprintable(value)}")


def print_json(value: Mapping[str, object]) -> None:
    """Print JSON for programs that people look over the shoulder of."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
