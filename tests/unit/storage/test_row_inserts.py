"""Rows that go in together: all of them, in order, by few texts of SQL."""

import pytest

from nagara.storage.driver import Statement
from nagara.storage.row_inserts import PIECES, RowInsert, RowValues


@pytest.fixture
def notes() -> RowInsert:
    return RowInsert("INSERT INTO notes (number, text)", "(${}, ${})")


def make_rows(count: int) -> list[RowValues]:
    return [(number, f"note {number}") for number in range(count)]


def test_rows_are_one_statement_that_expects_them_all(notes: RowInsert) -> None:
    assert notes.insert([(1, "x")]) == Statement(
        "INSERT INTO notes (number, text) VALUES ($1, $2)", (1, "x"), rows_expected=1
    )
    assert notes.insert([(1, "x"), (2, None)]) == Statement(
        "INSERT INTO notes (number, text) VALUES ($1, $2), ($3, $4)",
        (1, "x", 2, None),
        rows_expected=2,
    )


@pytest.mark.parametrize("count", [0, 1, 3, 4, 15, 16, 17, 61])
def test_many_rows_keep_their_order_and_number(notes: RowInsert, count: int) -> None:
    rows = make_rows(count)
    statements = notes.insert_many(rows)
    values = [value for statement in statements for value in statement.params]
    assert values == [value for row in rows for value in row]
    for statement in statements:
        assert statement.rows_expected == len(statement.params) / 2
        assert statement.sql.endswith(f"${len(statement.params)})")


def test_any_number_of_rows_comes_to_the_same_few_texts(notes: RowInsert) -> None:
    texts = {each.sql for count in range(64) for each in notes.insert_many(make_rows(count))}
    assert texts == {notes.insert(make_rows(count)).sql for count in PIECES}
