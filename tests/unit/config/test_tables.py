"""Every field of every table can be set, and every field says what it takes."""

import datetime

import msgspec
import pytest

from nagara.config.document import parse_document
from nagara.config.render import TABLES
from nagara.config.tables import Problems, describe, nearest, read_fields, show

FIELDS = [(table, field) for _, table in TABLES for field in msgspec.structs.fields(table)]
EXAMPLES = {
    "text": "a",
    "true or false": True,
    "a list of text": ["a"],
    "a list of tables": [{}],
    "a table": {},
    "a table, or a list of tables": [{}],
    "a day, such as 2027-01-01": datetime.date(2027, 1, 1),
    "a price, as text or a number": "0.1",
}


@pytest.mark.parametrize(("table", "field"), FIELDS, ids=lambda part: getattr(part, "name", ""))
def test_field_takes_what_it_says_and_nothing_else(
    table: type[msgspec.Struct], field: msgspec.structs.FieldInfo
) -> None:
    required = {
        f.name: EXAMPLES.get(describe(f.type), 1)
        for f in msgspec.structs.fields(table)
        if f.required
    }
    example = EXAMPLES.get(describe(field.type), 1)
    for value, is_right in ((example, True), (object(), False), (-1.5j, False)):
        problems = Problems()
        read_fields(table, parse_document("f", b""), (), required | {field.name: value}, problems)
        assert bool(problems.found) is not is_right


def test_nearest_is_named_only_when_near() -> None:
    assert nearest("prot", ["port", "host"]) == '; did you mean "port"?'
    assert nearest("zzz", ["port", "host"]) == ""
    assert nearest("p" * 10**6, ["port"]) == ""


def test_long_value_is_shortened() -> None:
    assert len(show("x" * 1000)) < 70
    assert show(16**9999) == "a number of too many digits"
