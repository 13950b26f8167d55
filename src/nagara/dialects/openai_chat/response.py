"""What a Chat Completions answer says of usage. Embeddings report in the same shape."""

import msgspec

from nagara.dialects.base import read_view
from nagara.domain.usage import Meter, Usage, make_usage


class PromptDetails(msgspec.Struct, gc=False):
    """`prompt_tokens_details`: parts of `prompt_tokens`."""

    cached_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """`completion_tokens_details`: parts of `completion_tokens`."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class ChatUsage(msgspec.Struct, gc=False):
    """`usage` as OpenAI reports it: cached and audio tokens lie inside `prompt_tokens`.

    Reasoning lies inside `completion_tokens`, except at servers whose total shows that it does not.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        prompt, completion = self.prompt_tokens or 0, self.completion_tokens or 0
        cached = audio_in = reasoning = audio_out = 0
        if (inputs := self.prompt_tokens_details) is not None:
            cached, audio_in = inputs.cached_tokens or 0, inputs.audio_tokens or 0
        if (outputs := self.completion_tokens_details) is not None:
            reasoning, audio_out = outputs.reasoning_tokens or 0, outputs.audio_tokens or 0
        if self.total_tokens == prompt + completion + reasoning:
            completion += reasoning
        return make_usage(
            (Meter.INPUT, prompt - cached - audio_in),
            (Meter.CACHE_READ, cached),
            (Meter.INPUT_AUDIO, audio_in),
            (Meter.OUTPUT, completion - reasoning - audio_out),
            (Meter.REASONING, reasoning),
            (Meter.OUTPUT_AUDIO, audio_out),
        )


class _Answer(msgspec.Struct, gc=False):
    usage: ChatUsage | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    usage = read_view(body, _decoder, _Answer).usage
    return usage.to_usage() if usage is not None else None
