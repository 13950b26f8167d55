"""How text is counted, cut, quoted, and cleaned of what agents put around it."""

import pytest

from nagara.sandbox.text import count_tokens, cut_at_stop, cut_to_tokens, quote, strip_injected

COUNTED = [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("éé", 1)]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_a_token_is_four_bytes_rounded_up(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_texts_are_counted_together() -> None:
    assert count_tokens("ab", "cd") == 1


@pytest.mark.parametrize("tokens", range(6))
def test_a_cut_text_never_counts_more_than_was_allowed(tokens: int) -> None:
    text = cut_to_tokens("a€b€c€d€", tokens)
    assert count_tokens(text) <= tokens
    assert "a€b€c€d€".startswith(text)


def test_the_first_stop_sequence_in_the_text_counts() -> None:
    assert cut_at_stop("one two three", ["three", "two", ""]) == ("one ", "two")
    assert cut_at_stop("one", ["two"]) == ("one", None)


def test_a_quotation_is_bounded_and_on_one_line() -> None:
    assert quote("a\n\n b") == "a b"
    assert len(quote("word " * 1000)) <= 201


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("plain", "plain"),
        ("<system-reminder>x</system-reminder> y", "y"),
        ("<a>1</a>\n<b-c>2</b-c>\nz <d>", "z <d>"),
        ("<open>never closed", "<open>never closed"),
        ("<a>1</a>", ""),
    ],
)
def test_elements_before_the_prompt_are_taken_off(text: str, rest: str) -> None:
    assert strip_injected(text) == rest
