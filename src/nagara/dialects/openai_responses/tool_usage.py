"""What OpenAI's own tools did for an answer, and bills beside its tokens.

Searches and containers are billed each, an image by the tokens of the model that drew it.
`tool_usage` counts some of it; where it does not, the items of the output are counted.

Sources: https://platform.openai.com/docs/pricing
and https://platform.openai.com/docs/guides/tools-web-search
"""

import msgspec

from nagara.domain.usage import Meter, Round, Usage, make_usage

IMAGE_MODEL = "gpt-image-1"
"""What draws where the request does not name another."""


class _Action(msgspec.Struct, gc=False):
    type: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    container_id: str | None = None
    action: _Action | None = None


class _Tool(msgspec.Struct, gc=False):
    type: str | None = None
    model: str | None = None


class _Tokens(msgspec.Struct, gc=False):
    image_tokens: int | None = None
    text_tokens: int | None = None


class _ImageUsage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    input_tokens_details: _Tokens | None = None
    output_tokens: int | None = None
    output_tokens_details: _Tokens | None = None


class _Searches(msgspec.Struct, gc=False):
    num_requests: int | None = None


class _ToolUsage(msgspec.Struct, gc=False):
    image_gen: _ImageUsage | None = None
    web_search: _Searches | None = None


_items = msgspec.json.Decoder(list[_Item])
_tools = msgspec.json.Decoder(list[_Tool])
_tool_usage = msgspec.json.Decoder(_ToolUsage | None)


def add_tool_usage(
    usage: Usage, output: msgspec.Raw, tool_usage: msgspec.Raw, tools: msgspec.Raw
) -> Usage:
    """The usage with what tools of the provider's own did."""
    if b"_call" not in bytes(output):
        return usage
    items, said = _read_items(output), _read_tool_usage(tool_usage)
    counts = make_usage(
        (Meter.SEARCHES, _count_searches(items, said)),
        (Meter.FILE_SEARCHES, sum(item.type == "file_search_call" for item in items)),
        (Meter.CONTAINERS, len(_find_containers(items))),
    ).quantities
    drawn = _read_drawn(said.image_gen, tools)
    if not counts and drawn is None:
        return usage
    rounds = usage.rounds if drawn is None else (*usage.rounds, drawn)
    return msgspec.structs.replace(usage, quantities={**usage.quantities, **counts}, rounds=rounds)


def _read_items(output: msgspec.Raw) -> list[_Item]:
    try:
        return list(_items.decode(output))
    except (msgspec.DecodeError, RecursionError):
        # The answer is worth more than its bill.
        return []


def _read_tool_usage(raw: msgspec.Raw) -> _ToolUsage:
    try:
        return (_tool_usage.decode(raw) if raw else None) or _ToolUsage()
    except (msgspec.DecodeError, RecursionError):
        return _ToolUsage()


def _count_searches(items: list[_Item], said: _ToolUsage) -> int:
    if said.web_search is not None and said.web_search.num_requests is not None:
        return said.web_search.num_requests
    # Opening a page and finding something in it are not billed; a search without an action is one.
    searches = (item for item in items if item.type == "web_search_call")
    return sum(item.action is None or item.action.type in ("search", None) for item in searches)


def _find_containers(items: list[_Item]) -> set[str | None]:
    return {item.container_id for item in items if item.type == "code_interpreter_call"}


def _read_drawn(said: _ImageUsage | None, tools: msgspec.Raw) -> Round | None:
    """The tokens of the model that drew."""
    if said is None or not (said.input_tokens or said.output_tokens):
        return None
    inputs, outputs = said.input_tokens_details or _Tokens(), said.output_tokens_details
    # Without details all that comes out is image.
    written = 0 if outputs is None else outputs.text_tokens or 0
    return Round(
        make_usage(
            (Meter.INPUT, (said.input_tokens or 0) - (inputs.image_tokens or 0)),
            (Meter.INPUT_IMAGE, inputs.image_tokens or 0),
            (Meter.OUTPUT, written),
            (Meter.OUTPUT_IMAGE, (said.output_tokens or 0) - written),
        ).quantities,
        _find_image_model(tools),
    )


def _find_image_model(tools: msgspec.Raw) -> str:
    try:
        found = _tools.decode(tools) if tools else []
    except (msgspec.DecodeError, RecursionError):
        return IMAGE_MODEL
    named = (tool.model for tool in found if tool.type == "image_generation" and tool.model)
    return next(named, IMAGE_MODEL)
