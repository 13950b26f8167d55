"""The canonical request for an Anthropic server, or one that speaks Messages as Anthropic does.

A request comes fitted to the target, so what is written here is what it can be given. Left to
decide are Anthropic's own rules: a cap on the output that must be there, thinking and sampling by
the model's generation, and the order of turns. What had to go is named in the caller's words.

Source: https://docs.anthropic.com/en/api/messages
"""

from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.block_encoder import Block, BlockEncoder
from nagara.dialects.anthropic_messages.conversation import Conversation, arrange, is_plain
from nagara.dialects.anthropic_messages.generations import (
    Generation,
    Sampling,
    find_generation,
)
from nagara.dialects.anthropic_messages.request_decoder import SERVICE_TIERS
from nagara.dialects.anthropic_messages.thinking import ThinkingPlan, plan_thinking
from nagara.dialects.anthropic_messages.tool_encoder import encode_tool_choice, encode_tools
from nagara.dialects.anthropic_messages.wire import NAME, encode_body, encode_mark
from nagara.dialects.codec import Encoded, Target, cannot_carry
from nagara.dialects.fit import name_parameter
from nagara.dialects.schema import ANTHROPIC_STRICT, describe, rewrite
from nagara.domain.abilities import Ability
from nagara.domain.messages import Effort, OutputKind, ReasoningOptions, Request

TEMPERATURE_MAX = 1.0
TOP_P_MIN_THINKING = 0.95
USER_LENGTH_MAX = 256
JSON_ONLY = "Answer with one JSON object and nothing else: no other text, no code fence."
"""What stands for JSON without a schema, which this API cannot be asked for otherwise."""

_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"} | {
    theirs: theirs for theirs in SERVICE_TIERS
}
_config_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode_request(request: Request, target: Target) -> Encoded:
    """The body. Raises `GatewayError` for what must not be left out."""
    generation = find_generation(target.model)
    encoder = BlockEncoder(request, target)
    dropped = encoder.dropped
    has_system_midway = generation.has_system_midway and target.can(Ability.SYSTEM_MIDWAY)
    conversation = arrange(request, encoder, has_system_midway=has_system_midway)
    output_tokens = request.output_tokens_max
    if output_tokens is None:
        output_tokens = generation.output_tokens
    plan = plan_thinking(
        request,
        generation,
        output_tokens,
        lacks_last_thinking=conversation.lacks_last_thinking,
    )
    if plan.is_dropped:
        dropped.append(_name_reasoning(request))
    body: dict[str, Any] = {"model": target.model, "max_tokens": output_tokens}
    _add_conversation(body, conversation, request, dropped)
    if tools := encode_tools(request, dropped):
        body["tools"] = tools
    if (choice := encode_tool_choice(request)) is not None:
        body["tool_choice"] = choice
    _add_sampling(body, request, generation, plan, dropped)
    _add_stop(body, request, target)
    _add_output_config(body, request, plan, dropped)
    _add_account(body, request, dropped)
    # Whoever speaks this dialect knows its fields; to another the same name may mean another thing.
    if request.dialect == NAME:
        body |= {name: raw for name, raw in request.extras.items() if name != "output_config"}
    else:
        dropped += request.extras
    if request.is_streamed:
        body["stream"] = True
    return Encoded(encode_body(body), tuple(dict.fromkeys(dropped)))


def _name_reasoning(request: Request) -> str:
    """What the caller calls what it asked for: here an effort has a place of its own."""
    options = request.reasoning
    if request.dialect == NAME and options is not None and options.effort is not Effort.NONE:
        asked_alone = ReasoningOptions(effort=options.effort)
        if options == asked_alone:
            return "output_config.effort"
    return name_parameter("reasoning", request)


def _add_conversation(
    body: dict[str, Any], conversation: Conversation, request: Request, dropped: list[str]
) -> None:
    system, turns = conversation.system, conversation.turns
    asked = request.output_format
    if asked is not None and asked.kind is OutputKind.JSON_OBJECT:
        system = [*system, {"type": "text", "text": JSON_ONLY}]
        dropped.append(name_parameter("output_format", request))
    if system:
        body["system"] = _content(system)
    body["messages"] = [{"role": turn.role, "content": _content(turn.content())} for turn in turns]


def _content(blocks: list[Block]) -> Any:
    first = blocks[0]
    return first["text"] if is_plain(blocks) and isinstance(first, dict) else blocks


def _add_sampling(
    body: dict[str, Any],
    request: Request,
    generation: Generation,
    plan: ThinkingPlan,
    dropped: list[str],
) -> None:
    """Temperature and the like. A value that changes nothing goes without a word."""
    # Newer models take temperature or top_p and then neither; 1 is what they have by themselves.
    # https://platform.claude.com/docs/en/about-claude/models/migration-guide
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    is_free = generation.sampling is not Sampling.NONE
    if temperature is not None:
        if is_free and not plan.is_on:
            body["temperature"] = min(max(temperature, 0.0), TEMPERATURE_MAX)
        if body.get("temperature", 1.0) != temperature:
            dropped.append(name_parameter("temperature", request))
    if top_p is not None:
        is_taken = is_free and not (plan.is_on and top_p < TOP_P_MIN_THINKING)
        if is_taken and not (generation.sampling is Sampling.ONE and "temperature" in body):
            body["top_p"] = top_p
        elif top_p != 1.0:
            dropped.append(name_parameter("top_p", request))
    if top_k is not None:
        if is_free and not plan.is_on:
            body["top_k"] = top_k
        else:
            dropped.append(name_parameter("top_k", request))


def _add_stop(body: dict[str, Any], request: Request, target: Target) -> None:
    if not request.stop:
        return
    # Anthropic refuses a sequence of blanks; without it the answer would go on past its end.
    if not all(text.strip() for text in request.stop):
        name = name_parameter("stop", request)
        raise cannot_carry("a stop sequence of white space alone", name, target)
    body["stop_sequences"] = request.stop


def _add_output_config(
    body: dict[str, Any], request: Request, plan: ThinkingPlan, dropped: list[str]
) -> None:
    config: dict[str, Any] = {}
    if request.dialect == NAME and "output_config" in request.extras:
        config |= _config_decoder.decode(request.extras["output_config"])
    if plan.thinking is not None:
        body["thinking"] = plan.thinking
    if plan.effort is not None:
        config["effort"] = plan.effort
    asked = request.output_format
    if asked is not None and asked.kind is OutputKind.JSON_SCHEMA and asked.schema is not None:
        rewritten = rewrite(describe(asked.schema, asked.description), ANTHROPIC_STRICT)
        config["format"] = {"type": "json_schema", "schema": rewritten.schema}
        name = name_parameter("output_format", request)
        dropped += (f"{name}.{path}" for path in rewritten.lost)
    if config:
        body["output_config"] = config


def _add_account(body: dict[str, Any], request: Request, dropped: list[str]) -> None:
    """Who asks, how it is served, and what is to be cached."""
    if request.user is not None:
        if len(request.user) <= USER_LENGTH_MAX:
            body["metadata"] = {"user_id": request.user}
        else:
            dropped.append(name_parameter("user", request))
    if request.service_tier is not None:
        # Priority is had by letting Anthropic choose; there is none that is slower and cheaper.
        tier = _TIERS.get(request.service_tier)
        if tier is None:
            dropped.append(name_parameter("service_tier", request))
        else:
            body["service_tier"] = tier
    if request.cache is not None:
        body["cache_control"] = encode_mark(request.cache)
