"""A caller's Messages request to the canonical one.

What the hub does not model stays raw in `extras`: fields of the request, of a message, of a block.
System prompts lead the conversation; a system message in its middle stays where it stands. Text
with half a surrogate pair is mended. A mistake is a 400 that names the field with its path.

Source: https://docs.anthropic.com/en/api/messages
"""

from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.block_decoder import decode_content
from nagara.dialects.anthropic_messages.tool_decoder import decode_tool_choice, decode_tools
from nagara.dialects.anthropic_messages.wire import (
    NAME,
    CacheControl,
    Reader,
    blame_caller,
    encode,
    mend,
    read_value,
)
from nagara.dialects.effort import read_effort
from nagara.dialects.json_fields import NULL, Fields, read_fields
from nagara.dialects.request_fields import read_flag, read_model, read_tokens_max, require_kind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    NO_EXTRAS,
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

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
SERVICE_TIERS = {"auto": "auto", "standard_only": "default"}
"""The hub says the tier in OpenAI's words. https://docs.anthropic.com/en/api/service-tiers"""


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: str
    content: msgspec.Raw


class _Thinking(msgspec.Struct, gc=False):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct, gc=False):
    type: str
    schema: dict[str, msgspec.Raw] | None = None


class _OutputConfig(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    user_id: str | None = None


_message_reader = Reader(_Message)
_config_reader = Reader(_OutputConfig)
_metadata_reader = Reader(_Metadata)
_messages_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_thinking_decoder = msgspec.json.Decoder(_Thinking)
_format_decoder = msgspec.json.Decoder(_Format)
_float_decoder = msgspec.json.Decoder(float)
_int_decoder = msgspec.json.Decoder(int)
_text_decoder = msgspec.json.Decoder(str)
_texts_decoder = msgspec.json.Decoder(tuple[str, ...])
_cache_decoder = msgspec.json.Decoder(CacheControl)


def decode_request(body: bytes) -> Request:
    """The canonical request. Raises `GatewayError` that names the wrong field."""
    try:
        return _decode(read_fields(body))
    except msgspec.DecodeError:
        mended = mend(body)
    try:
        return _decode(read_fields(mended or b""))
    except msgspec.DecodeError as error:
        raise GatewayError(
            ErrorKind.INVALID_JSON, f"The body could not be read: {error}."
        ) from error


def _decode(fields: Fields) -> Request:
    # Null says the same as nothing, everywhere in this API.
    left = {name: raw for name, raw in fields.items() if raw != NULL}
    model = read_model(left)
    raw_messages = require_kind(left, "messages", "array")
    system = _decode_system(left.pop("system", None))
    tools = decode_tools(left.pop("tools")) if "tools" in left else ()
    choice, is_parallel = None, None
    if "tool_choice" in left:
        choice, is_parallel = decode_tool_choice(left.pop("tool_choice"), tools)
    output_format, reasoning, config_extras = _decode_config(left)
    user, metadata_extras = _decode_metadata(left.pop("metadata", None))
    service_tier = _take(left, "service_tier", _text_decoder)
    cache = _take(left, "cache_control", _cache_decoder)
    request = Request(
        dialect=NAME,
        model=model,
        messages=system + _decode_messages(raw_messages),
        is_streamed=read_flag(left, "stream"),
        tools=tools,
        tool_choice=choice,
        is_parallel=is_parallel,
        output_tokens_max=read_tokens_max(left, "max_tokens", minimum=0),
        temperature=_take(left, "temperature", _float_decoder),
        top_p=_take(left, "top_p", _float_decoder),
        top_k=_take(left, "top_k", _int_decoder),
        stop=_take(left, "stop_sequences", _texts_decoder) or (),
        output_format=output_format,
        reasoning=reasoning,
        service_tier=SERVICE_TIERS.get(service_tier, service_tier),
        cache=None if cache is None else cache.to_mark(),
        user=user,
    )
    for name in ("model", "messages", "stream", "max_tokens"):
        left.pop(name, None)
    extras = {**left, **config_extras, **metadata_extras}
    return msgspec.structs.replace(request, extras=extras) if extras else request


def _take(left: Fields, name: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    raw = left.pop(name, None)
    return None if raw is None else read_value(decoder, raw, name, blame_caller)


def _decode_system(raw: msgspec.Raw | None) -> tuple[Message, ...]:
    parts = () if raw is None else decode_content(raw, "system", blame_caller)
    for index, part in enumerate(parts):
        if not isinstance(part, Text):
            raise blame_caller(f"system[{index}]", "must be of the type 'text'")
    return (Message(Role.SYSTEM, parts),) if parts else ()


def _decode_messages(raw: msgspec.Raw) -> tuple[Message, ...]:
    items = read_value(_messages_decoder, raw, "messages", blame_caller)
    return tuple(_decode_message(item, f"messages[{index}]") for index, item in enumerate(items))


def _decode_message(raw: msgspec.Raw, path: str) -> Message:
    wire, extras = _message_reader.read(raw, path, blame_caller)
    role = _ROLES.get(wire.role)
    if role is None:
        what = f"must be user, assistant or system, not {wire.role[:40]!r}"
        raise blame_caller(f"{path}.role", what)
    parts = decode_content(wire.content, f"{path}.content", blame_caller)
    return Message(role, parts, extras=extras)


def _decode_config(
    left: Fields,
) -> tuple[OutputFormat | None, ReasoningOptions | None, Extras]:
    """`output_config`, the older `output_format`, and `thinking`."""
    config, extras = _OutputConfig(), NO_EXTRAS
    if "output_config" in left:
        raw = left.pop("output_config")
        config, unknown = _config_reader.read(raw, "output_config", blame_caller)
        extras = {"output_config": msgspec.Raw(encode(unknown))} if unknown else NO_EXTRAS
    # The older place, from when it was a beta; Anthropic takes both still.
    # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
    wanted = config.format or _take(left, "output_format", _format_decoder)
    left.pop("output_format", None)
    effort = None
    if config.effort is not None:
        effort = read_effort(config.effort)
        if effort is None:
            what = f"must be low, medium, high, xhigh or max, not {config.effort[:40]!r}"
            raise blame_caller("output_config.effort", what)
    thinking = left.pop("thinking", None)
    return _decode_format(wanted), _decode_reasoning(thinking, effort), extras


def _decode_format(wire: _Format | None) -> OutputFormat | None:
    if wire is None:
        return None
    if wire.type != "json_schema" or wire.schema is None:
        raise blame_caller(
            "output_config.format", "must be of the type 'json_schema', with a schema"
        )
    # Anthropic always holds its answer to the schema.
    schema = msgspec.Raw(encode(wire.schema))
    return OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=schema, is_strict=True)


def _decode_reasoning(raw: msgspec.Raw | None, effort: Effort | None) -> ReasoningOptions | None:
    if raw is None:
        return None if effort is None else ReasoningOptions(effort=effort)
    wire = read_value(_thinking_decoder, raw, "thinking", blame_caller)
    if wire.type == "disabled":
        # The effort of the answer itself, which only Anthropic tells from that of the thinking.
        kept = {} if effort is None else {"effort": msgspec.Raw(encode(effort))}
        return ReasoningOptions(effort=Effort.NONE, extras=kept or NO_EXTRAS)
    if wire.type == "enabled" and wire.budget_tokens is None:
        raise blame_caller("thinking.budget_tokens", "is missing")
    # A way to think that is newer than this code goes back raw; others are told it is adaptive.
    is_known = wire.type in ("enabled", "adaptive")
    return ReasoningOptions(
        effort=effort,
        budget_tokens=wire.budget_tokens if wire.type == "enabled" else None,
        is_adaptive=wire.type != "enabled",
        is_shown=None if wire.display is None else wire.display != "omitted",
        extras=NO_EXTRAS if is_known else {"thinking": raw},
    )


def _decode_metadata(raw: msgspec.Raw | None) -> tuple[str | None, Extras]:
    if raw is None:
        return None, NO_EXTRAS
    wire, unknown = _metadata_reader.read(raw, "metadata", blame_caller)
    return wire.user_id, {"metadata": raw} if unknown else NO_EXTRAS
