"""What a provider cannot be asked for is refused, rewritten or dropped here, by one table.

If leaving a thing out would change what the answer means, the request is refused with the name of
the parameter and the provider. What only tunes the answer is dropped, and named to the caller in
the caller's own words. Encoders then write what they are given.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from nagara.dialects.codec import Target, cannot_carry
from nagara.domain.abilities import Ability
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    FunctionTool,
    HostedTool,
    Message,
    OutputKind,
    Part,
    Request,
    Role,
    Tool,
    ToolChoice,
    ToolChoiceMode,
)

PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "messages": {"openai_responses": "input", "google_gemini": "contents"},
    "system": {
        "openai_chat": "messages",
        "openai_responses": "instructions",
        "google_gemini": "systemInstruction",
    },
    "choice_count": {"openai_chat": "n", "google_gemini": "generationConfig.candidateCount"},
    "top_logprobs": {"openai_chat": "logprobs", "google_gemini": "generationConfig.logprobs"},
    "stop": {
        "anthropic_messages": "stop_sequences",
        "google_gemini": "generationConfig.stopSequences",
    },
    "top_k": {"google_gemini": "generationConfig.topK"},
    "seed": {"google_gemini": "generationConfig.seed"},
    "frequency_penalty": {"google_gemini": "generationConfig.frequencyPenalty"},
    "presence_penalty": {"google_gemini": "generationConfig.presencePenalty"},
    "output_format": {
        "openai_chat": "response_format",
        "openai_responses": "text.format",
        "anthropic_messages": "output_config.format",
        "google_gemini": "generationConfig.responseMimeType",
    },
    "modalities": {"google_gemini": "generationConfig.responseModalities"},
    "image_options": {
        "openai_chat": "image_config",
        "google_gemini": "generationConfig.imageConfig",
    },
    "verbosity": {"openai_responses": "text.verbosity"},
    # For Responses the name that replaces `user`, which the hub does not tell apart.
    "user": {"anthropic_messages": "metadata.user_id", "openai_responses": "safety_identifier"},
    "cache_key": {"openai_chat": "prompt_cache_key", "openai_responses": "prompt_cache_key"},
    "cache": {"anthropic_messages": "cache_control"},
    "is_parallel": {
        "openai_chat": "parallel_tool_calls",
        "openai_responses": "parallel_tool_calls",
        "anthropic_messages": "tool_choice.disable_parallel_tool_use",
    },
    "tool_choice": {"google_gemini": "toolConfig"},
    "reasoning": {
        "openai_chat": "reasoning_effort",
        "anthropic_messages": "thinking",
        "google_gemini": "generationConfig.thinkingConfig",
    },
}
"""What a field of the canonical request is called by the caller; its own name where not here."""


class Rule(msgspec.Struct, frozen=True):
    """A field that needs an ability: what it is when nobody asked, and what if it must go."""

    ability: Ability
    field: str
    unasked: Any
    is_refused: bool = False


_name_of = attrgetter("name")

RULES = (
    Rule(Ability.CHOICES, "choice_count", 1, is_refused=True),
    Rule(Ability.LOGPROBS, "top_logprobs", None, is_refused=True),
    Rule(Ability.STOP, "stop", (), is_refused=True),
    Rule(Ability.IMAGE_OUTPUT, "modalities", (), is_refused=True),
    Rule(Ability.IMAGE_OUTPUT, "image_options", None),
    Rule(Ability.TOP_K, "top_k", None),
    Rule(Ability.SEED, "seed", None),
    Rule(Ability.PENALTIES, "frequency_penalty", None),
    Rule(Ability.PENALTIES, "presence_penalty", None),
    Rule(Ability.VERBOSITY, "verbosity", None),
    Rule(Ability.SERVICE_TIER, "service_tier", None),
    Rule(Ability.METADATA, "metadata", {}),
    Rule(Ability.USER, "user", None),
    Rule(Ability.CACHE_KEY, "cache_key", None),
    Rule(Ability.CACHE_MARKS, "cache", None),
    Rule(Ability.PARALLEL_SWITCH, "is_parallel", None),
    Rule(Ability.REASONING, "reasoning", None),
)


class Fitted(msgspec.Struct, frozen=True):
    """A request that the target can be asked, and what was dropped on the way."""

    request: Request
    dropped: tuple[str, ...] = ()


def name_parameter(field: str, request: Request) -> str:
    """What the caller calls a field of the canonical request."""
    return PARAMETERS.get(field, {}).get(request.dialect, field)


def cannot_take(
    what: str, request: Request, target: Target, field: str = "messages"
) -> GatewayError:
    """The error of a part of the conversation that the provider cannot be given."""
    return cannot_carry(what, name_parameter(field, request), target)


def fit(request: Request, target: Target) -> Fitted:
    """The request within what the target can do. Raises `GatewayError` for what must not go."""
    dropped: list[str] = []
    changes: dict[str, Any] = {}
    for rule in RULES:
        if getattr(request, rule.field) == rule.unasked or target.can(rule.ability):
            continue
        name = name_parameter(rule.field, request)
        if rule.is_refused:
            raise cannot_carry(rule.ability.value, name, target)
        changes[rule.field] = rule.unasked
        # Several calls at once are what every provider does unless it is told not to.
        if not (rule.field == "is_parallel" and request.is_parallel):
            dropped.append(name)
    _check_format(request, target)
    changes |= _fit_tools(request, target, dropped)
    if not target.can(Ability.CACHE_MARKS):
        changes |= _strip(request, changes, "cache", None, "cache_control", dropped)
    if not target.can(Ability.MESSAGE_NAMES) and any(map(_name_of, request.messages)):
        changes["messages"] = tuple(
            msgspec.structs.replace(m, name=None) if m.name else m
            for m in changes.get("messages", request.messages)
        )
        dropped.append("messages.name")
    fitted = msgspec.structs.replace(request, **changes) if changes else request
    return Fitted(fitted, tuple(dict.fromkeys(dropped)))


def _check_format(request: Request, target: Target) -> None:
    """A schema must not be left out; JSON without one is put into words by the encoders."""
    asked = request.output_format
    if asked is None or asked.kind is not OutputKind.JSON_SCHEMA:
        return
    if not target.can(Ability.JSON_SCHEMA):
        name = name_parameter("output_format", request)
        raise cannot_carry(Ability.JSON_SCHEMA.value, name, target)


def _fit_tools(request: Request, target: Target, dropped: list[str]) -> dict[str, Any]:
    tools: list[Tool] = []
    for tool in request.tools:
        if isinstance(tool, HostedTool) and not target.hosts(tool.kind):
            dropped.append(f"tools.{tool.name}")
        elif _is_strict(tool) and not target.can(Ability.STRICT_TOOLS):
            tools.append(msgspec.structs.replace(tool, is_strict=None))
            dropped.append("tools.strict")
        else:
            tools.append(tool)
    changes: dict[str, Any] = {"tools": tuple(tools)}
    if request.tool_choice is not None:
        choice = _fit_choice(request.tool_choice, request, tools, target)
        if choice.allowed and not target.can(Ability.ALLOWED_TOOLS):
            # The model may only call what it is given: that says the same.
            changes["tools"] = tuple(t for t in tools if t.name in choice.allowed)
            choice = msgspec.structs.replace(choice, allowed=())
        changes["tool_choice"] = choice if changes["tools"] else None
    return changes


def _is_strict(tool: Tool) -> bool:
    return isinstance(tool, FunctionTool) and bool(tool.is_strict)


def _fit_choice(
    choice: ToolChoice, request: Request, tools: Iterable[Tool], target: Target
) -> ToolChoice:
    """The choice if what it demands is there. Raises `GatewayError` if it is not."""
    name = name_parameter("tool_choice", request)
    offered = {tool.name for tool in request.tools}
    left = {tool.name for tool in tools}
    if choice.mode is ToolChoiceMode.NAMED and choice.hosted is not None:
        if not any(isinstance(t, HostedTool) and t.kind is choice.hosted for t in tools):
            raise cannot_carry(f"the tool {choice.hosted.value!r}", name, target)
    elif choice.mode is ToolChoiceMode.NAMED and choice.name not in left:
        if choice.name in offered:
            raise cannot_carry(f"the tool {choice.name!r}", name, target)
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            f"{name!r} requires the tool {choice.name!r}, which is not among the tools: "
            f"{', '.join(sorted(offered)) or 'there are none'}.",
            param=name,
        )
    elif choice.mode is ToolChoiceMode.REQUIRED and not left:
        raise cannot_carry("any of the tools that it requires", name, target)
    return choice


def _strip(
    request: Request,
    changes: Mapping[str, Any],
    field: str,
    unasked: object,
    name: str,
    dropped: list[str],
) -> dict[str, Any]:
    """The messages and tools without `field`, if any has it."""
    found = False

    def strip(part: Any) -> Any:
        nonlocal found
        if getattr(part, field, unasked) == unasked:
            return part
        found = True
        return msgspec.structs.replace(part, **{field: unasked})

    messages = map_parts(changes.get("messages", request.messages), strip)
    tools = tuple(strip(tool) for tool in changes.get("tools", request.tools))
    if not found:
        return {}
    dropped.append(name)
    return {"messages": messages, "tools": tools}


def map_parts(
    messages: Iterable[Message], change: Callable[[Part], Part], *roles: Role
) -> tuple[Message, ...]:
    """The messages with every part changed, of these roles or of all; unchanged ones are kept."""
    changed = []
    for message in messages:
        if roles and message.role not in roles:
            changed.append(message)
            continue
        # Every request comes here more than once, and nothing of most is changed: plain loops.
        parts: list[Part] = []
        is_same = True
        for part in message.parts:
            new = change(part)
            is_same = is_same and new is part
            parts.append(new)
        changed.append(message if is_same else msgspec.structs.replace(message, parts=tuple(parts)))
    return tuple(changed)
