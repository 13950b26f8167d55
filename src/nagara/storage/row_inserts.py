"""Rows of one table that go in together: a statement for each row would cost as much as the row.

A text of SQL for every number of rows would be prepared anew nearly every time, so many rows are
cut into pieces of a few sizes, whose texts the database keeps prepared. Pure: nothing is run here.
"""

from collections.abc import Sequence

from nagara.storage.driver import Statement, Value

PIECES = (16, 4, 1)
"""How many rows go together: beyond the first a row hardly gets cheaper."""

RowValues = tuple[Value, ...]


class RowInsert:
    """An INSERT into one table; every statement of it expects all its rows."""

    def __init__(self, into: str, row: str) -> None:
        """`into` is the SQL up to VALUES, `row` what follows for each row, with its `${}`s."""
        self._into = into
        self._row = row
        self._params = row.count("{}")
        self._texts: dict[int, str] = {}

    def insert(self, rows: Sequence[RowValues]) -> Statement:
        """Some rows as one statement: for numbers that are small, and few."""
        count = len(rows)
        text = self._texts.get(count)
        if text is None:
            text = self._texts[count] = self._write(count)
        if count == 1:
            return Statement(text, rows[0], 1)
        params: list[Value] = []
        for row in rows:
            params += row
        return Statement(text, tuple(params), count)

    def insert_many(self, rows: Sequence[RowValues]) -> list[Statement]:
        """Any number of rows, in their order."""
        statements: list[Statement] = []
        at, count = 0, len(rows)
        for size in PIECES:
            while count - at >= size:
                statements.append(self.insert(rows[at : at + size]))
                at += size
        return statements

    def _write(self, count: int) -> str:
        firsts = range(1, count * self._params + 1, self._params)
        rows = (self._row.format(*range(first, first + self._params)) for first in firsts)
        return f"{self._into} VALUES {', '.join(rows)}"
