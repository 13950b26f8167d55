"""Service tiers, in the words of OpenAI, which are the hub's; each dialect has its own for some.

What no word here means is left out of an answer in OpenAI's dialects, whose SDKs know a closed set.

Sources: https://ai.google.dev/gemini-api/docs/service-tiers https://platform.openai.com/docs/api-reference/chat/create
https://docs.anthropic.com/en/api/service-tiers and https://console.groq.com/docs/service-tiers
"""

import msgspec

from nagara.domain.usage import Usage

OPENAI_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})

USUAL_TIERS = frozenset({None, "auto", "default"})
"""Words that say no more than that nothing special was asked for, or served."""

_SAME = {
    # Anthropic's, of requests and of answers, and Google's.
    "standard_only": "default",
    "standard": "default",
    # Groq's.
    "on_demand": "default",
    "performance": "priority",
}

_GOOGLE = {"default": "standard", "flex": "flex", "priority": "priority"}


def read_tier(word: str | None) -> str | None:
    """The hub's word for a provider's; a word that nobody knows stays as it is."""
    return None if word is None else _SAME.get(word.lower(), word)


def billed_tier(word: str | None) -> str | None:
    """The tier of an answer, where it is not the usual one and so may have its own price."""
    tier = read_tier(word)
    return None if tier in USUAL_TIERS else tier


def note_tier(usage: Usage | None, word: str | None) -> Usage | None:
    """The usage with the tier that served it."""
    if usage is None or word in USUAL_TIERS or (tier := billed_tier(word)) is None:
        return usage
    return msgspec.structs.replace(usage, service_tier=tier)


def openai_tier(word: str | None) -> str | None:
    """The word as OpenAI's dialects may say it; None if they have none."""
    tier = read_tier(word)
    return tier if tier in OPENAI_TIERS else None


def google_tier(word: str | None) -> str | None:
    """The word as Google's dialect may say it, whose SDKs know a closed set too; None for none."""
    return _GOOGLE.get(read_tier(word) or "")
