"""The model's name is put into an answer as if all of its fields had been read, wherever it stands.

Most answers are cut at the name and joined again; what can be told from the result of reading them
would be a name that is not the caller's, or a change to anything else.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects.json_fields import replace_model

NAMES = st.sampled_from(["model", "mode", "models", 'x"model', "model\\", "id", "usage", "{", ""])
TEXTS = st.one_of(NAMES, st.text(max_size=6), st.sampled_from(['"model":"x"', '\\"model"', "\\u"]))
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.integers(0, 9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
BLANKS = st.sampled_from(["", " ", "\n", "\t \r\n"])


@st.composite
def strings(draw: st.DrawFn, text: str) -> str:
    """The text as JSON, where any letter may be written as an escape."""
    escaped = draw(st.sampled_from([-1, -1, 0, 4]))
    letters = [
        f"\\u{ord(sign):04x}" if place == escaped and sign.isascii() else json.dumps(sign)[1:-1]
        for place, sign in enumerate(text)
    ]
    return f'"{"".join(letters)}"'


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """A JSON object with names that come twice, blanks anywhere, and a model mostly."""
    members = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    written = []
    for name, value in members:
        text = draw(strings(value)) if isinstance(value, str) else json.dumps(value)
        blanks = [draw(BLANKS) for _ in range(4)]
        written.append(f"{blanks[0]}{draw(strings(name))}{blanks[1]}:{blanks[2]}{text}{blanks[3]}")
    body = f"{draw(BLANKS)}{{{','.join(written)}}}{draw(BLANKS)}"
    return body.encode(errors="replace")


def read(data: bytes) -> Any:
    """The fields as every reader takes them: of two with the same name the later one."""
    return json.loads(data)


@given(objects())
def test_it_is_replaced_as_if_all_fields_were_read(data: bytes) -> None:
    fields = read(data)
    if "model" in fields:
        fields["model"] = "the caller's"
    assert read(replace_model(data, "the caller's")) == fields


@given(objects())
def test_no_other_name_of_a_model_is_left(data: bytes) -> None:
    members: list[list[tuple[str, Any]]] = []
    json.loads(replace_model(data, "mine"), object_pairs_hook=members.append)
    assert {value for name, value in members[-1] if name == "model"} <= {"mine"}


@pytest.mark.parametrize(
    "data",
    [
        rb'{"model":"a","mode\u006c":"b"}',
        rb'{"mode\u006c":"a","x":{"model":"b"}}',
        rb'{"x\"model":"a","model":"b"}',
        rb'{"x":"{","model":"a"}',
        rb'{"x":["model"],"model":"a"}',
        rb'{"x":{"model":"a"},"model":"b"}',
        rb'{"model":null,"x":"model"}',
    ],
)
def test_what_hides_a_name_is_read(data: bytes) -> None:
    assert read(replace_model(data, "mine")) == {**read(data), "model": "mine"}


def test_the_rest_of_an_answer_stays_as_it_came() -> None:
    data = b'{ "id": 1,\n "model" : "theirs", "choices": [ {} ], "usage": { } }\n'
    assert replace_model(data, "mine") == data.replace(b' : "theirs"', b':"mine"')
