"""What comes back of earlier turns: reasoning that nobody signed, and the phases of messages."""

import json
from typing import Any

from tests.unit.dialects.openai_responses.answers import BEGAN, end, make_frame

from nagara.dialects import openai_responses
from nagara.dialects.codec import Target
from nagara.dialects.envelope import disclose
from nagara.domain.events import Event, FinishReason, PartBegan, PartDelta, PartEnded, fold
from nagara.domain.messages import Reasoning

OPENAI = Target(provider="OpenAI", model="m", maker="openai", abilities=openai_responses.ABILITIES)
USER = {"role": "user", "content": "Hi."}


def sent(target: Target, *items: Any) -> tuple[list[Any], tuple[str, ...]]:
    """The items that the provider is sent of these, and what was dropped."""
    body = {"model": "m", "input": [USER, *items, USER]}
    request = openai_responses.decode_request(json.dumps(body).encode())
    encoded = openai_responses.encode_request(request, target)
    return json.loads(encoded.body)["input"][1:-1], tuple(encoded.dropped)


def unsigned_item() -> Any:
    """The item that a caller gets of a thought which its provider did not sign."""
    thought: list[Event] = [PartBegan(0, Reasoning()), PartDelta(0, "Hm."), PartEnded(0)]
    response = fold([BEGAN, *thought, *end(FinishReason.STOP)])
    (item,) = json.loads(openai_responses.encode_response(response, make_frame()).body)["output"]
    return item


def test_thought_that_nobody_signed_is_marked_as_such() -> None:
    signature = disclose(unsigned_item()["encrypted_content"])
    assert signature is not None
    assert (signature.maker, signature.value) == ("#unsigned", "")


def test_marked_thought_goes_to_nobody_who_would_refuse_its_id() -> None:
    assert sent(OPENAI, unsigned_item()) == ([], ("reasoning",))


def test_phase_of_a_message_goes_on_to_whoever_speaks_the_dialect() -> None:
    said = [{"type": "output_text", "text": "I look.", "annotations": []}]
    message = {"type": "message", "role": "assistant", "phase": "commentary", "content": said}
    ((item,), dropped) = sent(OPENAI, message)
    assert (item["phase"], dropped) == ("commentary", ())
