"""The tool for web search, as a request of another dialect asks for it.

OpenAI's own takes domains to keep to and a place to search for; Perplexity's takes one list of
domains, each kept to or left out, and refuses every field that it does not know.

Sources: https://platform.openai.com/docs/guides/tools-web-search and
https://docs.perplexity.ai/docs/agent-api/tools/web-search
"""

from collections.abc import Collection
from typing import Any

from nagara.dialects.openai_responses.traits import Trait
from nagara.domain.messages import HostedTool

WEB_SEARCH = "web_search"
# Perplexity's place also has coordinates, which no dialect here asks for, and no time zone.
_PLACES = ("city", "country", "region")


def encode_search(tool: HostedTool, dropped: list[str], traits: Collection[str]) -> dict[str, Any]:
    """The tool on the wire; what of it has no field there is named in `dropped`."""
    if tool.uses_max is not None:
        dropped.append("tools.max_uses")
    if Trait.SEARCH_FILTERS in traits:
        return _encode_filters(tool, dropped)
    wire: dict[str, Any] = {"type": WEB_SEARCH}
    if tool.allowed_domains:
        wire["filters"] = {"allowed_domains": tool.allowed_domains}
    if tool.location:
        wire["user_location"] = {"type": "approximate", **tool.location}
    if tool.blocked_domains:
        dropped.append("tools.blocked_domains")
    return wire


def _encode_filters(tool: HostedTool, dropped: list[str]) -> dict[str, Any]:
    wire: dict[str, Any] = {"type": WEB_SEARCH}
    domains = [*tool.allowed_domains, *(f"-{domain}" for domain in tool.blocked_domains)]
    if domains:
        wire["filters"] = {"search_domain_filter": domains}
    if place := {name: tool.location[name] for name in _PLACES if name in tool.location}:
        wire["user_location"] = place
    if tool.location.keys() - set(_PLACES):
        dropped.append("tools.user_location.timezone")
    return wire
