"""Moderations: one result an input, all categories, flagged by words."""

import json
from typing import Any

import pytest

from nagara.domain.catalog import Operation
from nagara.sandbox.operations import write_script

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def ask(value: Any) -> tuple[int, Any]:
    body = json.dumps({"input": value}).encode()
    script = write_script(Operation.MODERATIONS, "m", body, now_s=1, request_id="r")
    return script.status, json.loads(b"".join(s for s in script.steps if isinstance(s, bytes)))


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        ("a nice day", [False]),
        ("I will kill you", [True]),
        (["a nice day", "I will murder them"], [False, True]),
        ([{"type": "text", "text": "kill"}, IMAGE], [True]),
        ([IMAGE], [False]),
        ("", [False]),
        ("skill", [False]),
    ],
)
def test_each_input_has_its_result(value: Any, flags: list[bool]) -> None:
    status, answer = ask(value)
    assert status == 200
    assert [result["flagged"] for result in answer["results"]] == flags


def test_more_words_score_higher() -> None:
    _, answer = ask(["kill", "kill and stab", "kill, stab, shoot, bomb, murder"])
    scores = [result["category_scores"]["violence"] for result in answer["results"]]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3
    assert scores[-1] < 1


@pytest.mark.parametrize("value", [None, [], 5, [1], [{"type": "audio"}], [IMAGE, "text"]])
def test_a_wrong_input_is_named(value: Any) -> None:
    status, answer = ask(value)
    assert status == 400
    assert answer["error"]["param"].startswith("input")
