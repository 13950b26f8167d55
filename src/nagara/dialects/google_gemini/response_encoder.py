"""Whole answers of any provider for a caller in Gemini's dialect.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from typing import Any

from nagara.dialects.codec import Encoded, Frame
from nagara.dialects.google_gemini.answer_parts import (
    PartWriter,
    merge_signature,
    write_end,
    write_logprobs,
)
from nagara.dialects.google_gemini.finish import name_finish
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
    usage = write_usage(response.usage)
    if usage and response.service_tier is not None:
        usage["serviceTier"] = response.service_tier
    body |= {
        "usageMetadata": usage,
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
    said: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": choice.index}
    finish = writer.finish(choice.finish)
    said |= write_end(
        finish,
        choice.native_finish,
        choice.extras,
        is_own=is_own,
        named=name_finish(finish),
    )
    if grounding := writer.grounding(choice.extras if is_own else {}, dropped):
        said["groundingMetadata"] = grounding
    if choice.logprobs:
        said["logprobsResult"] = write_logprobs(choice.logprobs)
    return said
