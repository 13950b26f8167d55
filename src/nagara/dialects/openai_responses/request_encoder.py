"""Requests of the hub to a provider of this dialect.

A caller of another dialect keeps the conversation itself, so nothing of it is stored at the
provider, and reasoning comes back sealed, to be sent again with the next turn.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.codec import Encoded, Target, cannot_carry
from nagara.dialects.effort import EFFORTS, effort_of_budget
from nagara.dialects.fit import name_parameter
from nagara.dialects.identifiers import fit_identifier
from nagara.dialects.json_fields import Fields
from nagara.dialects.openai_responses.item_encoder import ItemEncoder
from nagara.dialects.openai_responses.tools import encode_tool_choice, encode_tools
from nagara.dialects.openai_responses.traits import Trait
from nagara.dialects.openai_responses.wire import NAME, encode_json
from nagara.dialects.request_fields import wrong_field
from nagara.dialects.schema import tighten
from nagara.dialects.service_tier import openai_tier
from nagara.domain.abilities import Ability
from nagara.domain.messages import (
    Effort,
    Extras,
    Message,
    OutputFormat,
    OutputKind,
    ReasoningOptions,
    Request,
    Role,
    Text,
)

LOGPROBS = "message.output_text.logprobs"
SEALED_REASONING = "reasoning.encrypted_content"
# The API wants a name, and other dialects have none: https://platform.openai.com/docs/guides/structured-outputs
_FORMAT_NAME = "answer"
# Nearly every provider wants the word JSON said besides; this is for one with no field for it.
JSON_ONLY = "Answer with one JSON object and nothing else."
_NEEDED = (("choice_count", 1, "several answers"), ("stop", (), "stop sequences"))
_UNPLACED = ("top_k", "seed", "frequency_penalty", "presence_penalty", "cache")


_include_decoder = msgspec.json.Decoder(list[str])


def encode_request(request: Request, target: Target) -> Encoded:
    """The body for the provider. Raises `GatewayError` for what must not be left out."""
    is_own = request.dialect == NAME
    items = ItemEncoder(request, target)
    instructions, messages = split_instructions(request.messages)
    for message in messages:
        items.add(message)
    wire: dict[str, Any] = {"model": target.model}
    if instructions is not None:
        wire["instructions"] = instructions
    wire["input"] = items.items
    wire |= _encode_tools(request, items.dropped, target, is_own=is_own)
    wire |= _encode_options(request)
    if not is_own:
        _fit_service_tier(wire, items.dropped)
    _name_unplaced(request, target, items.dropped)
    if reasoning := encode_reasoning(request.reasoning, is_own=is_own):
        wire["reasoning"] = reasoning
    if request.reasoning is not None and not is_own:
        items.dropped.extend(f"reasoning.{name}" for name in request.reasoning.extras)
    form = request.output_format
    if form is not None and not is_own:
        form = _tighten(form, items.dropped)
    wire |= _encode_form(form, request.verbosity, target)
    if form is not None and not _can_form(form, target):
        wire["instructions"] = "\n\n".join(filter(None, (instructions, JSON_ONLY)))
        items.dropped.append(name_parameter("output_format", request))
    wire |= _encode_own(request.extras, wire) if is_own else {"store": False}
    if not is_own:
        items.dropped.extend(request.extras)
    if include := _list_included(request, items, target):
        wire["include"] = include
    return Encoded(encode_json(wire), tuple(dict.fromkeys(items.dropped)))


def split_instructions(
    messages: Sequence[Message],
) -> tuple[str | None, Sequence[Message]]:
    """The leading system text, which has a field of its own, and the rest."""
    first = messages[0] if messages else None
    if first is None or first.role is not Role.SYSTEM or len(first.parts) != 1 or first.extras:
        return None, messages
    part = first.parts[0]
    if not isinstance(part, Text) or part.citations or part.cache or part.extras:
        return None, messages
    return part.text, messages[1:]


def _encode_tools(
    request: Request, dropped: list[str], target: Target, *, is_own: bool
) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    tools, traits = request.tools, target.traits
    if tools:
        wire["tools"] = encode_tools(tools, dropped, is_own=is_own, traits=traits)
    if request.tool_choice is not None:
        wire["tool_choice"] = encode_tool_choice(request.tool_choice, tools, traits)
    if request.is_parallel is not None:
        wire["parallel_tool_calls"] = request.is_parallel
    return wire


def _encode_options(request: Request) -> dict[str, Any]:
    """The fields that are the same on both sides."""
    told = {
        "stream": request.is_streamed or None,
        "max_output_tokens": request.output_tokens_max,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.top_logprobs,
        "service_tier": request.service_tier,
        "prompt_cache_key": request.cache_key and fit_identifier(request.cache_key),
        "safety_identifier": request.user and fit_identifier(request.user),
        "metadata": dict(request.metadata) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _name_unplaced(request: Request, target: Target, dropped: list[str]) -> None:
    """What this API has no field for, though the provider has one in another dialect."""
    for field, unasked, what in _NEEDED:
        if getattr(request, field) != unasked:
            raise cannot_carry(what, name_parameter(field, request), target)
    dropped.extend(
        name_parameter(field, request) for field in _UNPLACED if getattr(request, field) is not None
    )


def _fit_service_tier(wire: dict[str, Any], dropped: list[str]) -> None:
    """Providers name their tiers as they like; one that this API does not know it refuses."""
    asked = wire.pop("service_tier", None)
    if (tier := openai_tier(asked)) is not None:
        wire["service_tier"] = tier
    elif asked is not None:
        dropped.append("service_tier")


def encode_reasoning(options: ReasoningOptions | None, *, is_own: bool) -> dict[str, Any]:
    """`reasoning`: an effort, and whether to show a summary of the thinking."""
    if options is None:
        return {}
    wire: dict[str, Any] = dict(options.extras) if is_own else {}
    effort = options.effort
    if effort is None and options.budget_tokens is not None:
        effort = effort_of_budget(options.budget_tokens)
    if effort is not None:
        # The caller's own word is theirs to answer for; not every model knows every one.
        wire["effort"] = effort.value if is_own else EFFORTS[effort].openai
    # Only if the caller asked: OpenAI refuses it to organizations that it has not verified.
    # https://github.com/home-assistant/core/issues/160212
    if options.summary is not None:
        wire["summary"] = options.summary
    elif options.is_shown:
        wire["summary"] = "auto"
    return wire


def _encode_form(
    form: OutputFormat | None, verbosity: str | None, target: Target
) -> dict[str, Any]:
    """The form of the answer in the field that this provider has for it."""
    if form is not None and not _can_form(form, target):
        form = None
    if Trait.RESPONSE_FORMAT not in target.traits:
        text = encode_text_options(form, verbosity)
        return {"text": text} if text else {}
    if form is None or form.kind is not OutputKind.JSON_SCHEMA:
        return {}
    schema = _encode_format(form)
    return {"response_format": {"type": schema.pop("type"), "json_schema": schema}}


def _can_form(form: OutputFormat, target: Target) -> bool:
    """JSON without a schema is put into words where the provider has no field for it."""
    return form.kind is not OutputKind.JSON_OBJECT or target.can(Ability.JSON_OBJECT)


def encode_text_options(form: OutputFormat | None, verbosity: str | None) -> dict[str, Any]:
    """`text`: the form of the answer, and how long-winded it is to be."""
    wire: dict[str, Any] = {}
    if form is not None:
        wire["format"] = _encode_format(form)
    if verbosity is not None:
        wire["verbosity"] = verbosity
    return wire


def _tighten(form: OutputFormat, dropped: list[str]) -> OutputFormat:
    """A strict form with a schema that strict mode takes, or else one that is not strict."""
    if not form.is_strict or form.schema is None:
        return form
    schema = tighten(form.schema)
    if schema is not None:
        return msgspec.structs.replace(form, schema=schema)
    dropped.append("strict")
    return msgspec.structs.replace(form, is_strict=False)


def _encode_format(form: OutputFormat) -> dict[str, Any]:
    wire: dict[str, Any] = {"type": form.kind.value}
    if form.kind is not OutputKind.JSON_SCHEMA:
        return wire
    if form.schema is None:
        raise wrong_field("text.format.schema", "is missing; it must be a JSON schema.")
    wire |= {"name": form.name or _FORMAT_NAME, "schema": form.schema}
    if form.description is not None:
        wire["description"] = form.description
    if form.is_strict is not None:
        wire["strict"] = form.is_strict
    return wire


def _encode_own(extras: Extras, wire: dict[str, Any]) -> dict[str, Any]:
    """What only this dialect has, put back as it came."""
    own: dict[str, Any] = {name: raw for name, raw in extras.items() if name != "include"}
    if "text" in own:
        # What is left of it once the hub has taken what it knows.
        own["text"] = msgspec.json.decode(own["text"], type=Fields) | wire.get("text", {})
    return own


def _list_included(request: Request, items: ItemEncoder, target: Target) -> list[str]:
    """What the answer is to hold besides: the caller's own wishes, and what the hub needs."""
    include: list[str] = []
    if request.dialect == NAME and "include" in request.extras:
        try:
            include = _include_decoder.decode(request.extras["include"])
        except msgspec.DecodeError as error:
            raise wrong_field("include", "must be an array of strings.") from error
    if request.top_logprobs is not None:
        include.append(LOGPROBS)
    if request.dialect != NAME and _wants_sealed(request, items, target):
        include.append(SEALED_REASONING)
    return include


def _wants_sealed(request: Request, items: ItemEncoder, target: Target) -> bool:
    """Whether sealed reasoning may be asked for: a model that does not reason refuses the wish.

    "Encrypted content is not supported with this model", says OpenAI of 4o, 4.1 and 5-chat:
    https://github.com/pydantic/pydantic-ai/issues/2865 and /3326
    So only where the caller asks for reasoning, or brings some of this provider's back.
    """
    if Trait.NO_ENCRYPTED_REASONING in target.traits:
        return False
    options = request.reasoning
    asks = options is not None and options.effort is not Effort.NONE
    return items.has_sealed or asks
