"""Names are made one only when they say the same."""

import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nagara.catalogue.facts import read_facts
from nagara.catalogue.names import make_id, read_date, spell_both_ways, split_date

FACTS = read_facts()


@pytest.mark.parametrize(
    ("name", "regular"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4.5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4.5"),
        ("global.anthropic.claude-opus-4-6-v1:0", "claude-opus-4.6"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("gpt-5-1-2025-11-13", "gpt-5.1-2025-11-13"),
        ("gpt-4o-2024-11-20", "gpt-4o-2024-11-20"),
        ("gpt-4-0613", "gpt-4-0613"),
        ("gpt-4-32k", "gpt-4-32k"),
        ("gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview-05-20"),
        ("qwen3.5-plus-02-15", "qwen3.5-plus-02-15"),
        ("accounts/fireworks/models/glm-5p3", "glm-5.3"),
        ("accounts/fireworks/models/deepseek-v4p1-flash", "deepseek-v4.1-flash"),
        ("deepseek-v4-1-flash-1017", "deepseek-v4.1-flash-1017"),
        ("zai-glm-4.7", "glm-4.7"),
        ("zai-org/GLM-4.7", "glm-4.7"),
        ("meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b-instruct-turbo"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "llama-3.1-8b-instruct-turbo"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral-7b-instruct-v0.2"),
        ("qwen/qwen-2.5-72b-instruct", "qwen2.5-72b-instruct"),
        ("qwen-3-32b", "qwen3-32b"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("amazon/nova-lite-v1", "nova-lite"),
        ("meta-llama/llama-3.3-70b-instruct:free", "llama-3.3-70b-instruct:free"),
        ("llama-4-maverick-17b-128e-instruct-fp8", "llama-4-maverick-17b-128e-instruct-fp8"),
    ],
)
def test_name_becomes_its_public_id(name: str, regular: str) -> None:
    assert make_id(name, FACTS) == regular


@given(st.from_regex(r"[a-z]{2,6}(-[a-z0-9]{1,4}){1,4}", fullmatch=True))
def test_making_a_regular_name_regular_changes_nothing(name: str) -> None:
    assume(not name.startswith("nova-"))  # its "-v1" goes once, whatever stands before it
    once = make_id(name, FACTS)
    assert make_id(once, FACTS) == once


@pytest.mark.parametrize(
    ("name", "stem", "date"),
    [
        ("gpt-4.1-2025-04-14", "gpt-4.1", "2025-04-14"),
        ("claude-opus-4-20250514", "claude-opus-4", "20250514"),
        ("claude-opus-5@20260901", "claude-opus-5", "20260901"),
        ("grok-4-0709", "grok-4", "0709"),
        ("gpt-4.1", "gpt-4.1", None),
    ],
)
def test_date_is_split_off(name: str, stem: str, date: str | None) -> None:
    assert split_date(name, has_short_dates=True) == (stem, date)


def test_four_digits_are_a_date_only_where_the_maker_writes_them() -> None:
    assert split_date("kimi-k2-0905", has_short_dates=False) == ("kimi-k2-0905", None)


def test_only_a_full_and_real_date_is_a_day() -> None:
    assert read_date("gpt-4.1-2025-04-14") == datetime.date(2025, 4, 14)
    assert read_date("grok-4-0709") is None
    assert read_date("model-20250231") is None


def test_dashed_name_is_also_spelt_with_dots() -> None:
    assert spell_both_ways("claude-opus-4-1", FACTS) == ("claude-opus-4-1", "claude-opus-4.1")
    assert spell_both_ways("gpt-4.1", FACTS) == ("gpt-4.1",)
