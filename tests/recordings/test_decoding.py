"""Every codec decodes what was recorded to what the oracle reads from it, gateway or not."""

import importlib.util
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.recordings.comparison import is_same_reasoning
from tests.recordings.exchanges import Exchange, read_exchanges
from tests.recordings.hub import MODULES, decode, find_codec
from tests.recordings.neutral import Answer
from tests.recordings.oracle import expect
from tests.recordings.recorded import needs_recordings

pytestmark = needs_recordings

COMPARED = ("text", "calls", "finish", "refusal", "order", "counts")


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    """The recorded generations that were not refused."""
    return [each for each in read_exchanges().exchanges.values() if each.status == 200]


@pytest.mark.parametrize("wire", list(MODULES))
def test_recorded_answers_decode_to_what_they_say(wire: str, exchanges: list[Exchange]) -> None:
    if wire == "converse" and importlib.util.find_spec("botocore") is None:
        pytest.skip("botocore reads Bedrock's streams: make install-clients")
    codec, draw, seen = find_codec(wire), random.Random(5), 0
    wrong: list[Any] = []
    for exchange in exchanges:
        if exchange.wire == wire:
            seen += 1
            found = differences(expect(exchange), decode(codec, exchange, draw))
            wrong += [(exchange.id, *difference) for difference in found]
    assert wrong == []
    assert seen


def differences(expected: Answer, got: Answer) -> Iterator[tuple[str, str, str]]:
    """What the two say differently; each has its own words for tools that the provider runs."""
    if (expected.failure is None) is not (got.failure is None):
        yield "failure", repr(expected.failure), repr(got.failure)
    for name in COMPARED:
        want, have = getattr(expected, name), getattr(got, name)
        # A built-in tool of the caller's machine is no call in the hub.
        if want != have and not (name == "finish" and expected.own_calls):
            yield name, repr(want)[:200], repr(have)[:200]
    if not is_same_reasoning(expected.reasoning, got.reasoning):
        yield "reasoning", repr(expected.reasoning)[:200], repr(got.reasoning)[:200]
    if bool(expected.server_tools) and not got.server_tools:
        yield "server_tools", repr(expected.server_tools), "none"
    if expected.cited != got.citations:
        yield "citations", repr(expected.cited)[:200], repr(got.citations)[:200]
