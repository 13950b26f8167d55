"""Reasoning options to `thinking` and `output_config.effort`, within what the model takes.

A caller of this dialect says both itself. For all others an effort means: think that hard. Where
Anthropic would refuse thinking (a forced tool, a turn whose thinking is not there to be continued,
no room for it), the request goes without, and the caller is told.

Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
"""

from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.generations import (
    Generation,
    Thinking,
    fit_effort,
)
from nagara.dialects.anthropic_messages.wire import NAME
from nagara.dialects.effort import DEFAULT_EFFORT, EFFORTS, effort_of_budget
from nagara.domain.messages import (
    Effort,
    ReasoningOptions,
    Request,
    ToolChoiceMode,
)

BUDGET_TOKENS_MIN = 1024
ANSWER_TOKENS_MIN = 1024
"""What is left for the answer when a budget has to be cut to fit below the cap on the output."""

_FORCED = (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)


class ThinkingPlan(msgspec.Struct, frozen=True):
    """What is written. `is_dropped` says that the caller asked for more than that."""

    thinking: dict[str, Any] | msgspec.Raw | None = None
    effort: str | None = None
    is_dropped: bool = False

    @property
    def is_on(self) -> bool:
        """Whether the model will think, which leaves it no freedom of sampling."""
        return isinstance(self.thinking, dict) and self.thinking["type"] != "disabled"


def plan_thinking(
    request: Request, generation: Generation, output_tokens: int, *, lacks_last_thinking: bool
) -> ThinkingPlan:
    """How the request asks for thinking. `lacks_last_thinking`: of a turn that goes on."""
    options = request.reasoning
    if options is None:
        return ThinkingPlan()
    is_own = request.dialect == NAME
    # A way to think that only this API knows, and perhaps not even we.
    if is_own and "thinking" in options.extras:
        return ThinkingPlan(options.extras["thinking"], _effort(options, generation))
    if options.effort is Effort.NONE or options.budget_tokens == 0:
        return _plan_none(options, generation, is_own=is_own)
    if not _wants_thinking(options, is_own=is_own):
        effort = _effort(options, generation)
        return ThinkingPlan(effort=effort, is_dropped=options.effort is not None and not effort)
    if generation.thinking is Thinking.NEVER:
        return ThinkingPlan(is_dropped=True)
    if generation.thinking is Thinking.BUDGET or (
        generation.thinking is Thinking.EITHER and options.budget_tokens
    ):
        # Neither a forced tool nor a turn that does not begin with its thinking goes with a budget;
        # adaptive thinking takes both.
        is_forced = request.tool_choice is not None and request.tool_choice.mode in _FORCED
        budget = _fit_budget(options, output_tokens)
        effort = _effort(options, generation) if is_own else None
        if is_forced or lacks_last_thinking or budget is None:
            return ThinkingPlan(effort=effort, is_dropped=True)
        thinking = {"type": "enabled", "budget_tokens": budget}
        if is_own and options.is_shown is not None:
            thinking |= _display(is_shown=options.is_shown)
        return ThinkingPlan(thinking, effort)
    return _plan_adaptive(options, generation, is_own=is_own)


def _plan_none(options: ReasoningOptions, generation: Generation, *, is_own: bool) -> ThinkingPlan:
    if generation.thinking is Thinking.NEVER:
        return ThinkingPlan()
    if not generation.can_stop_thinking:
        # The least that such a model can do.
        return ThinkingPlan(effort=fit_effort("low", generation.efforts), is_dropped=True)
    kept = msgspec.json.decode(options.extras["effort"]) if "effort" in options.extras else None
    effort = fit_effort(kept, generation.efforts) if is_own and kept else None
    return ThinkingPlan({"type": "disabled"}, effort)


def _plan_adaptive(
    options: ReasoningOptions, generation: Generation, *, is_own: bool
) -> ThinkingPlan:
    thinking: dict[str, Any] = {"type": "adaptive"}
    # Newer models hide their thinking unless asked; other dialects show what is there.
    if options.is_shown is not None or not is_own:
        thinking |= _display(is_shown=options.is_shown is not False)
    effort = options.effort
    if effort is None and options.budget_tokens:
        effort = effort_of_budget(max(options.budget_tokens, BUDGET_TOKENS_MIN))
    return ThinkingPlan(
        thinking, _effort(msgspec.structs.replace(options, effort=effort), generation)
    )


def _wants_thinking(options: ReasoningOptions, *, is_own: bool) -> bool:
    if options.budget_tokens or options.is_adaptive:
        return True
    if is_own:
        return False
    # Who asks to see the thinking, as Codex does, comes from models that think of their own accord.
    return options.effort is not None or bool(options.summary or options.is_shown)


def _fit_budget(options: ReasoningOptions, output_tokens: int) -> int | None:
    effort = options.effort or DEFAULT_EFFORT
    budget = max(options.budget_tokens or EFFORTS[effort].budget_tokens, BUDGET_TOKENS_MIN)
    return fit_budget(budget, output_tokens)


def fit_budget(budget: int, output_tokens: int) -> int | None:
    """A budget below the cap on all output; None if there is no room for thinking."""
    if budget < output_tokens:
        return budget
    # The cap on the output holds the thinking too, so the budget gives way and never the cap:
    # it is what the caller said that the answer may cost.
    room = max(output_tokens - ANSWER_TOKENS_MIN, BUDGET_TOKENS_MIN)
    return room if room < output_tokens else None


def _effort(options: ReasoningOptions, generation: Generation) -> str | None:
    word = None if options.effort is None else EFFORTS[options.effort].anthropic
    return None if word is None else fit_effort(word, generation.efforts)


def _display(*, is_shown: bool) -> dict[str, str]:
    return {"display": "summarized" if is_shown else "omitted"}
