"""An answer told as events and put together again is the same answer."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.canonical import responses

from nagara.domain.events import Event, PartBegan, PartDelta, PartEnded, Response, fold, unfold
from nagara.domain.messages import Text


@given(responses())
def test_fold_undoes_unfold(response: Response) -> None:
    assert fold(unfold(response)) == response


@given(responses(), st.randoms(use_true_random=False))
def test_deltas_may_be_cut_anywhere(response: Response, random: object) -> None:
    cut: list[Event] = []
    for event in unfold(response):
        if isinstance(event, PartDelta):
            at = random.randrange(len(event.text) + 1)  # type: ignore[attr-defined]
            halves = (event.text[:at], event.text[at:])
            cut += [msgspec.structs.replace(event, text=text) for text in halves]
        else:
            cut.append(event)
    assert fold(cut) == response


@given(responses())
def test_every_part_begins_once_in_order_and_ends(response: Response) -> None:
    began: dict[int, list[int]] = {}
    ended: dict[int, list[int]] = {}
    for event in unfold(response):
        if isinstance(event, PartBegan):
            began.setdefault(event.choice, []).append(event.index)
        elif isinstance(event, PartEnded):
            ended.setdefault(event.choice, []).append(event.index)
    assert began == ended
    for choice in response.choices:
        assert began.get(choice.index, []) == list(range(len(choice.parts)))


def test_late_delta_of_a_part_that_ended_is_not_lost() -> None:
    events: list[Event] = [
        PartBegan(0, Text("a")),
        PartEnded(0),
        PartBegan(1, Text("b")),
        PartDelta(0, "c"),
        PartEnded(1),
    ]
    assert [part.text for part in fold(events).choices[0].parts] == ["ac", "b"]  # type: ignore[union-attr]


def test_delta_of_a_part_that_never_began_is_passed_over() -> None:
    assert fold([PartDelta(3, "x")]).choices[0].parts == ()
