"""Turns that a caller cannot carry: told apart, found again, and put back whole."""

import base64

import msgspec
import pytest

from nagara.dialects.envelope import PREFIX, disclose, enclose
from nagara.dialects.turns import Turn, has_hidden, restore_turns, turn_key
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    Message,
    Part,
    Reasoning,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
)
from nagara.storage.turns import PART_BYTES, KeptTurns

THOUGHT = Reasoning(text="Hm.", signature=Signature("s1", "them"))
CALL = ToolCall(id="call_1", name="read", arguments="{}")
SEARCH = HostedCall(id="s", kind=HostedKind.WEB_SEARCH, name="web_search")


def request(*parts: Part) -> Request:
    messages = (
        Message(Role.USER, (Text("Read it."),)),
        *(Message(Role.ASSISTANT, (part,)) for part in parts),
        Message(Role.USER, (Text("And?"),)),
    )
    return Request(dialect="openai_chat", model="m", messages=messages)


def recall_of(turn: Turn) -> dict[str, Turn]:
    key = turn_key(turn.parts)
    assert key is not None
    return {key: turn}


def assistant_parts(request: Request) -> list[Part]:
    return [p for m in request.messages if m.role is Role.ASSISTANT for p in m.parts]


@pytest.mark.parametrize("shown", [(Text("Found."),), (CALL,), (Text("Found."), CALL)])
def test_whole_turn_stands_where_the_caller_sent_what_it_could(shown: tuple[Part, ...]) -> None:
    kept = Turn("anthropic_messages", (THOUGHT, SEARCH, *shown))
    restored = restore_turns(request(*shown), kept.dialect, recall_of(kept).get)
    assert assistant_parts(restored) == list(kept.parts)


def test_turn_is_known_by_its_text_without_blanks() -> None:
    kept = Turn("d", (THOUGHT, Text("It is\n\nfine. ")))
    restored = restore_turns(request(Text("It is fine.")), "d", recall_of(kept).get)
    assert assistant_parts(restored) == list(kept.parts)


@pytest.mark.parametrize(
    ("shown", "dialect"),
    [
        ((Text("Edited."), CALL), "d"),
        ((Text("Found."), CALL, ToolCall(id="call_2", name="x")), "d"),
        ((Text("Found."), CALL), "other"),
        ((THOUGHT, Text("Found."), CALL), "d"),
    ],
)
def test_turn_stays_as_it_was_sent_if_it_is_another_or_goes_elsewhere(
    shown: tuple[Part, ...], dialect: str
) -> None:
    kept = Turn("d", (THOUGHT, Text("Found."), CALL))
    asked = request(*shown)
    assert restore_turns(asked, dialect, recall_of(kept).get) is asked


def test_only_a_turn_that_hides_something_needs_to_be_kept() -> None:
    assert not has_hidden((Text("a"), CALL, Reasoning(text="Hm.")))
    assert has_hidden((THOUGHT,))
    assert has_hidden((SEARCH,))
    assert has_hidden((msgspec.structs.replace(CALL, signature=Signature("s")),))


def test_turn_that_shows_nothing_has_no_key() -> None:
    assert turn_key((THOUGHT,)) is None


def test_kept_turns_belong_to_their_account() -> None:
    kept = KeptTurns(10_000)
    turn = Turn("d", (THOUGHT, CALL))
    kept.keep(1, turn)
    assert kept.recall(1, "call call_1") == turn
    assert kept.recall(2, "call call_1") is None


def test_kept_turns_stay_within_their_bytes_the_latest_used_longest() -> None:
    kept = KeptTurns(3 * (PART_BYTES + 100))
    turns = [Turn("d", (ToolCall(id=str(i), name="x", arguments="y" * 100),)) for i in range(4)]
    for turn in turns[:3]:
        kept.keep(1, turn)
    assert kept.recall(1, "call 0") == turns[0]
    kept.keep(1, turns[3])
    assert kept.recall(1, "call 1") is None
    assert kept.recall(1, "call 0") == turns[0]
    kept.keep(1, Turn("d", (ToolCall(id="big", name="x", arguments="y" * 10_000),)))
    assert kept.recall(1, "call big") is None
    assert kept.recall(1, "call 3") == turns[3]


@pytest.mark.parametrize("signature", [Signature("v"), Signature("é\n", "them", "thought")])
def test_envelope_gives_back_what_was_put_in(signature: Signature) -> None:
    text = enclose(signature)
    assert text.startswith(PREFIX)
    assert base64.urlsafe_b64encode(base64.urlsafe_b64decode(text)).decode() == text
    assert disclose(text) == signature


@pytest.mark.parametrize("value", ["", "EqQBCkYI", PREFIX, PREFIX + "%%%", PREFIX + "e30"])
def test_anything_else_is_a_value_of_the_callers_own_dialect(value: str) -> None:
    assert disclose(value) == Signature(value)
