"""Money as text and as whole numbers, with nothing lost between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.domain.money import (
    AMOUNT_NANO_MAX,
    format_dollars,
    format_rate,
    mark_up,
    parse_dollars,
    rate_from_mtok,
)


@given(st.integers(-AMOUNT_NANO_MAX, AMOUNT_NANO_MAX), st.integers(0, 9))
def test_amount_survives_being_text(amount_nano: int, places_min: int) -> None:
    text = format_dollars(amount_nano, places_min=places_min)
    assert parse_dollars(text) == amount_nano
    assert Decimal(text) == Decimal(amount_nano).scaleb(-9)
    assert "e" not in text.lower()


@given(st.integers(0, 10**30))
def test_amount_is_rounded_up_to_a_whole_nano(amount_pico: int) -> None:
    nano = mark_up(amount_pico, 0)
    assert nano * 1000 >= amount_pico > (nano - 1) * 1000


@given(st.integers(0, 10**24))
def test_rate_loses_nothing_as_text(rate_pico: int) -> None:
    assert int(Decimal(format_rate(rate_pico)).scaleb(12)) == rate_pico


@pytest.mark.parametrize(
    ("dollars", "pico"), [("0.0375", 37_500), ("15", 15_000_000), ("0.0000001", 1), ("0", 0)]
)
def test_rate_comes_from_dollars_a_million(dollars: str, pico: int) -> None:
    assert rate_from_mtok(Decimal(dollars)) == pico


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", ".5", "1e3", "1_000", "+1", " 1", "1 ", "NaN", "inf", "1.0000000001", "1,5",
     "--1", "1.2.3", "\u0661", "1.\u0661", "\u00bd", "9223372036.854775808", "9" * 30],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_dollars(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1e3", "is not an amount"),
        ("0.0000000001", "more than 9 decimal places"),
        ("9" * 20, "more than the ledger can hold"),
        ("-" + "9" * 400, "more than the ledger can hold"),
        ("9223372036.854775808", "more than the ledger can hold"),
    ],
)
def test_amount_is_refused_with_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_dollars(text)
