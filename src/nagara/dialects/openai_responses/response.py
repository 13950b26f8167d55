"""What a Responses answer says of usage."""

import msgspec

from nagara.dialects.base import read_view
from nagara.domain.usage import Meter, Usage


class InputDetails(msgspec.Struct, gc=False):
    """`input_tokens_details`: parts of `input_tokens`."""

    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """`output_tokens_details`: parts of `output_tokens`."""

    reasoning_tokens: int | None = None


class ResponsesUsage(msgspec.Struct, gc=False):
    """`usage` as OpenAI reports it: cached tokens lie inside `input_tokens`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def to_usage(self) -> Usage:
        """The same as disjoint meters."""
        cached = (self.input_tokens_details or InputDetails()).cached_tokens or 0
        reasoning = (self.output_tokens_details or OutputDetails()).reasoning_tokens or 0
        parts = {
            Meter.INPUT: max(0, (self.input_tokens or 0) - cached),
            Meter.CACHE_READ: cached,
            Meter.OUTPUT: max(0, (self.output_tokens or 0) - reasoning),
            Meter.REASONING: reasoning,
        }
        return Usage({meter: count for meter, count in parts.items() if count})


class ResponseView(msgspec.Struct, gc=False):
    """The part of a response object that is metered."""

    usage: ResponsesUsage | None = None


_decoder = msgspec.json.Decoder(ResponseView)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    usage = read_view(body, _decoder, ResponseView).usage
    return usage.to_usage() if usage is not None else None
