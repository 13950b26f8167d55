"""How hard to think, in the words and numbers of every dialect: the one table.

OpenAI and Anthropic name an effort, Gemini a level, and the older ways of Anthropic and Gemini
count tokens. An effort that a dialect has no word for becomes the nearest one that it has.

Sources: https://platform.openai.com/docs/guides/reasoning
https://docs.anthropic.com/en/docs/build-with-claude/effort
https://ai.google.dev/gemini-api/docs/thinking
"""

import msgspec

from nagara.domain.messages import Effort


class EffortRow(msgspec.Struct, frozen=True):
    """One effort. `budget_tokens` of zero means no reasoning."""

    openai: str
    anthropic: str | None
    gemini: str | None
    budget_tokens: int


# fmt: off
EFFORTS = {
    #                          OpenAI     Anthropic  Gemini     tokens
    Effort.NONE:    EffortRow("none",    None,      None,           0),
    Effort.MINIMAL: EffortRow("minimal", "low",     "minimal",  1_024),
    Effort.LOW:     EffortRow("low",     "low",     "low",      2_048),
    Effort.MEDIUM:  EffortRow("medium",  "medium",  "medium",   8_192),
    Effort.HIGH:    EffortRow("high",    "high",    "high",    16_384),
    Effort.XHIGH:   EffortRow("xhigh",   "xhigh",   "high",    24_576),
    Effort.MAX:     EffortRow("xhigh",   "max",     "high",    32_768),
}
# fmt: on

DEFAULT_EFFORT = Effort.MEDIUM
"""What is meant by who asks to see reasoning and says no effort: OpenAI's models take this one.

https://platform.openai.com/docs/guides/reasoning#reasoning-effort
"""


def effort_of_budget(budget_tokens: int) -> Effort:
    """The effort whose budget is the nearest one at or below this."""
    fitting = [effort for effort, row in EFFORTS.items() if row.budget_tokens <= budget_tokens]
    return fitting[-1] if fitting else Effort.NONE


def read_effort(word: str) -> Effort | None:
    """The effort of a dialect's word; None for one that nobody knows."""
    try:
        return Effort(word.lower())
    except ValueError:
        return None
