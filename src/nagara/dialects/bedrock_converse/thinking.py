"""How a Claude model on Bedrock is asked to think, and what cannot be had beside it.

Claude refuses sampling beside thinking, a forced tool beside thinking, and a turn of tools that
goes on without the reasoning it began with. Of each such pair the one that changes what the answer
means is kept, and the other is dropped and named.

Sources: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking and
https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nagara.dialects.bedrock_converse.content_encoder import Turn
from nagara.dialects.bedrock_converse.families import Thinking, find_thinking
from nagara.dialects.effort import EFFORTS, effort_of_budget
from nagara.domain.messages import (
    Effort,
    ReasoningOptions,
    Request,
    ToolChoiceMode,
)

BUDGET_TOKENS_MIN = 1024
USUAL_EFFORT = Effort.HIGH
"""What Anthropic does when thinking is asked for and nobody says how hard."""
TOP_P_MIN = 0.95
"""The least that is taken beside thinking."""

_FORCED = (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)


class Sampling(msgspec.Struct, frozen=True):
    """The request's sampling, as far as it may be asked for."""

    temperature: float | None
    top_p: float | None
    top_k: int | None


def plan_thinking(request: Request, model: str, turns: Sequence[Turn]) -> Mapping[str, Any] | None:
    """The model's own fields that ask for thinking; empty if nobody asks, None if it cannot be."""
    options = request.reasoning
    if options is None or not _is_asked(options):
        return {}
    how = find_thinking(model)
    if how is Thinking.NONE or (request.tool_choice and request.tool_choice.mode in _FORCED):
        return None
    wants_budget = options.budget_tokens is not None and not options.is_adaptive
    if how is Thinking.BUDGET or (how is Thinking.EITHER and wants_budget):
        return None if _lacks_reasoning(turns) else _plan_budget(options, request.output_tokens_max)
    return _plan_adaptive(options)


def plan_sampling(request: Request, model: str, *, thinks: bool) -> Sampling:
    """What is left of the sampling for a Claude model."""
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if find_thinking(model) is Thinking.ADAPTIVE:
        return Sampling(None, None, None)
    if thinks:
        kept_top_p = top_p if top_p is not None and top_p >= TOP_P_MIN else None
        return Sampling(None, kept_top_p, None)
    if temperature is not None:
        # From 4.1 on Claude takes only one of the two, and the temperature is the usual one.
        top_p = None
    return Sampling(temperature, top_p, top_k)


def _is_asked(options: ReasoningOptions) -> bool:
    if options.effort is Effort.NONE or options.budget_tokens == 0:
        return False
    return options.is_adaptive or options.effort is not None or options.budget_tokens is not None


def _plan_budget(options: ReasoningOptions, tokens_max: int | None) -> Mapping[str, Any] | None:
    budget = options.budget_tokens or EFFORTS[options.effort or USUAL_EFFORT].budget_tokens
    budget = max(budget, BUDGET_TOKENS_MIN)
    if tokens_max is not None:
        # The budget is part of what may come out, and something must be left for the answer.
        budget = min(budget, tokens_max - 1)
    if budget < BUDGET_TOKENS_MIN:
        return None
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _plan_adaptive(options: ReasoningOptions) -> Mapping[str, Any]:
    thinking = {"type": "adaptive"}
    if options.is_shown is not None:
        thinking["display"] = "summarized" if options.is_shown else "omitted"
    effort = options.effort
    if effort is None and options.budget_tokens is not None:
        effort = effort_of_budget(options.budget_tokens)
    word = EFFORTS[effort].anthropic if effort is not None else None
    return {"thinking": thinking, **({"output_config": {"effort": word}} if word else {})}


def _lacks_reasoning(turns: Sequence[Turn]) -> bool:
    """Whether the last turn of calls is to go on, and does not begin with its reasoning."""
    if len(turns) < 2 or not turns[-1].results:
        return False
    content = turns[-2].content
    return bool(content) and "reasoningContent" not in content[0]
