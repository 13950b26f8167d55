"""What a Responses answer says of usage."""

from typing import Any

import msgspec

from nagara.dialects.base import NOTHING, read_view
from nagara.dialects.openai_responses.tool_usage import add_tool_usage
from nagara.dialects.service_tier import note_tier
from nagara.domain.usage import Meter, Usage, make_usage


class InputDetails(msgspec.Struct, gc=False):
    """`input_tokens_details`: parts of `input_tokens`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    """What Perplexity calls tokens written to the cache; they lie inside the total as well."""


class OutputDetails(msgspec.Struct, gc=False):
    """`output_tokens_details`: parts of `output_tokens`."""

    reasoning_tokens: int | None = None


class ResponsesUsage(msgspec.Struct, gc=False):
    """`usage` as OpenAI reports it.

    Tokens read from the cache and written to it lie inside `input_tokens`, those of the reasoning
    inside `output_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        inputs, outputs = self.input_tokens_details, self.output_tokens_details
        inputs = inputs or InputDetails()
        cached = inputs.cached_tokens or 0
        written = inputs.cache_write_tokens or inputs.cache_creation_input_tokens or 0
        reasoning = 0 if outputs is None else outputs.reasoning_tokens or 0
        return make_usage(
            (Meter.INPUT, (self.input_tokens or 0) - cached - written),
            (Meter.CACHE_READ, cached),
            # The cache has one price of writing, whatever its time to live.
            (Meter.CACHE_WRITE_5M, written),
            (Meter.OUTPUT, (self.output_tokens or 0) - reasoning),
            (Meter.REASONING, reasoning),
        )


class ResponseView(msgspec.Struct, gc=False):
    """The parts of a response object that are metered, or say what was done beside them."""

    usage: ResponsesUsage | None = None
    service_tier: str | None = None
    output: msgspec.Raw = NOTHING
    tool_usage: msgspec.Raw = NOTHING
    tools: msgspec.Raw = NOTHING


def encode_usage(usage: Usage) -> dict[str, Any]:
    """`usage` as the wire has it; meters that were not reported count zero."""
    quantity, inputs, outputs = usage.quantities.get, usage.input_tokens, usage.output_tokens
    written = quantity(Meter.CACHE_WRITE_5M, 0) + quantity(Meter.CACHE_WRITE_1H, 0)
    return {
        "input_tokens": inputs,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": written,
        },
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": quantity(Meter.REASONING, 0)},
        "total_tokens": inputs + outputs,
    }


_decoder = msgspec.json.Decoder(ResponseView)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    view = read_view(body, _decoder, ResponseView)
    usage = None if view.usage is None else view.usage.to_usage()
    if usage is None:
        return None
    usage = add_tool_usage(usage, view.output, view.tool_usage, view.tools)
    return note_tier(usage, view.service_tier)
