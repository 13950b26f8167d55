"""Why a message ended: Anthropic's stop reasons and the hub's finish reasons, the one table.

Source: https://docs.anthropic.com/en/api/handling-stop-reasons
"""

from nagara.domain.events import FinishReason

STOP_REASONS = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
}

# What other dialects know and this one has no word for becomes the nearest that it has.
_WORDS = {finish: word for word, finish in STOP_REASONS.items()} | {
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.MALFORMED_TOOL_CALL: "end_turn",
    FinishReason.OTHER: "end_turn",
}


def decode_finish(stop_reason: str | None, *, has_calls: bool) -> FinishReason | None:
    """The finish reason of a stop reason; OTHER for a word that is not known yet.

    Servers that only resemble Anthropic's may end a turn of calls as any other; whoever reads the
    reason to learn whether a tool is to be run must not be misled by that.
    """
    if stop_reason is None:
        return None
    reason = STOP_REASONS.get(stop_reason, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and has_calls else reason


def encode_finish(
    finish: FinishReason | None, *, has_refusal: bool, has_stop_sequence: bool
) -> str:
    """The stop reason, which this API gives with every whole answer.

    A refusal in words is none of a kind of block here: the stop reason alone tells it.
    """
    if has_refusal and finish in (None, FinishReason.STOP):
        return "refusal"
    if has_stop_sequence and finish is FinishReason.STOP:
        return "stop_sequence"
    return "end_turn" if finish is None else _WORDS[finish]
