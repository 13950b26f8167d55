"""What generations of models take differently: thinking, effort, sampling. The one table.

Anthropic changed these with its models, and refuses with a 400 what a model does not take. A
caller of another dialect says only how hard to think, so the way to say it has to follow from the
model. The first row that fits a model's name counts, wherever it is served; a Claude that is newer
than the table is like the newest, and a model of another startup like the first that could think.

Sources: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
https://platform.claude.com/docs/en/build-with-claude/effort
https://platform.claude.com/docs/en/about-claude/models/overview
"""

import enum
import functools
import re

import msgspec

from nagara.domain.messages import Effort


class Thinking(enum.Enum):
    """How thinking is asked for."""

    NEVER = "it cannot think"
    BUDGET = "enabled, with a budget of tokens"
    EITHER = "adaptive, or with a budget"
    ADAPTIVE = "adaptive only"


class Sampling(enum.Enum):
    """Which of temperature, top_p and top_k may be set."""

    ALL = "all"
    ONE = "temperature or top_p, not both"
    NONE = "none"


class Generation(msgspec.Struct, frozen=True):
    """One row. `name` is looked for in the model's name.

    `output_tokens` is the cap where the caller names none, which the API demands.

    It is what every model of the row can write; a higher one would be refused by some of them.
    """

    name: str
    thinking: Thinking
    efforts: str
    sampling: Sampling
    output_tokens: int
    can_stop_thinking: bool = True
    has_system_midway: bool = False


_TO_HIGH = "low medium high"
_TO_MAX = "low medium high max"
_ALL = "low medium high xhigh max"

_T, _S = Thinking, Sampling
# fmt: off
_ROWS = (
    #          name                                  thinking     efforts   sampling tokens
    Generation(r"claude-3[.-]7",                    _T.BUDGET,   "",       _S.ALL,  32_000),
    Generation(r"claude-3[.-]5",                    _T.NEVER,    "",       _S.ALL,  8_192),
    Generation(r"claude-(3|v?[12]|instant)",        _T.NEVER,    "",       _S.ALL,  4_096),
    Generation(r"claude-opus-4[.-]5",               _T.BUDGET,   _TO_HIGH, _S.ONE,  32_000),
    Generation(r"claude-(opus-4[.-]1|\w+-4[.-]5)",  _T.BUDGET,   "",       _S.ONE,  32_000),
    Generation(r"claude-\w+-4([.-]0|-2|@|$)",       _T.BUDGET,   "",       _S.ALL,  32_000),
    Generation(r"claude-\w+-4[.-]6",                _T.EITHER,   _TO_MAX,  _S.ONE,  32_000),
    Generation(r"claude-\w+-4[.-]7",                _T.ADAPTIVE, _ALL,     _S.NONE, 32_000),
    Generation(r"claude-(fable|mythos)",            _T.ADAPTIVE, _ALL,     _S.NONE, 32_000,
               can_stop_thinking=False, has_system_midway=True),
    Generation(r"claude-opus-(4[.-]8|[5-9])",       _T.ADAPTIVE, _ALL,     _S.NONE, 32_000,
               has_system_midway=True),
    Generation(r"claude",                           _T.ADAPTIVE, _ALL,     _S.NONE, 32_000),
    Generation(r"",                                 _T.BUDGET,   "",       _S.ALL,  8_192),
)
# fmt: on
_PATTERNS = tuple((re.compile(row.name), row) for row in _ROWS)
MODELS_KNOWN_MAX = 256


@functools.lru_cache(MODELS_KNOWN_MAX)
def find_generation(model: str) -> Generation:
    """The row of a model, by the provider's name for it."""
    return next(row for pattern, row in _PATTERNS if pattern.search(model))


def fit_effort(word: str, efforts: str) -> str | None:
    """The word, or the nearest below it that the generation has; None if it has none."""
    ranks = {known.value: rank for rank, known in enumerate(Effort)}
    had = sorted(efforts.split(), key=ranks.__getitem__)
    fitting = [known for known in had if ranks[known] <= ranks[word]]
    if not had:
        return None
    return fitting[-1] if fitting else had[0]
