"""Ids of tool calls that a provider takes, made of those that another gave.

An id only has to tie a call to its result within one request, so any function of it will do, as
long as it is the same each time. OpenAI takes 40 characters; Mistral wants exactly nine letters and
digits: https://docs.mistral.ai/capabilities/function_calling
"""

import hashlib
from collections import deque

import msgspec

from nagara.dialects.codec import Target
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.messages import Message, Part, ToolCall, ToolResult

ID_LENGTH_MAX = 40
SHORT_LENGTH = 9


def fit_call_id(call_id: str, target: Target) -> str:
    """The id itself where the provider takes it, else one that stands for it."""
    if Trait.SHORT_CALL_IDS in target.traits:
        is_short = len(call_id) == SHORT_LENGTH and call_id.isascii() and call_id.isalnum()
        return call_id if is_short else _digest(call_id)[:SHORT_LENGTH]
    if not 0 < len(call_id) <= ID_LENGTH_MAX:
        return f"call_{_digest(call_id)[:24]}"
    return call_id


def number_calls(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with an id for each call that has none; results without one are in its order.

    Gemini ties calls and results by their order alone.
    """
    if not any(_is_nameless(part) for message in messages for part in message.parts):
        return messages
    made: deque[str] = deque()
    count = 0
    numbered = []
    for message in messages:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall) and not part.id:
                made.append(f"call_{count}")
                count += 1
                parts.append(msgspec.structs.replace(part, id=made[-1]))
            elif isinstance(part, ToolResult) and not part.call_id and made:
                parts.append(msgspec.structs.replace(part, call_id=made.popleft()))
            else:
                parts.append(part)
        numbered.append(msgspec.structs.replace(message, parts=tuple(parts)))
    return tuple(numbered)


def _is_nameless(part: Part) -> bool:
    return isinstance(part, ToolCall) and not part.id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
