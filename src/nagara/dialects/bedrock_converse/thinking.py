"""Thinking and sampling of a Claude model on Bedrock: by the same rules as at Anthropic itself.

Bedrock hands `additionalModelRequestFields` on to the model, so thinking is asked for in the words
of Anthropic, and what cannot be had beside it is Anthropic's to say. Both are decided where its own
dialect decides them; here is only where they go.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
and those of `anthropic_messages.generations`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.generations import Generation, find_generation
from nagara.dialects.anthropic_messages.generations import Sampling as Allowed
from nagara.dialects.anthropic_messages.thinking import ThinkingPlan, plan_thinking
from nagara.dialects.bedrock_converse.content_encoder import Turn
from nagara.domain.messages import Request

TOP_P_MIN = 0.95
"""The least that is taken beside thinking."""


class Sampling(msgspec.Struct, frozen=True):
    """The request's sampling, as far as it may be asked for."""

    temperature: float | None
    top_p: float | None
    top_k: int | None


class ClaudePlan(msgspec.Struct, frozen=True):
    """What a Claude model is asked for besides the conversation."""

    thinking: ThinkingPlan
    sampling: Sampling

    @property
    def fields(self) -> dict[str, Any]:
        """The model's own fields."""
        plan, fields = self.thinking, dict[str, Any]()
        if plan.thinking is not None:
            fields["thinking"] = plan.thinking
        if plan.effort is not None:
            fields["output_config"] = {"effort": plan.effort}
        return fields


def plan_claude(request: Request, model: str, turns: Sequence[Turn]) -> ClaudePlan:
    """How this request asks a Claude model to think, and what is left of its sampling."""
    generation = find_generation(model)
    thinking = plan_thinking(
        request,
        generation,
        # Without a cap Converse takes the model's own maximum, which is no less than this.
        request.output_tokens_max or generation.output_tokens,
        lacks_last_thinking=lacks_last_thinking(turns),
    )
    return ClaudePlan(thinking, _fit_sampling(request, generation, thinks=thinking.is_on))


def lacks_last_thinking(turns: Sequence[Turn]) -> bool:
    """Whether the last turn of calls is to go on, and does not begin with its reasoning."""
    if len(turns) < 2 or not turns[-1].results:
        return False
    content = turns[-2].content
    return bool(content) and "reasoningContent" not in content[0]


def _fit_sampling(request: Request, generation: Generation, *, thinks: bool) -> Sampling:
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if generation.sampling is Allowed.NONE:
        return Sampling(None, None, None)
    if thinks:
        kept_top_p = top_p if top_p is not None and top_p >= TOP_P_MIN else None
        return Sampling(None, kept_top_p, None)
    if temperature is not None and generation.sampling is Allowed.ONE:
        # The temperature is the usual one of the two.
        top_p = None
    return Sampling(temperature, top_p, top_k)
