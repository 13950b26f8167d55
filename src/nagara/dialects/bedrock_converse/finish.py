"""Why generation ended, in Converse's words and in ours: the one table.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and, for
the two words of Anthropic's that come through as they are,
https://docs.anthropic.com/en/api/handling-stop-reasons
"""

from nagara.domain.events import FinishReason

FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "malformed_model_output": FinishReason.OTHER,
    "malformed_tool_use": FinishReason.MALFORMED_TOOL_CALL,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}


def decode_finish(word: str | None, *, has_calls: bool) -> FinishReason | None:
    """Our reason for Converse's word; OTHER for a word that is new.

    Some models end a turn of calls as any other; whoever reads the reason to learn whether a tool
    is to be run must not be misled by that.
    """
    if word is None:
        return None
    reason = FINISH_REASONS.get(word, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and has_calls else reason
