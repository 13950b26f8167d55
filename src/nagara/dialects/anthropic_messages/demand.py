"""The most that a Messages request asks for, and the same request with less output."""

from collections.abc import Iterable

import msgspec

from nagara.dialects.anthropic_messages.thinking import BUDGET_TOKENS_MIN, fit_budget
from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import Fields, encode_raw, read_fields, write_fields
from nagara.dialects.measuring import (
    CALLS_MAX,
    ROUNDS_MAX,
    Content,
    ToolView,
    count_bytes,
    has_any,
    may_cache_for_an_hour,
    read_text,
    read_tools,
    survey,
)
from nagara.dialects.service_tier import billed_tier
from nagara.domain.demand import Demand, SideCalls

CONTENTS = {
    **dict.fromkeys(
        (
            "text",
            "thinking",
            "redacted_thinking",
            "tool_result",
            "document",
            "content",
            "search_result",
            "ephemeral",
            "compaction",
        ),
        Content.TEXT,
    ),
    # Arguments of tools and results of the provider's own are never looked at as content.
    **dict.fromkeys(
        (
            "tool_use",
            "server_tool_use",
            "mcp_tool_use",
            "tool_reference",
            "web_search_tool_result",
            "char_location",
            "page_location",
            "content_block_location",
            "web_search_result_location",
            "search_result_location",
        ),
        Content.CLOSED,
    ),
    "image": Content.IMAGE,
}
_PLAIN = frozenset(name.encode() for name, kind in CONTENTS.items() if kind is not Content.IMAGE)

# Run by the caller, though Anthropic wrote them; each adds a page of instructions.
# https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview#pricing
_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
_CLIENT_TOOL_TOKENS_MAX = 1500

_COMPACTING = b"compact"


class _Thinking(msgspec.Struct, gc=False):
    budget_tokens: int | None = None


_thinking = msgspec.json.Decoder(_Thinking)

# https://docs.anthropic.com/en/docs/build-with-claude/context-windows#1m-token-context-window
_BETA, _LONG_CONTEXT, _LONG_CONTEXT_TOKENS = b"anthropic-beta", b"context-1m", 1_000_000


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    fields = view.fields
    if view.is_plain:
        return Demand(text_bytes=count_bytes(fields), output_tokens_max=view.output_tokens_max)
    found = survey(fields["messages"], CONTENTS, _PLAIN, b'_url"')
    typed = [tool for tool in read_tools(fields) if tool.type not in (None, "custom")]
    hosted = [tool for tool in typed if not str(tool.type).startswith(_CLIENT_TOOLS)]
    has_servers = has_any(fields, ("mcp_servers", "container"))
    is_unseen = found.has_unseen or bool(hosted) or has_servers
    fast = "fast" if read_text(fields, "speed") == "fast" else None
    return Demand(
        text_bytes=count_bytes(fields)
        - found.image_bytes
        + (len(typed) - len(hosted)) * _CLIENT_TOOL_TOKENS_MAX,
        image_count=found.image_count,
        has_unseen_input=is_unseen,
        has_media_input=found.has_media or is_unseen,
        has_hour_cache=found.has_hour_cache
        or may_cache_for_an_hour(fields, "system", "tools", "cache_control"),
        rounds_max=_bound_rounds(hosted, has_servers=has_servers),
        searches_max=sum(_uses(x) for x in hosted if str(x.type).startswith("web_search")),
        output_tokens_max=view.output_tokens_max,
        output_tokens_min=0 if _find_budget(fields) is None else BUDGET_TOKENS_MIN + 1,
        service_tier=fast or billed_tier(read_text(fields, "service_tier")),
        side_calls=tuple(_find_side_calls(fields, hosted)),
    )


def widen(demand: Demand, headers: Iterable[tuple[bytes, bytes]]) -> Demand:
    """The same with what the headers of the request ask for."""
    for name, value in headers:
        if name == _BETA and _LONG_CONTEXT in value:
            return msgspec.structs.replace(demand, context_tokens_min=_LONG_CONTEXT_TOKENS)
    return demand


def _uses(tool: ToolView) -> int:
    return CALLS_MAX if tool.max_uses is None else max(0, tool.max_uses)


def _bound_rounds(hosted: list[ToolView], *, has_servers: bool) -> int:
    """One round more than there are calls: the last one reads what the last call found."""
    if not hosted and not has_servers:
        return 1
    calls = ROUNDS_MAX if has_servers else sum(map(_uses, hosted))
    return min(calls, ROUNDS_MAX) + 1


def _find_side_calls(fields: Fields, hosted: list[ToolView]) -> list[SideCalls]:
    """What is billed beside the answer: an advisor's rounds, and a compaction."""
    calls = [
        SideCalls(calls_max=_uses(tool), model=tool.model, output_tokens_max=tool.max_tokens)
        for tool in hosted
        if str(tool.type).startswith("advisor")
    ]
    if _COMPACTING in bytes(fields.get("context_management", b"")):
        calls.append(SideCalls(calls_max=1))
    return calls


def limit_output(
    view: RequestView,
    cap: int,
    traits: frozenset[str] = frozenset(),  # noqa: ARG001 - the dialects' signature
) -> RequestView:
    """The request with `cap` on its answer. A budget for thinking is lowered to fit below it.

    https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size
    """
    lowered: Fields = {"max_tokens": encode_raw(cap)}
    budget = _find_budget(view.fields)
    if budget is not None and (fits := fit_budget(budget, cap)) not in (None, budget):
        thinking = read_fields(bytes(view.fields["thinking"]))
        thinking["budget_tokens"] = encode_raw(fits)
        lowered["thinking"] = msgspec.Raw(write_fields(thinking))
    return view.with_cap(cap, lowered)


def _find_budget(fields: Fields) -> int | None:
    """How much of its answer the request lets the model think; None where it says no number."""
    raw = fields.get("thinking")
    if raw is None or b"budget_tokens" not in bytes(raw):
        return None
    try:
        return _thinking.decode(raw).budget_tokens
    except msgspec.DecodeError:
        # Whatever it is, the provider says what is wrong with it.
        return None
