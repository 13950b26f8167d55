"""What every answer says of itself: names that come from elsewhere are made fit for a header."""

import pytest

from nagara.answer_headers import encode_header


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("field", b"field"),
        ("feld, zwölf", b"feld%2C%20zw%C3%B6lf"),
        ("a\0b\r\n", b"a%00b%0D%0A"),
        # Half a surrogate pair, which JSON can hold and UTF-8 cannot.
        ("a\ud83d", b"a%3F"),
    ],
)
def test_any_name_is_fit_for_a_header(name: str, said: bytes) -> None:
    assert encode_header(name) == said
