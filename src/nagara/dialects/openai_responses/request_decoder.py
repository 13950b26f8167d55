"""Responses requests to the hub.

`instructions` becomes the leading system message, each input item a message, and what only this
dialect has stays in `extras`. `previous_response_id` is expanded before this is called: the items
that it stands for are in `input`.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from nagara.dialects.effort import read_effort
from nagara.dialects.json_fields import encode_raw, read_fields
from nagara.dialects.openai_responses.input_items import Conversation, decode_input
from nagara.dialects.openai_responses.tools import decode_tool_choice, decode_tools
from nagara.dialects.openai_responses.wire import NAME, Reader
from nagara.dialects.request_fields import (
    read_flag,
    read_model,
    read_tokens_max,
    require_kind,
    wrong_field,
)
from nagara.domain.messages import (
    FunctionTool,
    Message,
    OutputFormat,
    OutputKind,
    ReasoningOptions,
    Request,
    Role,
    Text,
    Tool,
)

SILENT_EXTRAS = frozenset(
    {
        "store",
        "include",
        "stream_options",
        "background",
        "previous_response_id",
    }
)
"""What the gateway does itself, which keeps the state and speaks for the provider."""

NEEDED_EXTRAS = frozenset({"conversation", "prompt"})
"""What stands for a part of the request itself, and is kept by OpenAI alone."""

_LOGPROBS = "message.output_text.logprobs"
_FORMATS = frozenset(kind.value for kind in OutputKind)
_SUBSTITUTES = ("previous_response_id", "prompt", "conversation")


def decode_request(body: bytes) -> Request:
    """The caller's request. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model, is_streamed = read_model(fields), read_flag(fields, "stream")
    tokens_max = read_tokens_max(fields, "max_output_tokens")
    reader = Reader(fields)
    for name in ("model", "stream", "max_output_tokens"):
        fields.pop(name, None)
    messages, given_tools = _decode_messages(reader)
    tools = _add_tools(decode_tools(reader.objects("tools")), given_tools)
    output_format, verbosity = _decode_text_options(reader)
    return Request(
        dialect=NAME,
        model=model,
        messages=messages,
        is_streamed=is_streamed,
        tools=tools,
        tool_choice=decode_tool_choice(reader),
        is_parallel=reader.flag("parallel_tool_calls"),
        output_tokens_max=tokens_max,
        temperature=reader.number("temperature"),
        top_p=reader.number("top_p"),
        top_logprobs=_decode_logprobs(reader),
        output_format=output_format,
        verbosity=verbosity,
        reasoning=_decode_reasoning(reader),
        service_tier=reader.text("service_tier"),
        cache_key=reader.text("prompt_cache_key"),
        user=_decode_user(reader),
        metadata=reader.strings("metadata") or {},
        extras=reader.rest(),
    )


def _decode_messages(reader: Reader) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    instructions = reader.text("instructions")
    leading = () if instructions is None else (Message(Role.SYSTEM, (Text(instructions),)),)
    shape = reader.shape("input")
    if shape == '"':
        return (*leading, Message(Role.USER, (Text(reader.text("input") or ""),))), ()
    if shape != "[" and not any(name in reader.fields for name in _SUBSTITUTES):
        require_kind(reader.fields, "input", "string", "array")
    conversation = (
        decode_input(reader.objects("input")) if shape not in ("", "n") else Conversation(())
    )
    return leading + conversation.messages, conversation.tools


def _add_tools(tools: tuple[Tool, ...], given: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The tools and those given within the input, each once: a search finds what is listed."""
    if not given:
        return tools
    known = {_identify(tool) for tool in tools}
    added = [tool for tool in given if _identify(tool) not in known]
    return tools + tuple(added)


def _identify(tool: Tool) -> tuple[str | None, str]:
    return (tool.namespace if isinstance(tool, FunctionTool) else None, tool.name)


def _decode_logprobs(reader: Reader) -> int | None:
    """How many are asked for. They come only with the `include` that names them."""
    include, count = reader.texts("include"), reader.whole("top_logprobs")
    rest = [name for name in include or () if name != _LOGPROBS]
    if rest:
        reader.fields["include"] = encode_raw(rest)
    if len(rest) == len(include or ()):
        return count or None
    return count or 0


def _decode_text_options(reader: Reader) -> tuple[OutputFormat | None, str | None]:
    options = reader.object("text")
    if options is None:
        return None, None
    verbosity, form = options.text("verbosity"), options.object("format")
    if rest := options.rest():
        reader.fields["text"] = encode_raw(rest)
    return (None if form is None else _decode_format(form)), verbosity


def _decode_format(form: Reader) -> OutputFormat:
    kind = form.needed_text("type")
    if kind not in _FORMATS:
        raise wrong_field(
            form.name("type"), f"is {kind!r}; it may be 'text', 'json_object' or 'json_schema'."
        )
    if kind != OutputKind.JSON_SCHEMA:
        return OutputFormat(kind=OutputKind(kind))
    if form.shape("schema") != "{":
        raise wrong_field(form.name("schema"), "is missing; it must be a JSON schema.")
    return OutputFormat(
        kind=OutputKind.JSON_SCHEMA,
        schema=form.raw("schema"),
        name=form.text("name"),
        description=form.text("description"),
        is_strict=form.flag("strict"),
    )


def _decode_reasoning(reader: Reader) -> ReasoningOptions | None:
    options = reader.object("reasoning")
    if options is None:
        return None
    word = options.text("effort")
    effort = None if word is None else read_effort(word)
    if word is not None and effort is None:
        raise wrong_field(
            options.name("effort"),
            f"is {word!r}; it may be none, minimal, low, medium, high, xhigh or max.",
        )
    older = options.text("generate_summary")
    summary = options.text("summary") or older
    return ReasoningOptions(
        effort=effort,
        is_shown=True if summary is not None else None,
        summary=summary,
        extras=options.rest(),
    )


def _decode_user(reader: Reader) -> str | None:
    """`safety_identifier`, or `user`, which it replaces."""
    newer, older = reader.text("safety_identifier"), reader.text("user")
    return older if newer is None else newer
