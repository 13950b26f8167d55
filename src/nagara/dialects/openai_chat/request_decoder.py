"""Chat Completions requests of callers, as canonical ones.

Every field that the hub knows is typed and checked, and an error names it by its path; the others
are kept raw under their names. Text is strict JSON; where a client cut a string inside an emoji,
the half that is left is replaced, and the rest is read as it is.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import msgspec

from nagara.dialects.json_fields import NULL, Fields, encode_raw, read_fields
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.image_options import take_image_options, take_modalities
from nagara.dialects.openai_chat.message_decoder import decode_messages
from nagara.dialects.openai_chat.part_decoder import decode_cache
from nagara.dialects.openai_chat.reasoning_options import PROVIDERS_OWN, decode_reasoning
from nagara.dialects.openai_chat.request import read_stream_options
from nagara.dialects.openai_chat.request_wire import (
    REQUEST_FIELDS,
    RequestWire,
    ResponseFormatWire,
    SchemaWire,
    decode_at,
    wrong_value,
)
from nagara.dialects.openai_chat.tools import (
    SEARCH_OPTIONS,
    decode_choice,
    decode_legacy_choice,
    decode_legacy_tools,
    decode_search_options,
    decode_tools,
)
from nagara.dialects.openai_chat.wire import mend_surrogates
from nagara.dialects.request_fields import (
    read_count,
    read_flag,
    read_model,
    read_tokens_max,
    require_kind,
)
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import (
    NO_EXTRAS,
    OutputFormat,
    OutputKind,
    Request,
    Tool,
    ToolChoice,
)

_decoder = msgspec.json.Decoder(RequestWire)


def decode_request(body: bytes) -> Request:
    """The request. Raises `GatewayError` that names the wrong field by its path."""
    fields = read_fields(body)
    try:
        return _decode(body, fields)
    except (msgspec.DecodeError, RecursionError):
        # Text inside it that strict JSON does not know; nothing of a wrong type comes here.
        pass
    try:
        mended = mend_surrogates(body)
        return _decode(mended, read_fields(mended))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise GatewayError(
            ErrorKind.INVALID_JSON, "The body could not be read: a text in it is not valid JSON."
        ) from error


def _decode(body: bytes, fields: Fields) -> Request:
    model = read_model(fields)
    require_kind(fields, "messages", "array")
    said = decode_at(body, _decoder, "")
    # The newer name counts, as in the pass-through lane.
    cap = read_tokens_max(fields, "max_completion_tokens")
    extras = _keep_extras(said, fields)
    modalities, image_options = take_modalities(extras), take_image_options(extras)
    return Request(
        dialect=NAME,
        model=model,
        messages=decode_messages(said.messages),
        is_streamed=read_flag(fields, "stream"),
        has_usage_request=read_flag(read_stream_options(fields), "include_usage"),
        tools=_decode_tools(said, fields),
        tool_choice=_decode_choice(said),
        is_parallel=said.parallel_tool_calls,
        output_tokens_max=cap if cap is not None else read_tokens_max(fields, "max_tokens"),
        choice_count=read_count(fields, "n"),
        temperature=said.temperature,
        top_p=said.top_p,
        top_k=said.top_k,
        frequency_penalty=said.frequency_penalty,
        presence_penalty=said.presence_penalty,
        seed=said.seed if said.seed is not None else said.random_seed,
        stop=(said.stop,) if isinstance(said.stop, str) else tuple(said.stop or ()),
        top_logprobs=_decode_logprobs(said),
        output_format=_decode_format(said.response_format),
        modalities=modalities,
        image_options=image_options,
        reasoning=decode_reasoning(said),
        verbosity=said.verbosity,
        service_tier=said.service_tier,
        cache_key=said.prompt_cache_key,
        cache=decode_cache(said.cache_control),
        user=said.user,
        metadata=said.metadata or {},
        extras=extras or NO_EXTRAS,
    )


def _decode_tools(said: RequestWire, fields: Fields) -> tuple[Tool, ...]:
    tools = decode_tools(said.tools or [])
    tools += decode_legacy_tools(said.functions or [])
    search = fields.get(SEARCH_OPTIONS, NULL)
    # An empty object asks for it too.
    return (*tools, decode_search_options(search)) if search != NULL else tuple(tools)


def _decode_choice(said: RequestWire) -> ToolChoice | None:
    if said.tool_choice is not None:
        return decode_choice(said.tool_choice)
    return decode_legacy_choice(said.function_call) if said.function_call is not None else None


def _decode_logprobs(said: RequestWire) -> int | None:
    if said.logprobs:
        return said.top_logprobs or 0
    if said.top_logprobs:
        raise wrong_value("top_logprobs", "needs 'logprobs' to be true.")
    return None


def _decode_format(said: ResponseFormatWire | None) -> OutputFormat | None:
    if said is None:
        return None
    try:
        kind = OutputKind(said.type)
    except ValueError:
        what = f"unknown format {said.type!r}. It is one of {', '.join(OutputKind)}."
        raise wrong_value("response_format.type", what) from None
    described = said.json_schema or SchemaWire(schema=said.schema)
    schema = described.schema.copy() if described.schema and described.schema != NULL else None
    if kind is OutputKind.JSON_SCHEMA and schema is None:
        raise wrong_value("response_format.json_schema", "must hold a 'schema'.")
    # https://docs.together.ai/docs/json-mode
    if schema is not None and kind is OutputKind.JSON_OBJECT:
        kind = OutputKind.JSON_SCHEMA
    return OutputFormat(
        kind=kind,
        schema=schema,
        name=described.name,
        description=described.description,
        is_strict=described.strict,
    )


def _keep_extras(said: RequestWire, fields: Fields) -> Fields:
    extras = {
        name: raw.copy()
        for name, raw in fields.items()
        if name not in REQUEST_FIELDS and raw != NULL
    }
    if said.reasoning_effort == PROVIDERS_OWN:
        extras["reasoning_effort"] = encode_raw(PROVIDERS_OWN)
    return extras
