"""The most that a Responses request asks for, and the same request with less output."""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import Fields, encode_raw
from nagara.dialects.measuring import (
    CALLS_MAX,
    ROUNDS_MAX,
    TEXT_ONLY,
    Content,
    ToolView,
    count_bytes,
    has_any,
    read_text,
    read_tools,
    survey,
)
from nagara.dialects.openai_responses.tool_usage import IMAGE_MODEL
from nagara.dialects.service_tier import billed_tier
from nagara.domain.demand import Demand, SideCalls

# What is only referred to (items by their id, reasoning without its content, what tools found) is
# kept by the provider, and is not among them.
CONTENTS = {
    **dict.fromkeys(
        (
            "message",
            "input_text",
            "output_text",
            "refusal",
            "text",
            "function_call",
            "function_call_output",
            "custom_tool_call",
            "custom_tool_call_output",
            "local_shell_call",
            "local_shell_call_output",
            "url_citation",
        ),
        Content.TEXT,
    ),
    "reasoning": Content.SEALED,
    "compaction": Content.SEALED,
    "input_image": Content.IMAGE,
    "computer_screenshot": Content.IMAGE,
}
_PLAIN = frozenset(name.encode() for name, kind in CONTENTS.items() if kind is Content.TEXT)
_STORED = ("conversation", "prompt")
"""What the provider keeps. What `previous_response_id` names is ours, and measured as it is."""

_OWN_TOOLS = frozenset({None, "function", "custom", "local_shell", "namespace", "tool_search"})
_SEARCHES = ("web_search", "web_search_preview")

# What a picture is drawn from, and drawn with, in tokens at the most.
# https://platform.openai.com/docs/guides/image-generation#cost-and-latency
_DRAWING_INPUT_TOKENS_MAX = 65_536
_DRAWING_OUTPUT_TOKENS_MAX = 16_384

_whole = msgspec.json.Decoder(int | None)


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    fields = view.fields
    found = TEXT_ONLY
    if "input" in fields:
        found = survey(fields["input"], CONTENTS, _PLAIN, b'_url"')
    hosted = [tool for tool in read_tools(fields) if tool.type not in _OWN_TOOLS]
    calls_max = _read_calls_max(fields) if hosted else 0
    is_unseen = found.has_unseen or bool(hosted) or has_any(fields, _STORED)
    return Demand(
        text_bytes=count_bytes(fields) - found.image_bytes,
        image_count=found.image_count,
        has_unseen_input=is_unseen,
        has_media_input=found.has_media or is_unseen,
        has_hour_cache=found.has_hour_cache,
        rounds_max=min(calls_max, ROUNDS_MAX) + 1 if hosted else 1,
        searches_max=calls_max if _has(hosted, *_SEARCHES) else 0,
        file_searches_max=calls_max if _has(hosted, "file_search") else 0,
        containers_max=calls_max if _has(hosted, "code_interpreter") else 0,
        output_tokens_max=view.output_tokens_max,
        service_tier=billed_tier(read_text(fields, "service_tier")),
        side_calls=tuple(_drawing(tool, calls_max) for tool in hosted if _has([tool], "image_gen")),
    )


def _has(tools: list[ToolView], *kinds: str) -> bool:
    """Whether a tool is of one of the kinds, in any of its versions (`web_search_2025_08_26`)."""
    return any(tool.type is not None and tool.type.startswith(kinds) for tool in tools)


def _drawing(tool: ToolView, calls_max: int) -> SideCalls:
    return SideCalls(
        calls_max=calls_max,
        model=tool.model or IMAGE_MODEL,
        input_tokens_max=_DRAWING_INPUT_TOKENS_MAX,
        output_tokens_max=_DRAWING_OUTPUT_TOKENS_MAX,
    )


def _read_calls_max(fields: Fields) -> int:
    """`max_tool_calls`, or what is assumed without it."""
    raw = fields.get("max_tool_calls")
    if raw is None:
        return CALLS_MAX
    try:
        said: int | None = _whole.decode(raw)
    except msgspec.DecodeError:
        return CALLS_MAX
    return CALLS_MAX if said is None else max(0, said)


def limit_output(
    view: RequestView,
    cap: int,
    traits: frozenset[str] = frozenset(),  # noqa: ARG001 - the dialects' signature
) -> RequestView:
    """The request with `cap` on its answer."""
    return view.with_cap(cap, {"max_output_tokens": encode_raw(cap)})
