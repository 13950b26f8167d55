"""What a Messages answer says of usage. Here cached tokens lie beside `input_tokens`, not inside.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
"""

import msgspec

from nagara.dialects.base import read_view
from nagara.domain.usage import Meter, Usage, make_usage


class CacheCreation(msgspec.Struct, gc=False):
    """`cache_creation`: what was written, by how long it is kept."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """`output_tokens_details`: parts of `output_tokens`."""

    thinking_tokens: int | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    """`server_tool_use`: how often Anthropic ran its own tools. Searches are billed each."""

    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class MessagesUsage(msgspec.Struct, gc=False):
    """`usage` as Anthropic reports it.

    `output_tokens` holds the thinking. Rounds of a compaction or an advisor (`iterations`) are not
    in these counts.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None

    def merge(self, later: "MessagesUsage") -> "MessagesUsage":
        """This with what a later event says; its counts are running totals."""
        return MessagesUsage(
            *(
                old if new is None else new
                for old, new in zip(
                    msgspec.structs.astuple(self), msgspec.structs.astuple(later), strict=True
                )
            )
        )

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        written = self.cache_creation or CacheCreation()
        one_hour = written.ephemeral_1h_input_tokens or 0
        five_minutes = written.ephemeral_5m_input_tokens or 0
        if self.cache_creation_input_tokens is not None:
            five_minutes = self.cache_creation_input_tokens - one_hour
        thinking = (self.output_tokens_details or OutputDetails()).thinking_tokens or 0
        return make_usage(
            (Meter.INPUT, self.input_tokens or 0),
            (Meter.CACHE_READ, self.cache_read_input_tokens or 0),
            (Meter.CACHE_WRITE_5M, five_minutes),
            (Meter.CACHE_WRITE_1H, one_hour),
            (Meter.OUTPUT, (self.output_tokens or 0) - thinking),
            (Meter.REASONING, thinking),
            (Meter.SEARCHES, (self.server_tool_use or ServerToolUse()).web_search_requests or 0),
        )


class _Answer(msgspec.Struct, gc=False):
    usage: MessagesUsage | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    usage = read_view(body, _decoder, _Answer).usage
    return usage.to_usage() if usage is not None else None
