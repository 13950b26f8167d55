"""Canonical requests as Chat Completions requests, for whoever of its providers is to answer.

What comes is fitted already: everything in it can be asked for, so it is written, each field under
the name that this provider knows it by.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import msgspec

from nagara.dialects.codec import Encoded, Target, cannot_carry
from nagara.dialects.identifiers import fit_identifier
from nagara.dialects.openai_chat.caller_shapes import LEGACY_MARK
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.image_options import encode_images
from nagara.dialects.openai_chat.message_encoder import encode_messages
from nagara.dialects.openai_chat.part_encoder import encode_cache
from nagara.dialects.openai_chat.reasoning_options import encode_reasoning
from nagara.dialects.openai_chat.tools import (
    encode_choice,
    encode_custom,
    encode_function,
    encode_search,
)
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.schema import tighten
from nagara.dialects.service_tier import openai_tier
from nagara.domain.messages import (
    FunctionTool,
    HostedKind,
    HostedTool,
    OutputFormat,
    OutputKind,
    Request,
    ToolChoiceMode,
    ToolKind,
)

Fields = dict[str, object]

SCHEMA_NAME = "answer"
"""What a schema is called whose caller gave it no name; OpenAI wants one."""

_SAME_STRICT = frozenset({NAME, "openai_responses"})
"""Whose callers mean by strict what is meant here."""

_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{},"additionalProperties":false}')

_encoder = msgspec.json.Encoder()


def encode_request(request: Request, target: Target) -> Encoded:
    """The body for the provider. Raises `GatewayError` for what must not be left out."""
    dropped: dict[str, None] = {}
    fields: Fields = {
        "model": target.model,
        "messages": encode_messages(request, target, dropped),
    }
    fields |= _encode_stream(request, target)
    fields |= _encode_sampling(request, target)
    fields |= _encode_answer(request, target, dropped)
    fields |= encode_images(request)
    fields |= _encode_tier(request, dropped)
    fields |= _encode_tools(request, target, dropped)
    fields |= encode_cache(request.cache, target)
    for name, raw in request.extras.items():
        if request.dialect == NAME:
            fields.setdefault(name, raw)
        else:
            dropped[name] = None
    return Encoded(_encoder.encode(fields), tuple(dropped))


def _encode_stream(request: Request, target: Target) -> Fields:
    if not request.is_streamed:
        return {}
    if Trait.STREAMS_USAGE_UNASKED in target.traits:
        return {"stream": True}
    # The gateway bills by it, whatever the caller wants to see.
    return {"stream": True, "stream_options": {"include_usage": True}}


def _encode_sampling(request: Request, target: Target) -> Fields:
    seed = "random_seed" if Trait.RANDOM_SEED in target.traits else "seed"
    fields: Fields = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        seed: request.seed,
        # OpenAI takes four; how many others take is theirs to say.
        "stop": list(request.stop) or None,
        "n": request.choice_count if request.choice_count > 1 else None,
    }
    if request.top_logprobs is not None:
        fields["logprobs"] = True
        fields["top_logprobs"] = request.top_logprobs or None
    return _present(fields)


def _encode_answer(request: Request, target: Target, dropped: dict[str, None]) -> Fields:
    is_newer = Trait.MAX_COMPLETION_TOKENS in target.traits
    cap = "max_completion_tokens" if is_newer else "max_tokens"
    fields: Fields = {
        cap: request.output_tokens_max,
        "verbosity": request.verbosity,
        "prompt_cache_key": request.cache_key and fit_identifier(request.cache_key),
        "user": request.user and fit_identifier(request.user),
        "metadata": request.metadata or None,
    }
    if request.output_format is not None:
        fields["response_format"] = _encode_format(request.output_format, request, dropped)
    if request.reasoning is not None:
        fields |= encode_reasoning(request.reasoning, target)
    return _present(fields)


def _encode_tier(request: Request, dropped: dict[str, None]) -> Fields:
    """The service tier, in a word that is known here; the dialect's own callers know best."""
    wanted = request.service_tier
    if wanted is None:
        return {}
    tier = wanted if request.dialect == NAME else openai_tier(wanted)
    if tier is None:
        dropped["service_tier"] = None
        return {}
    return {"service_tier": tier}


def _encode_format(wanted: OutputFormat, request: Request, dropped: dict[str, None]) -> Fields:
    if wanted.kind is not OutputKind.JSON_SCHEMA:
        return {"type": str(wanted.kind)}
    schema: Fields = {"name": wanted.name or SCHEMA_NAME, "description": wanted.description}
    schema |= _encode_schema(wanted, request)
    if wanted.is_strict and not schema["strict"]:
        dropped["strict"] = None
    return {"type": "json_schema", "json_schema": _present(schema)}


def _encode_schema(wanted: OutputFormat, request: Request) -> Fields:
    """A strict schema as strict mode takes it, or else not strict: other dialects allow more.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if wanted.is_strict and wanted.schema is not None and request.dialect not in _SAME_STRICT:
        strict = tighten(wanted.schema)
        return {"schema": strict or wanted.schema, "strict": strict is not None}
    return {"schema": wanted.schema, "strict": wanted.is_strict}


def _encode_tools(request: Request, target: Target, dropped: dict[str, None]) -> Fields:
    fields: Fields = {}
    tools: list[object] = []
    functions: list[object] = []
    for tool in request.tools:
        if isinstance(tool, HostedTool):
            fields |= _encode_hosted(tool, target, tools, dropped)
        elif LEGACY_MARK in tool.extras and request.dialect == NAME:
            functions.append(encode_function(tool))
        else:
            tools.append(_encode_tool(tool, request, target, dropped))
    if tools:
        fields["tools"] = tools
    if functions:
        fields["functions"] = functions
    return fields | _encode_choice(request, target, has_tools=bool(tools or functions))


def _encode_tool(
    tool: FunctionTool, request: Request, target: Target, dropped: dict[str, None]
) -> Fields:
    if tool.kind is ToolKind.CUSTOM:
        fields = encode_custom(tool)
    else:
        function = encode_function(_fit_strict(tool, request, dropped))
        fields = {"type": "function", "function": function}
    for name, raw in tool.extras.items():
        if request.dialect == NAME:
            fields[name] = raw
        else:
            dropped[name] = None
    return fields | encode_cache(tool.cache, target)


def _fit_strict(tool: FunctionTool, request: Request, dropped: dict[str, None]) -> FunctionTool:
    """A strict tool with arguments that strict mode takes, or else one that is not strict."""
    if not tool.is_strict or request.dialect in _SAME_STRICT:
        return tool
    schema = tool.parameters or _NO_ARGUMENTS
    strict = tighten(schema)
    if strict is None:
        dropped["tools.strict"] = None
    is_strict = strict is not None
    return msgspec.structs.replace(tool, parameters=strict or schema, is_strict=is_strict)


def _encode_hosted(
    tool: HostedTool, target: Target, tools: list[object], dropped: dict[str, None]
) -> Fields:
    """Fields beside the tools; a tool among them is added to `tools`."""
    if tool.kind is HostedKind.WEB_SEARCH:
        field, value, lost = encode_search(tool, target)
        dropped.update(dict.fromkeys(lost))
        if field != "tools":
            return {field: value}
        tools.append(value)
    elif tool.dialect == NAME and tool.raw is not None:
        tools.append(tool.raw)
    else:
        dropped[tool.name] = None
    return {}


def _encode_choice(request: Request, target: Target, *, has_tools: bool) -> Fields:
    choice = request.tool_choice
    if not has_tools:
        # OpenAI refuses both fields where there are no tools to choose from.
        if choice is not None and choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED):
            raise cannot_carry("a required call without a tool", "tool_choice", target)
        return {}
    fields: Fields = {"parallel_tool_calls": request.is_parallel}
    if choice is not None:
        fields["tool_choice"] = encode_choice(choice, request.tools, target)
    return _present(fields)


def _present(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
