"""Forms are read as they arrive, within bounds, and written so that both sides read the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forms import Form, read_form

from nagara.domain.errors import GatewayError
from nagara.operations.forms import (
    FormLimits,
    FormReader,
    Part,
    PartBegan,
    PartData,
    text_part,
    write_form,
)

TYPE = b"multipart/form-data; boundary=xyz"
LIMITS = FormLimits(parts_max=5, header_bytes_max=300)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\\"\r\n%'), min_size=1, max_size=9)


def file_part(data: bytes, name: str = "image", filename: str = "a.png") -> Part:
    return Part(PartBegan(name, filename, "image/png"), data)


def read(body: bytes, content_type: bytes = TYPE) -> Form:
    return read_form(content_type, body, LIMITS)


def refuse(body: bytes, content_type: bytes = TYPE) -> str:
    with pytest.raises(GatewayError) as caught:
        read(body, content_type)
    assert caught.value.status == 400
    return caught.value.message


@given(st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=5, unique_by=lambda x: x[0]))
def test_what_is_written_is_read_again(fields: list[tuple[str, bytes]]) -> None:
    parts = tuple(file_part(data, name) for name, data in fields)
    assert read(write_form(parts, b"xyz")).parts == parts or any(b"xyz" in d for _, d in fields)


@given(st.lists(st.integers(1, 400), max_size=6))
def test_any_split_of_the_bytes_says_the_same(cuts: list[int]) -> None:
    body = write_form([text_part("n", "1"), file_part(b"\r\n--xy" * 20)], b"xyz")
    reader, data, start = FormReader(TYPE, LIMITS), b"", 0
    for end in [*sorted(cuts), len(body)]:
        events = reader.feed(body[start:end])
        data += b"".join(event.data for event in events if isinstance(event, PartData))
        start = max(start, end)
    reader.close()
    assert data == b"1" + b"\r\n--xy" * 20


def test_digest_is_of_what_is_said_and_not_of_the_boundary() -> None:
    parts = [text_part("n", "1"), file_part(b"x")]
    one = read(write_form(parts, b"xyz"))
    other = read(write_form(parts, b"abc"), b"multipart/form-data; boundary=abc")
    assert one.digest == other.digest
    assert one.digest != read(write_form([text_part("n", "2"), file_part(b"x")], b"xyz")).digest


def test_names_cannot_end_their_header() -> None:
    evil = file_part(b"x", filename='a"\r\ncontent-type: text/html\r\n\r\n')
    form = read(write_form([evil], b"xyz"))
    assert [(p.head.media_type, p.data) for p in form.parts] == [("image/png", b"x")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (write_form([file_part(b"x", f"f{i}") for i in range(6)], b"xyz"), "more than 5 parts"),
        (b"--xyz\r\n" + b"".join(b"a%d: b\r\n" % i for i in range(400)), "of headers"),
        (b"--xyz\r\nx-long: " + b"a" * 100_000, "header"),
        (b"--xyz\r\ncontent-disposition: form-data; name=a\r\n\r\nhalf", "not all of it"),
        (b"", "not all of it"),
        (b"hello", "could not be read"),
        (b'{"model": "m"}', "could not be read"),
        (b"--xyz\r\ncontent-type: image/png\r\n\r\nx\r\n--xyz--\r\n", "without a name"),
        ("--xyz\r\ncontent-disposition: form-data; né=x\r\n\r\n".encode(), "without a name"),
        (write_form([text_part("n", "1"), text_part("n", "9")], b"xyz"), "more than once"),
        (write_form([Part(PartBegan("n", None, ""), b"\xff")], b"xyz"), "not UTF-8"),
        (
            b"--xyz\r\ncontent-disposition: form-data; name=n\r\n"
            b"content-disposition: form-data; name=m\r\n\r\nx\r\n--xyz--\r\n",
            "two headers",
        ),
    ],
)
def test_bad_form_is_told_what_is_wrong(body: bytes, said: str) -> None:
    assert said in refuse(body)


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/form-data",
        b"multipart/form-data; boundary=" + b"x" * 99,
        b"multipart/form-data; boundary=\xff",
        b"multipart/form-data; \xc3\xa9=x",
        b"multipart/form-data; boundary*=utf-8''%E2%82%AC",
    ],
)
def test_other_content_types_are_named(content_type: bytes) -> None:
    assert "multipart/form-data" in refuse(b"", content_type)


def test_bomb_of_parts_is_refused_at_its_first_pieces() -> None:
    reader = FormReader(TYPE, LIMITS)
    bomb = b"--xyz\r\ncontent-disposition: form-data; name=a[]\r\n\r\n\r\n" * 6
    with pytest.raises(GatewayError):
        reader.feed(bomb)
