"""What a Responses answer says of usage."""

import msgspec

from nagara.dialects.base import read_view
from nagara.domain.usage import Meter, Usage, make_usage


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

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        inputs, outputs = self.input_tokens_details, self.output_tokens_details
        cached = 0 if inputs is None else inputs.cached_tokens or 0
        reasoning = 0 if outputs is None else outputs.reasoning_tokens or 0
        return make_usage(
            (Meter.INPUT, (self.input_tokens or 0) - cached),
            (Meter.CACHE_READ, cached),
            (Meter.OUTPUT, (self.output_tokens or 0) - reasoning),
            (Meter.REASONING, reasoning),
        )


class ResponseView(msgspec.Struct, gc=False):
    """The part of a response object that is metered."""

    usage: ResponsesUsage | None = None


_decoder = msgspec.json.Decoder(ResponseView)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    usage = read_view(body, _decoder, ResponseView).usage
    return usage.to_usage() if usage is not None else None
