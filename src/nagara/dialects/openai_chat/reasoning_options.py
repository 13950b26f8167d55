"""How a Chat Completions request asks for reasoning, in each of the ways there are.

OpenAI names an effort; OpenRouter has an object; DeepSeek, Z.AI and Moonshot switch thinking on and
off. A caller may use any of them; a provider is told in the way its traits say.

Sources: https://platform.openai.com/docs/guides/reasoning
https://openrouter.ai/docs/use-cases/reasoning-tokens
https://api-docs.deepseek.com/guides/thinking_mode https://docs.z.ai/guides/capabilities/thinking
"""

from nagara.dialects.codec import Target
from nagara.dialects.effort import EFFORTS, effort_of_budget, read_effort
from nagara.dialects.openai_chat.request_wire import ReasoningWire, RequestWire, wrong_value
from nagara.dialects.openai_chat.traits import Trait
from nagara.domain.abilities import Ability
from nagara.domain.messages import Effort, ReasoningOptions

PROVIDERS_OWN = "default"
"""Groq's word for what the model does anyway."""

_THREE = {
    Effort.NONE: Effort.LOW,
    Effort.MINIMAL: Effort.LOW,
    Effort.XHIGH: Effort.HIGH,
    Effort.MAX: Effort.HIGH,
}


def decode_reasoning(said: RequestWire) -> ReasoningOptions | None:
    """The options of whichever way was used; None if of none."""
    detailed, thinking = said.reasoning or ReasoningWire(), said.thinking
    if said.reasoning is None and thinking is None and said.reasoning_effort is None:
        return None
    effort = _decode_effort(said.reasoning_effort, "reasoning_effort")
    effort = effort or _decode_effort(detailed.effort, "reasoning.effort")
    budget, is_adaptive = detailed.max_tokens, bool(detailed.enabled)
    if thinking is not None:
        budget = thinking.budget_tokens or budget
        is_adaptive = is_adaptive or thinking.type in ("enabled", "adaptive", "auto")
    is_off = detailed.enabled is False or (thinking is not None and thinking.type == "disabled")
    return ReasoningOptions(
        effort=Effort.NONE if is_off else effort,
        budget_tokens=None if is_off else budget,
        # With an effort or a budget there is nothing left for the model to choose.
        is_adaptive=is_adaptive and effort is None and budget is None and not is_off,
        is_shown=None if detailed.exclude is None else not detailed.exclude,
        summary=detailed.summary,
    )


def _decode_effort(word: str | None, param: str) -> Effort | None:
    if word is None or word == PROVIDERS_OWN:
        return None
    effort = read_effort(word)
    if effort is None:
        raise wrong_value(param, f"unknown effort {word!r}. It is one of {', '.join(Effort)}.")
    return effort


def encode_reasoning(options: ReasoningOptions, target: Target) -> dict[str, object]:
    """The fields that ask the provider for it."""
    if Trait.REASONING_OBJECT in target.traits:
        wanted = _encode_object(options, target)
        return {"reasoning": wanted} if wanted else {}
    effort = options.effort
    # A budget has no field here, but says about as much as an effort.
    if effort is None and options.budget_tokens is not None:
        effort = effort_of_budget(options.budget_tokens)
    if Trait.THINKING_SWITCH in target.traits:
        return _encode_switch(effort, options, target)
    return {} if effort is None else {"reasoning_effort": _encode_effort(effort, target)}


def _encode_effort(effort: Effort, target: Target) -> str:
    known = effort if Trait.ALL_EFFORTS in target.traits else _THREE.get(effort, effort)
    return EFFORTS[known].openai


def _encode_switch(
    effort: Effort | None, options: ReasoningOptions, target: Target
) -> dict[str, object]:
    if effort is Effort.NONE:
        return {"thinking": {"type": "disabled"}}
    if effort is None and not options.is_adaptive:
        return {}
    wanted: dict[str, object] = {"thinking": {"type": "enabled"}}
    if effort is not None and Trait.ALL_EFFORTS in target.traits:
        wanted["reasoning_effort"] = _encode_effort(effort, target)
    return wanted


def _encode_object(options: ReasoningOptions, target: Target) -> dict[str, object]:
    wanted: dict[str, object] = {}
    if options.budget_tokens is not None and target.can(Ability.REASONING_BUDGET):
        # It takes a budget or an effort, not both.
        wanted["max_tokens"] = options.budget_tokens
    elif options.effort is not None:
        wanted["effort"] = EFFORTS[options.effort].openai
    elif options.budget_tokens is not None:
        wanted["effort"] = EFFORTS[effort_of_budget(options.budget_tokens)].openai
    elif options.is_adaptive:
        wanted["enabled"] = True
    if options.is_shown is not None:
        wanted["exclude"] = not options.is_shown
    if options.summary is not None:
        wanted["summary"] = options.summary
    return wanted
