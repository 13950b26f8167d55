"""Why an answer ended: a response's `status` and `incomplete_details` to the hub's and back.

The dialect has three ends: completed, incomplete with a reason, and failed. It does not tell a
stop sequence from a natural end, and a tool call is an item, not an end.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.events import FinishReason
from nagara.domain.messages import Part, Refusal, ToolCall

_REASONS = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class Finish(msgspec.Struct, frozen=True):
    """The end as the wire has it; `reason` is of `incomplete_details`."""

    status: str
    reason: str | None = None


_COMPLETED = Finish("completed")
_LENGTH = Finish("incomplete", "max_output_tokens")
_FILTERED = Finish("incomplete", "content_filter")

_FINISHES = {
    FinishReason.STOP: _COMPLETED,
    FinishReason.STOP_SEQUENCE: _COMPLETED,
    FinishReason.TOOL_CALLS: _COMPLETED,
    FinishReason.LENGTH: _LENGTH,
    # Both mean: there was more to say. No other reason of this dialect does.
    FinishReason.CONTEXT_WINDOW: _LENGTH,
    FinishReason.PAUSE: _LENGTH,
    FinishReason.CONTENT_FILTER: _FILTERED,
    # Without a refusal's words nothing else in the answer would say that it was declined.
    FinishReason.REFUSAL: _FILTERED,
    FinishReason.MALFORMED_TOOL_CALL: Finish("failed"),
    FinishReason.OTHER: _COMPLETED,
}


def encode_finish(finish: FinishReason | None, *, has_refusal: bool) -> Finish:
    """The status of an answer that ended so; one with a refusal in it is complete."""
    if finish is None or (finish is FinishReason.REFUSAL and has_refusal):
        return _COMPLETED
    return _FINISHES[finish]


def decode_finish(
    status: str | None, reason: str | None, parts: Sequence[Part]
) -> FinishReason | None:
    """Why an answer of these parts ended; None while it has not."""
    if status in ("queued", "in_progress"):
        return None
    if status == "incomplete":
        return _REASONS.get(reason or "", FinishReason.OTHER)
    if status == "cancelled":
        return FinishReason.OTHER
    if any(isinstance(part, ToolCall) for part in parts):
        return FinishReason.TOOL_CALLS
    if any(isinstance(part, Refusal) for part in parts):
        return FinishReason.REFUSAL
    return FinishReason.STOP
