"""Finish reasons, both ways: the one table.

A turn that calls tools ends with `STOP` here, as any other; the hub says `TOOL_CALLS`, which is
decided by whoever saw the calls.

https://ai.google.dev/api/generate-content#FinishReason
"""

from nagara.domain.events import FinishReason

_REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": FinishReason.CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": FinishReason.MALFORMED_TOOL_CALL,
    "UNEXPECTED_TOOL_CALL": FinishReason.MALFORMED_TOOL_CALL,
}

_NATIVE = {
    FinishReason.STOP: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.STOP_SEQUENCE: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTEXT_WINDOW: "MAX_TOKENS",
    # There is more to come: the nearest word, and never one that says it is whole.
    FinishReason.PAUSE: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.MALFORMED_TOOL_CALL: "MALFORMED_FUNCTION_CALL",
}


def read_finish(native: str, *, has_calls: bool) -> FinishReason:
    """What Gemini's word means, for an answer with or without tool calls."""
    reason = _REASONS.get(native, FinishReason.OTHER)
    # A call of a tool that was not declared is there all the same, for the caller to refuse.
    if has_calls and (reason is FinishReason.STOP or native == "UNEXPECTED_TOOL_CALL"):
        return FinishReason.TOOL_CALLS
    return reason


def name_finish(reason: FinishReason | None) -> str:
    """Gemini's word for a reason. It has none for a refusal."""
    return "STOP" if reason is None else _NATIVE.get(reason, "OTHER")
