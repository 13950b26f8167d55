"""Identifiers in the length that OpenAI takes."""

from nagara.dialects.identifiers import LENGTH_MAX, fit_identifier


def test_short_identifier_is_itself() -> None:
    assert fit_identifier("u" * LENGTH_MAX) == "u" * LENGTH_MAX


def test_long_identifiers_are_told_apart_and_the_same_each_time() -> None:
    one, other = fit_identifier("u" * 150), fit_identifier("u" * 151)
    assert len(one) == LENGTH_MAX
    assert one == fit_identifier("u" * 150)
    assert one != other
