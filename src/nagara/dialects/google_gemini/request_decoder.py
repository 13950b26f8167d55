"""Requests in Gemini's dialect to the hub. The model and the wish for a stream are in the path.

Names may come in camelCase or snake_case. What the hub has no field for stays in `extras` under its
path (`generationConfig.speechConfig`), and is put back there when Gemini is written again.

https://ai.google.dev/api/generate-content#request-body
"""

import re
from typing import Any

import msgspec

from nagara.dialects.envelope import disclose
from nagara.dialects.google_gemini.image_options import take_image_options, take_modalities
from nagara.dialects.google_gemini.openapi import read_openapi
from nagara.dialects.google_gemini.parts import PartReader
from nagara.dialects.google_gemini.pieces import join_pieces
from nagara.dialects.google_gemini.thinking import ThinkingWire, read_thinking
from nagara.dialects.google_gemini.tool_decoder import ToolConfigWire, read_choice, read_tools
from nagara.dialects.google_gemini.wire import NAME, ContentWire, Wire, camelise, read
from nagara.dialects.json_fields import Fields, read_fields
from nagara.dialects.request_fields import wrong_field
from nagara.domain.errors import GatewayError
from nagara.domain.messages import (
    Message,
    OutputFormat,
    OutputKind,
    Part,
    ReasoningOptions,
    Request,
    Role,
)


class ConfigWire(msgspec.Struct, rename="camel", gc=False):
    """The fields of `generationConfig` that the hub has."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    candidate_count: int | None = None
    stop_sequences: list[str] | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None


_CONFIG_FIELDS = frozenset(
    {"maxOutputTokens", "temperature", "topP", "topK", "seed", "frequencyPenalty",
     "presencePenalty", "candidateCount", "stopSequences", "responseLogprobs", "logprobs"}
)  # fmt: skip
_THINKING_FIELDS = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_BODY_FIELDS = frozenset(
    {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier"}
)
_ROLES = {
    None: Role.USER,
    "": Role.USER,
    "user": Role.USER,
    "function": Role.USER,
    "tool": Role.USER,
    "model": Role.ASSISTANT,
}

_contents_decoder = msgspec.json.Decoder(list[ContentWire])
_content_decoder = msgspec.json.Decoder(ContentWire)
_config_decoder = msgspec.json.Decoder(ConfigWire)
_fields_decoder = msgspec.json.Decoder(Fields)
_thinking_decoder = msgspec.json.Decoder(ThinkingWire)
_tool_config_decoder = msgspec.json.Decoder(ToolConfigWire)
_text_decoder = msgspec.json.Decoder(str)
_texts_decoder = msgspec.json.Decoder(list[str])

_PLACE = re.compile(r" - at `\$(.*)`$")
_NULL = b"null"


def decode_request(body: bytes) -> Request:
    """The caller's request, its model left empty. Raises `GatewayError` that names the field."""
    fields = {k: v for k, v in read_fields(camelise(body)).items() if bytes(v) != _NULL}
    extras = {name: raw for name, raw in fields.items() if name not in _BODY_FIELDS}
    config_fields = _read_object(fields, "generationConfig")
    config = read_part_of(fields.get("generationConfig"), _config_decoder, "generationConfig")
    tool_config = read_part_of(fields.get("toolConfig"), _tool_config_decoder, "toolConfig")
    _keep_rest("toolConfig", _read_object(fields, "toolConfig"), {"functionCallingConfig"}, extras)
    modalities = take_modalities(config_fields)
    image_options = take_image_options(config_fields)
    output_format = _read_format(config_fields)
    reasoning = _read_thinking(config_fields)
    taken = _CONFIG_FIELDS | {"thinkingConfig"}
    _keep_rest("generationConfig", config_fields, taken, extras)
    config = config or ConfigWire()
    has_logprobs = config.response_logprobs or config.logprobs is not None
    return Request(
        dialect=NAME,
        model="",
        messages=_read_messages(fields),
        tools=_read_tools(fields),
        tool_choice=read_choice(tool_config) if tool_config is not None else None,
        output_tokens_max=config.max_output_tokens,
        choice_count=_read_count(config.candidate_count),
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        stop=tuple(config.stop_sequences or ()),
        top_logprobs=(config.logprobs or 0) if has_logprobs else None,
        output_format=output_format,
        modalities=modalities,
        image_options=image_options,
        reasoning=reasoning,
        service_tier=read_part_of(fields.get("serviceTier"), _text_decoder, "serviceTier"),
        extras=extras,
    )


def read_part_of(
    raw: msgspec.Raw | None, decoder: "msgspec.json.Decoder[Wire]", path: str
) -> Wire | None:
    """A field's value. Raises `GatewayError` that says where in it something is wrong."""
    if raw is None:
        return None
    try:
        # Nearly always this will do: `read` mends what it can.
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return read(raw, decoder)
    except (msgspec.DecodeError, RecursionError) as error:
        raise wrong_place(path, error) from error


def wrong_place(path: str, error: Exception) -> GatewayError:
    """The error of a value below `path` that msgspec refused, with its whole path."""
    told = str(error)
    place = _PLACE.search(told)
    if place is not None:
        path, told = path + place[1], told[: place.start()]
    return wrong_field(path, f"is wrong: {told}.")


def _read_object(fields: Fields, name: str) -> Fields:
    found = read_part_of(fields.get(name), _fields_decoder, name) or {}
    return {key: raw for key, raw in found.items() if bytes(raw) != _NULL}


def _keep_rest(
    path: str, fields: Fields, taken: "frozenset[str] | set[str]", extras: dict[str, msgspec.Raw]
) -> None:
    for name, raw in fields.items():
        if name not in taken:
            extras[f"{path}.{name}"] = raw


def _read_count(count: int | None) -> int:
    if count is not None and not 1 <= count <= 128:
        raise wrong_field("generationConfig.candidateCount", "must be between 1 and 128.")
    return count or 1


def _read_messages(fields: Fields) -> tuple[Message, ...]:
    raw = fields.get("contents")
    if raw is None:
        raise wrong_field("contents", "is missing.")
    if bytes(raw)[:1] == b"{":
        # As everywhere in JSON of protocol buffers, one may stand where a list is meant.
        one = read_part_of(raw, _content_decoder, "contents")
        contents = None if one is None else [one]
    else:
        contents = read_part_of(raw, _contents_decoder, "contents")
    if not contents:
        raise wrong_field("contents", "must not be empty.")
    reader = PartReader(disclose, makes_ids=True)
    messages: list[Message] = []
    system = read_part_of(fields.get("systemInstruction"), _content_decoder, "systemInstruction")
    if system is not None and system.parts:
        parts = _read_parts(system, reader, "systemInstruction")
        messages.append(Message(Role.SYSTEM, parts))
    _read_turns(contents, reader, messages)
    return tuple(messages)


def _read_turns(contents: list[ContentWire], reader: PartReader, messages: list[Message]) -> None:
    """Add each content as a turn; neighbours by the model are one."""
    said: list[Part] = []
    for index, content in enumerate(contents):
        path = f"contents[{index}]"
        if content.role not in _ROLES:
            raise wrong_field(f"{path}.role", f"is {content.role!r}; use 'user' or 'model'.")
        parts = _read_parts(content, reader, path)
        if _ROLES[content.role] is Role.ASSISTANT:
            said += parts
            continue
        if said:
            messages.append(Message(Role.ASSISTANT, tuple(join_pieces(said))))
            said = []
        messages.append(Message(_ROLES[content.role], parts))
    if said:
        messages.append(Message(Role.ASSISTANT, tuple(join_pieces(said))))


def _read_parts(content: ContentWire, reader: PartReader, path: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    for number, raw in enumerate(content.parts or ()):
        try:
            parts.extend(reader.read(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise wrong_place(f"{path}.parts[{number}]", error) from error
    return tuple(parts)


def _read_tools(fields: Fields) -> Any:
    raw = fields.get("tools")
    if raw is None:
        return ()
    try:
        return read_tools(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise wrong_place("tools", error) from error


def _read_thinking(config: Fields) -> ReasoningOptions | None:
    raw = config.get("thinkingConfig")
    path = "generationConfig.thinkingConfig"
    said = read_part_of(raw, _thinking_decoder, path)
    if said is None:
        return None
    fields = read_part_of(raw, _fields_decoder, path) or {}
    return read_thinking(said, {k: v for k, v in fields.items() if k not in _THINKING_FIELDS})


def _read_format(config: Fields) -> OutputFormat | None:
    """The output's form; the fields that say it are taken out of `config`."""
    path = "generationConfig"
    mime = read_part_of(config.get("responseMimeType"), _text_decoder, f"{path}.responseMimeType")
    schema, own = config.get("responseJsonSchema"), config.get("responseSchema")
    if mime not in (None, "", "text/plain", "application/json"):
        # `text/x.enum` has no equal elsewhere; it stays among the extras with its schema.
        return None
    for name in ("responseMimeType", "responseJsonSchema", "responseSchema"):
        config.pop(name, None)
    if schema is None and own is not None:
        try:
            schema = read_openapi(own)
        except msgspec.DecodeError as error:
            raise wrong_place(f"{path}.responseSchema", error) from error
    if mime != "application/json" and schema is None:
        return None
    kind = OutputKind.JSON_OBJECT if schema is None else OutputKind.JSON_SCHEMA
    # Google holds every answer to its schema: https://ai.google.dev/gemini-api/docs/structured-output
    return OutputFormat(kind=kind, schema=schema, is_strict=None if schema is None else True)
