"""Recorded Responses answers, read by the codec and by eye: the same text, calls and usage."""

from typing import Any

import msgspec
from tests.recordings.recorded import Recorded, needs_recordings, read_recordings

from nagara.dialects.codec import Target
from nagara.dialects.openai_responses import ABILITIES, decode_response, decode_stream
from nagara.domain.events import Response, fold, unfold
from nagara.domain.messages import Reasoning, Text, ToolCall

TARGET = Target(provider="P", model="m", maker="p", abilities=ABILITIES)
APIS = ("azure", "bedrock-mantle", "deepseek", "openai", "openrouter")


def read(recorded: Recorded) -> tuple[Response, dict[str, Any]]:
    """The answer as the codec has it, and as its JSON says."""
    if not recorded.is_stream:
        return decode_response(recorded.body, TARGET), msgspec.json.decode(recorded.body)
    decoder = decode_stream(10_000_000, TARGET)
    events = decoder.feed(recorded.body)
    if not decoder.is_ended:
        events += decoder.close()
    data = [line[5:] for line in recorded.body.splitlines() if line.startswith(b"data:")]
    last = [line for line in data if b"[DONE]" not in line][-1]
    return fold(events), msgspec.json.decode(last)["response"]


def said(answer: dict[str, Any]) -> dict[str, Any]:
    items = answer["output"]
    texts = [p["text"] for i in items if i["type"] == "message" for p in i["content"]]
    thoughts = [
        "\n\n".join(p["text"] for p in i.get("content") or i["summary"])
        for i in items
        if i["type"] == "reasoning"
    ]
    calls = [i for i in items if i["type"] == "function_call"]
    return {
        "texts": texts,
        "thoughts": [thought for thought in thoughts if thought],
        "calls": [(c["call_id"], c["name"], c["arguments"], c.get("namespace")) for c in calls],
        "usage": (answer["usage"] or {}).get("input_tokens"),
    }


def heard(response: Response) -> dict[str, Any]:
    (choice,) = response.choices
    parts = choice.parts
    calls = [part for part in parts if isinstance(part, ToolCall)]
    usage = response.usage
    return {
        "texts": [part.text for part in parts if isinstance(part, Text)],
        "thoughts": [part.text for part in parts if isinstance(part, Reasoning) and part.text],
        "calls": [(call.id, call.name, call.arguments, call.namespace) for call in calls],
        "usage": None if usage is None else usage.input_tokens,
    }


@needs_recordings
def test_every_recorded_answer_says_what_was_recorded() -> None:
    count = 0
    for recorded in read_recordings(*APIS):
        if recorded.status != 200 or not recorded.path.partition("?")[0].endswith("/responses"):
            continue
        response, answer = read(recorded)
        assert heard(response) == said(answer), recorded.id
        assert fold(unfold(response)) == response, recorded.id
        count += 1
    assert count > 180
