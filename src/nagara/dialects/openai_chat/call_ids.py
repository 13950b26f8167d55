"""Ids of tool calls that a provider takes, made of those that another gave.

An id only has to tie a call to its result within one request, so any function of it will do, as
long as it is the same each time. OpenAI takes 40 characters; Mistral wants exactly nine letters and
digits: https://docs.mistral.ai/capabilities/function_calling
"""

import hashlib

from nagara.dialects.codec import Target
from nagara.dialects.openai_chat.traits import Trait

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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
