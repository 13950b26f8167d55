"""Patterns agree with Python's own engine, make what they match, and never run away."""

import re

import pytest

from nagara.sandbox.pattern import UnsupportedPatternError, is_match, make_match, parse_pattern

PATTERNS = [
    r"^[A-Z]{2,4}-\d+$", r"a|bc|", r"^(foo|ba[rz])*$", r"[^\d\s]x", r"^a.c$", r"\.\*",
    r"(ab?)+c{2}", r"^[\w.-]+@[a-z]{2,}$", r"^-?\d+(\.\d+)?$", r"^[\]a-]$", r"x*?y", r"^\x41B$",
]  # fmt: skip
TEXTS = [
    "", "a", "bc", "AB-12", "foobar", "bazz", "qx", "abc", ".*", "ababcc", "a@bc", "-1.5", "]",
    "a-", "xxy", "AB", "a\nc", "1x", "x.y@zz",
]  # fmt: skip
UNSUPPORTED = ["(?=a)", r"\1", "(", "a)", "*", "[z-a]", r"\p{L}", "a{9999}", "\\"]
EXPLOSIVE = ["^(a+)+$", "^(a|a)*$", "^((((a*)*)*)*)*$", "^(a{1,2000}){1,2000}$"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_matching_agrees_with_re(pattern: str) -> None:
    node = parse_pattern(pattern)
    for text in TEXTS:
        assert is_match(node, text) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("extra", [-1, 0, 1, 5])
def test_what_is_made_matches(pattern: str, extra: int) -> None:
    for index in range(4):
        assert re.search(pattern, make_match(parse_pattern(pattern), index, extra))


@pytest.mark.parametrize(
    "pattern", ["(?=a)", r"\1", "(", "a)", "*", "[z-a]", r"\p{L}", "a{9999}", "\\"]
)
def test_what_the_subset_lacks_is_said(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        parse_pattern(pattern)


@pytest.mark.parametrize("pattern", EXPLOSIVE)
def test_patterns_that_make_backtracking_explode_are_quick(pattern: str) -> None:
    assert is_match(parse_pattern(pattern), "a" * 60 + "!") is False


def test_work_is_bounded() -> None:
    with pytest.raises(UnsupportedPatternError):
        make_match(parse_pattern("(((a{2000}){2000}){2000})"))
