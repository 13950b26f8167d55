"""Why generation ended, in the words of Chat Completions: the one table, both ways.

Sources: https://platform.openai.com/docs/api-reference/chat/object
https://docs.mistral.ai/api https://docs.z.ai/api-reference/llm/chat-completion
https://api-docs.deepseek.com/api/create-chat-completion
"""

from nagara.domain.events import FinishReason

_DECODED = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    # Words of other servers.
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
    "sensitive": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.REFUSAL,
}

_ENCODED = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.CONTENT_FILTER: "content_filter",
    # A classifier stopped it: a model that declines in words ends with `stop` here.
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: "stop",
    FinishReason.CONTEXT_WINDOW: "length",
    FinishReason.MALFORMED_TOOL_CALL: "stop",
    FinishReason.OTHER: "stop",
}

LEGACY_TOOL_CALL = "function_call"
"""What the calls of the deprecated `functions` end with."""


def decode_finish(word: str | None, *, has_calls: bool) -> FinishReason | None:
    """The reason of a provider's word; None where it said none.

    A forced call ends with `stop` at OpenAI, and every call does at some servers; whoever reads the
    reason to learn whether a tool is to be run must not be misled by that.
    """
    if not word:
        return None
    reason = _DECODED.get(word, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and has_calls else reason


def encode_finish(reason: FinishReason | None, *, has_refusal: bool = False) -> str:
    """The word for a reason. This dialect always has one, so none at all is `stop`.

    With `has_refusal` the message itself says that the model declined: then it ended in order, and
    OpenAI's SDK would take any other word for a filter's and raise.
    """
    if has_refusal and reason is FinishReason.REFUSAL:
        return "stop"
    return "stop" if reason is None else _ENCODED[reason]
