"""Tokens that are estimated: what is counted, what is not, and on which side it errs."""

import json
from typing import Any

import pytest

from nagara.dialects.anthropic_messages.request import read_request
from nagara.dialects.anthropic_messages.token_estimate import estimate_tokens
from nagara.dialects.token_estimate import (
    BYTES_PER_TOKEN,
    FRAME_TOKENS,
    TOKENS_PER_IMAGE,
    TOOLS_TOKENS,
)


def estimate(content: Any = "Hi", **fields: Any) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
    return estimate_tokens(read_request(json.dumps(body).encode()))


def growth(content: Any, **fields: Any) -> int:
    """The tokens above those of a request that says hardly anything."""
    return estimate(content, **fields) - estimate("")


def test_text_is_counted_by_its_bytes_and_not_by_its_letters() -> None:
    assert growth("x" * 3000) == 1000
    # Half a surrogate pair is a letter too.
    assert growth("字" * 1000) == 1000
    assert growth("\ud83d" * 3) == 1


def test_tools_and_system_count_and_what_is_no_prompt_does_not() -> None:
    tool = {"name": "look", "description": "d" * 300, "input_schema": {"type": "object"}}
    assert growth("", tools=[tool]) > TOOLS_TOKENS + 100
    assert growth("", system="s" * 300) >= 100
    assert growth("", metadata={"user_id": "u" * 300}, max_tokens=9) == 0
    marked = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    plain = [{"type": "text", "text": "a"}]
    assert estimate(marked) == estimate(plain)


def image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_image_counts_the_same_whatever_its_bytes() -> None:
    assert growth([image("A" * 4)]) == growth([image("A" * 400_000)])
    assert TOKENS_PER_IMAGE <= growth([image("")]) < TOKENS_PER_IMAGE + 20
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image(""), image("")]}
    assert growth([result]) > 2 * TOKENS_PER_IMAGE


def test_pdf_counts_by_its_size_and_a_document_of_text_as_text() -> None:
    def document(kind: str, data: str) -> list[dict[str, Any]]:
        return [{"type": "document", "source": {"type": kind, "data": data}}]

    assert growth(document("base64", "A" * 64_000)) == pytest.approx(3000, abs=10)
    assert growth(document("text", "a" * 30_000)) == pytest.approx(10_000, abs=20)


def test_any_depth_and_any_number_of_blocks_are_counted() -> None:
    nested: Any = "x"
    for _ in range(900):
        nested = [nested]
    assert estimate([{"type": "tool_use", "id": "t", "name": "n", "input": {"deep": nested}}])
    many = [{"type": "text", "text": "x"}] * 50_000
    assert estimate(many) > FRAME_TOKENS + 50_000 // BYTES_PER_TOKEN
