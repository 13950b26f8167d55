"""Ids of an answer: the same each time, apart from each other, and short enough for everybody."""

from nagara.dialects.codec import Frame
from nagara.domain.messages import Request
from nagara.runtime import make_id

CALL_ID_LENGTH_MAX = 40
"""The most that OpenAI takes of a call's id."""


def test_ids_of_parts_sort_as_they_came_and_are_short_enough() -> None:
    request = Request(dialect="openai_chat", model="m", messages=())
    frame = Frame(request=request, model="m", seed=make_id(""), created_s=0)
    ids = [frame.make_id("call_", number) for number in range(0x1000)]
    assert ids == sorted(set(ids))
    assert {len(id_) for id_ in ids} == {CALL_ID_LENGTH_MAX}
    assert frame.make_id("call_", 10).endswith("00a")
    assert frame.make_id("msg_") == "msg_" + frame.seed
