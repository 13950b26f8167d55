"""Turns that come back in the pieces of a stream."""

import json
from typing import Any

from nagara.dialects.envelope import enclose
from nagara.dialects.google_gemini import decode_request
from nagara.domain.messages import Part, Reasoning, Role, Signature, Text, ToolCall

SIGNATURE = Signature("signed", "anthropic")


def said_in(*contents: list[dict[str, Any]]) -> list[tuple[Part, ...]]:
    """The assistant's messages of a request in which the model's contents have these parts."""
    model = [{"role": "model", "parts": parts} for parts in contents]
    asked = {"role": "user", "parts": [{"text": "Hi."}]}
    body = json.dumps({"contents": [asked, *model, asked]}).encode()
    return [m.parts for m in decode_request(body).messages if m.role is Role.ASSISTANT]


def test_contents_of_a_stream_are_one_turn_with_whole_texts_and_thoughts() -> None:
    [parts] = said_in(
        [{"text": "I ", "thought": True}],
        [{"text": "think.", "thought": True}],
        [{"text": "", "thought": True, "thoughtSignature": enclose(SIGNATURE)}],
        [{"text": "Hel"}],
        [{"text": "lo."}],
        [{"functionCall": {"name": "look", "args": {}}}, {"text": ""}],
    )
    thought, text, call, *_ = parts
    assert thought == Reasoning(text="I think.", signature=SIGNATURE)
    assert text == Text("Hello.")
    assert isinstance(call, ToolCall)


def test_pieces_within_one_content_are_one_too() -> None:
    [parts] = said_in([{"text": "Hel"}, {"text": "lo."}, {"text": "!", "thought": True}])
    assert parts == (Text("Hello."), Reasoning(text="!"))


def test_text_that_is_signed_stays_apart() -> None:
    [parts] = said_in([{"text": "Hel"}, {"text": "lo.", "thoughtSignature": "AAAA"}])
    assert [part.text for part in parts if isinstance(part, Text)] == ["Hel", "lo."]


def test_thoughts_that_are_signed_each_stay_two() -> None:
    signed = enclose(SIGNATURE)
    one = {"text": "One.", "thought": True, "thoughtSignature": signed}
    [parts] = said_in([one, {**one, "text": "Two."}])
    assert [part.text for part in parts if isinstance(part, Reasoning)] == ["One.", "Two."]
