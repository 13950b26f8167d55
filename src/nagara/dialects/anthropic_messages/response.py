"""What a Messages answer says of usage. Here cached tokens lie beside `input_tokens`, not inside.

Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
"""

import msgspec

from nagara.dialects.base import read_view
from nagara.dialects.service_tier import billed_tier
from nagara.domain.usage import Meter, Round, Usage, make_usage


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


_INSIDE = frozenset({"message", "fallback_message"})
"""Iterations that add up to the answer's own counts."""


class Iteration(msgspec.Struct, gc=False):
    """One of `iterations`: a round of the model, or of another one that Anthropic asked."""

    type: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None

    def to_round(self) -> Round:
        """The same as disjoint meters."""
        return Round(
            make_usage(
                (Meter.INPUT, self.input_tokens or 0),
                (Meter.CACHE_READ, self.cache_read_input_tokens or 0),
                *_split_writes(self.cache_creation_input_tokens, self.cache_creation),
                (Meter.OUTPUT, self.output_tokens or 0),
            ).quantities,
            self.model,
        )


class MessagesUsage(msgspec.Struct, gc=False):
    """`usage` as Anthropic reports it.

    `output_tokens` holds the thinking. Of `iterations`, rounds of the message itself add up to
    these counts; a compaction and an advisor's rounds lie beside them and are billed on top.
    https://docs.anthropic.com/en/docs/build-with-claude/compaction
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[Iteration] | None = None

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
        thinking = (self.output_tokens_details or OutputDetails()).thinking_tokens or 0
        usage = make_usage(
            (Meter.INPUT, self.input_tokens or 0),
            (Meter.CACHE_READ, self.cache_read_input_tokens or 0),
            *_split_writes(self.cache_creation_input_tokens, self.cache_creation),
            (Meter.OUTPUT, (self.output_tokens or 0) - thinking),
            (Meter.REASONING, thinking),
            (Meter.SEARCHES, (self.server_tool_use or ServerToolUse()).web_search_requests or 0),
        )
        tier = "fast" if self.speed == "fast" else billed_tier(self.service_tier)
        beside = tuple(x.to_round() for x in self.iterations or () if x.type not in _INSIDE)
        if tier is None and not beside:
            return usage
        return msgspec.structs.replace(usage, service_tier=tier, rounds=beside)


def _split_writes(
    total: int | None, written: CacheCreation | None
) -> tuple[tuple[Meter, int], ...]:
    """What was written to the cache, by how long it is kept; without that, for five minutes."""
    written = written or CacheCreation()
    one_hour = written.ephemeral_1h_input_tokens or 0
    five_minutes = written.ephemeral_5m_input_tokens or 0
    if total is not None:
        five_minutes = total - one_hour
    return (Meter.CACHE_WRITE_5M, five_minutes), (Meter.CACHE_WRITE_1H, one_hour)


class _Answer(msgspec.Struct, gc=False):
    usage: MessagesUsage | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    usage = read_view(body, _decoder, _Answer).usage
    return usage.to_usage() if usage is not None else None
