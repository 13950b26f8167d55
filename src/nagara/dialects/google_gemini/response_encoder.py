"""Whole answers of any provider for a caller in Gemini's dialect.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from itertools import groupby
from typing import Any

from nagara.dialects.codec import Encoded, Frame
from nagara.dialects.google_gemini.answer_parts import (
    PartWriter,
    merge_signature,
    write_end,
    write_logprobs,
)
from nagara.dialects.google_gemini.usage import write_usage
from nagara.dialects.google_gemini.wire import NAME, write
from nagara.domain.events import Choice, Response


def encode_response(response: Response, frame: Frame) -> Encoded:
    """The body of a whole answer."""
    dropped: list[str] = []
    is_own = response.dialect == NAME
    feedback = response.extras.get("promptFeedback") if is_own else None
    body: dict[str, Any] = {}
    if feedback is not None:
        body["promptFeedback"] = feedback
    if feedback is None or any(choice.parts for choice in response.choices):
        body["candidates"] = [
            _encode_choice(choice, frame, dropped, is_own=is_own) for choice in response.choices
        ]
    body |= {
        "usageMetadata": write_usage(response.usage, response.service_tier),
        "modelVersion": frame.model,
        "responseId": frame.make_id("resp_"),
    }
    return Encoded(write(body), tuple(dict.fromkeys(dropped)))


def _encode_choice(
    choice: Choice, frame: Frame, dropped: list[str], *, is_own: bool
) -> dict[str, Any]:
    writer = PartWriter(frame, choice.index, dropped, is_own=is_own)
    parts: list[dict[str, Any]] = []
    for index, part in enumerate(choice.parts):
        made = writer.write(index, part)
        if made is not None and not merge_signature(parts, made, part):
            parts.append(made)
    parts = parts if is_own else _join_texts(parts)
    said: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": choice.index}
    said |= write_end(writer.finish(choice.finish), choice, is_own=is_own)
    if grounding := writer.grounding(choice.extras if is_own else {}, dropped):
        said["groundingMetadata"] = grounding
    if choice.logprobs:
        said["logprobsResult"] = write_logprobs(choice.logprobs)
    return said


def _join_texts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts with neighbouring texts as one.

    The reference counts a segment's bytes from its part, Google's own examples from the whole text
    (https://ai.google.dev/gemini-api/docs/google-search#attributing_sources_with_inline_citations);
    in one part they are the same.
    """
    joined: list[dict[str, Any]] = []
    for is_plain, run in groupby(parts, key=lambda part: part.keys() == {"text"}):
        same = list(run)
        joined += [{"text": "".join(part["text"] for part in same)}] if is_plain else same
    return joined
