"""How a Gemini model is told to think: by a level, or by a budget of tokens.

From Gemini 3 on it is a level; the models before it know budgets only, and refuse a level. Each
family has its own least and most, and not every one can be told not to think. Those facts are the
models', not a provider's, so they go by the model's name, in one table.

https://ai.google.dev/gemini-api/docs/thinking
"""

from typing import Any

import msgspec

from nagara.dialects.effort import EFFORTS, effort_of_budget, read_effort
from nagara.domain.messages import Effort, Extras, ReasoningOptions


class ThinkingRow(msgspec.Struct, frozen=True):
    """A family of models, by the beginning of its name. `lowest` is None where budgets rule."""

    prefix: str
    lowest: str | None = None
    budget_min: int = 0
    budget_max: int = 24_576
    can_stop: bool = True
    mixes_tools: bool = True
    """Whether tools that Google runs may stand beside the caller's.

    https://ai.google.dev/gemini-api/docs/tool-combination
    """


class ThinkingWire(msgspec.Struct, rename="camel", gc=False):
    """`thinkingConfig`."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


ROWS = (
    ThinkingRow(
        "gemini-2.5-pro", budget_min=128, budget_max=32_768, can_stop=False, mixes_tools=False
    ),
    ThinkingRow("gemini-2.5-flash-lite", budget_min=512, mixes_tools=False),
    ThinkingRow("gemini-2", mixes_tools=False),
    ThinkingRow("gemini-1", mixes_tools=False),
    ThinkingRow("gemini-3-pro", lowest="low", can_stop=False),
    ThinkingRow("gemini-3.1-pro", lowest="low", can_stop=False),
    ThinkingRow("", lowest="minimal", can_stop=False),
)

DYNAMIC = -1
"""The budget of a model that decides for itself."""


def find_row(model: str) -> ThinkingRow:
    """The facts of a model, under any path that leads to its name."""
    name = model.rpartition("/")[2]
    return next(row for row in ROWS if name.startswith(row.prefix))


def is_strict(model: str) -> bool:
    """Whether the model refuses a call in its current turn without a signature.

    https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
    """
    return find_row(model).lowest is not None


def write_thinking(options: ReasoningOptions, model: str) -> dict[str, Any]:
    """`thinkingConfig`, with the nearest that this model can be told."""
    row = find_row(model)
    said: dict[str, Any] = {}
    if row.lowest is None:
        budget = _choose_budget(options, row)
        if budget is not None:
            said["thinkingBudget"] = budget
    elif (level := _choose_level(options, row.lowest)) is not None:
        said["thinkingLevel"] = level
    if options.is_shown is not None:
        said["includeThoughts"] = options.is_shown
    elif options.summary is not None or said.get("thinkingBudget", 1) != 0:
        # They are paid for either way, and a caller who asked for reasoning may show it.
        said["includeThoughts"] = True
    return said


def read_thinking(said: ThinkingWire, extras: Extras) -> ReasoningOptions:
    """`thinkingConfig` of a caller."""
    budget = said.thinking_budget
    effort = read_effort(said.thinking_level) if said.thinking_level else None
    return ReasoningOptions(
        effort=Effort.NONE if budget == 0 else effort,
        budget_tokens=None if budget is not None and budget < 0 else budget,
        is_adaptive=budget is not None and budget < 0,
        is_shown=said.include_thoughts,
        extras=extras,
    )


def repeat_thinking(options: ReasoningOptions) -> dict[str, Any]:
    """`thinkingConfig` as a caller of this dialect put it: it chose for its own model."""
    said: dict[str, Any] = dict(options.extras)
    if options.budget_tokens is not None or options.is_adaptive:
        said["thinkingBudget"] = DYNAMIC if options.is_adaptive else options.budget_tokens
    elif options.effort is not None:
        said["thinkingLevel"] = options.effort.value
    if options.is_shown is not None:
        said["includeThoughts"] = options.is_shown
    return said


def _choose_budget(options: ReasoningOptions, row: ThinkingRow) -> int | None:
    budget = options.budget_tokens
    if budget is None and options.effort is not None:
        budget = EFFORTS[options.effort].budget_tokens
    if budget is None:
        return DYNAMIC if options.is_adaptive else None
    if budget < 0:
        return DYNAMIC
    if budget == 0 and row.can_stop:
        return 0
    return min(max(budget, row.budget_min), row.budget_max)


def _choose_level(options: ReasoningOptions, lowest: str) -> str | None:
    effort = options.effort
    if effort is None and options.budget_tokens is not None and options.budget_tokens >= 0:
        effort = effort_of_budget(options.budget_tokens)
    if effort is None:
        return None
    level = EFFORTS[effort].gemini or "minimal"
    return lowest if level == "minimal" or effort is Effort.NONE else level
