"""Tools that a provider ran itself, in Chat Completions: Groq's `executed_tools`.

They come as calls with their output beside the answer's text, and must never come out as calls for
the caller to run.

Source: https://console.groq.com/docs/compound/built-in-tools
"""

import msgspec

from nagara.dialects.openai_chat.wire import FoundWire
from nagara.domain.messages import HostedCall, HostedKind, HostedResult, Source

NAME = "openai_chat"
"""This dialect, as the name of its folder."""

KINDS = {
    "search": HostedKind.WEB_SEARCH,
    "web_search": HostedKind.WEB_SEARCH,
    "web_search_preview": HostedKind.WEB_SEARCH,
    "openrouter:web_search": HostedKind.WEB_SEARCH,
    "browser_search": HostedKind.WEB_SEARCH,
    "browser.search": HostedKind.WEB_SEARCH,
    "visit": HostedKind.WEB_FETCH,
    "visit_website": HostedKind.WEB_FETCH,
    "browser.open": HostedKind.WEB_FETCH,
    "openrouter:web_fetch": HostedKind.WEB_FETCH,
    "python": HostedKind.CODE_EXECUTION,
    "code_interpreter": HostedKind.CODE_EXECUTION,
    "code_execution": HostedKind.CODE_EXECUTION,
    "openrouter:image_generation": HostedKind.IMAGE_GENERATION,
    "openrouter:advisor": HostedKind.ADVISOR,
    "mcp": HostedKind.MCP,
}
"""What a type of tool is called here, and its kind; any other is `HostedKind.OTHER`."""


class _SearchResults(msgspec.Struct, gc=False):
    results: list[FoundWire] | None = None


class ExecutedWire(msgspec.Struct, gc=False):
    """One of `executed_tools`. In a stream it comes first as a call, then again with its output."""

    index: int = 0
    type: str = ""
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    search_results: _SearchResults | None = None

    @property
    def is_done(self) -> bool:
        """Whether its output is there."""
        return self.output is not None or self.search_results is not None


executed_decoder = msgspec.json.Decoder(ExecutedWire)


def decode_executed(said: ExecutedWire, raw: msgspec.Raw) -> tuple[HostedCall, HostedResult]:
    """A call that the provider ran, and what came of it; `raw` is what was said."""
    call_id, name = f"executed_{said.index}", said.name or said.type
    kind = KINDS.get(said.type, HostedKind.OTHER)
    found = (said.search_results.results if said.search_results else None) or []
    call = HostedCall(
        id=call_id,
        kind=kind,
        name=name,
        arguments=said.arguments or "",
        dialect=NAME,
        raw=raw.copy(),
    )
    result = HostedResult(
        call_id=call_id,
        kind=kind,
        name=name,
        sources=tuple(Source(page.url, page.title) for page in found if page.url is not None),
        output=said.output,
        dialect=NAME,
    )
    return call, result
