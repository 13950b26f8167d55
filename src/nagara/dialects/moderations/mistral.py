"""Mistral's moderations: text alone, in categories of its own.

Those that OpenAI has too get its names; what a category of OpenAI's has no counterpart for is left
out rather than said to be harmless. Sources: https://docs.mistral.ai/api/endpoint/classifiers and
https://docs.mistral.ai/studio/safety-moderation
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim, cannot_be_given, decode_answer
from nagara.dialects.json_fields import decode_untyped, encode_raw
from nagara.dialects.openai_chat.usage import ChatUsage

OPENAIS: Mapping[str, str] = {
    "sexual": "sexual",
    "hate_and_discrimination": "hate",
    "violence_and_threats": "violence",
    "dangerous_and_criminal_content": "illicit",
    "criminal": "illicit",
    "selfharm": "self-harm",
}
"""OpenAI's name of each category that it has too; the others keep their own."""


class _Result(msgspec.Struct, gc=False):
    categories: dict[str, bool]
    category_scores: dict[str, float]


class Answer(msgspec.Struct, gc=False):
    """What Mistral answers, as far as it is read."""

    results: list[_Result]
    usage: ChatUsage | None = None


_decoder = msgspec.json.Decoder(Answer)


def encode_call(view: RequestView, aim: Aim) -> bytes:
    """Typed parts are one text together, since they have one result together."""
    given = decode_untyped(bytes(view.fields["input"]))
    parts = [given] if isinstance(given, dict) else given
    if isinstance(parts, list) and any(isinstance(part, dict) for part in parts):
        given = ["\n".join(_read_text(part, aim) for part in parts)]
    return bytes(encode_raw({"model": aim.model, "input": given}))


def _read_text(part: Any, aim: Aim) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    if not isinstance(text, str):
        raise cannot_be_given(aim, "an image", "input")
    return text


def decode_call(body: bytes) -> Answer:
    """The answer. Raises `GatewayError` for what is none."""
    return decode_answer(_decoder, body)


def write_results(answer: Answer) -> list[dict[str, Any]]:
    """The results as OpenAI writes them. Flagged is what any category is."""
    return [_write_result(result) for result in answer.results]


def _write_result(result: _Result) -> dict[str, Any]:
    categories: dict[str, bool] = {}
    scores: dict[str, float] = {}
    for name, is_flagged in result.categories.items():
        ours = OPENAIS.get(name, name)
        categories[ours] = categories.get(ours, False) or is_flagged
    for name, score in result.category_scores.items():
        ours = OPENAIS.get(name, name)
        scores[ours] = max(scores.get(ours, 0.0), score)
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in categories},
    }
