"""Usage of Chat Completions as disjoint meters: whatever a server calls them, to the token."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects.openai_chat.usage import ChatUsage, encode_usage
from nagara.domain.usage import Meter, Usage


def metered(**fields: Any) -> dict[Meter, int]:
    usage = msgspec.convert(fields, ChatUsage).to_usage()
    assert usage is not None
    return dict(usage.quantities)


@pytest.mark.parametrize(
    "cached",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"cached_tokens": 4},
        {"num_cached_tokens": 4},
        {"prompt_cache_hit_tokens": 4},
        {"prompt_tokens_details": {"cached_tokens": 4}, "prompt_cache_hit_tokens": 4},
    ],
)
def test_cached_tokens_are_part_of_the_prompt_under_any_name(cached: dict[str, Any]) -> None:
    assert metered(prompt_tokens=10, completion_tokens=1, **cached) == {
        Meter.INPUT: 6,
        Meter.CACHE_READ: 4,
        Meter.OUTPUT: 1,
    }


def test_every_detail_is_a_meter_of_its_own() -> None:
    prompt = {"cached_tokens": 1, "cache_write_tokens": 2, "audio_tokens": 3, "image_tokens": 4}
    completion = {"reasoning_tokens": 1, "audio_tokens": 2, "image_tokens": 3}
    assert metered(
        prompt_tokens=20,
        completion_tokens=10,
        prompt_tokens_details=prompt,
        completion_tokens_details=completion,
        server_tool_use_details={"web_search_requests": 5},
    ) == {
        Meter.INPUT: 10,
        Meter.CACHE_READ: 1,
        Meter.CACHE_WRITE_5M: 2,
        Meter.INPUT_AUDIO: 3,
        Meter.INPUT_IMAGE: 4,
        Meter.OUTPUT: 4,
        Meter.REASONING: 1,
        Meter.OUTPUT_AUDIO: 2,
        Meter.OUTPUT_IMAGE: 3,
        Meter.SEARCHES: 5,
    }


def test_reasoning_that_only_the_total_shows_is_output() -> None:
    counted = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 20}
    assert metered(**counted) == {Meter.INPUT: 10, Meter.OUTPUT: 10}
    named = metered(**counted, completion_tokens_details={"reasoning_tokens": 7})
    assert named == {Meter.INPUT: 10, Meter.OUTPUT: 3, Meter.REASONING: 7}


COUNTS = st.one_of(st.none(), st.integers(-5, 50))


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_meters_of_a_side_add_up_to_its_total(
    prompt: int | None,
    cached: int | None,
    written: int | None,
    audio: int | None,
    completion: int | None,
    reasoning: int | None,
) -> None:
    details = {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio}
    usage = msgspec.convert(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "prompt_tokens_details": details,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
        ChatUsage,
    ).to_usage()
    if usage is None:
        assert prompt is None
        assert completion is None
        return
    assert usage.input_tokens == max(prompt or 0, 0)
    assert usage.output_tokens == max(completion or 0, 0)
    assert all(count > 0 for count in usage.quantities.values())


METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.INPUT_AUDIO,
          Meter.INPUT_IMAGE, Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO,
          Meter.OUTPUT_IMAGE, Meter.SEARCHES)  # fmt: skip


@given(st.dictionaries(st.sampled_from(METERS), st.integers(1, 10**9)))
def test_usage_that_is_told_is_read_back(quantities: dict[Meter, int]) -> None:
    usage = Usage(quantities)
    assert msgspec.convert(encode_usage(usage), ChatUsage).to_usage() == usage
