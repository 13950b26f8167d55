"""`usage` of Chat Completions and of embeddings, as disjoint meters and back.

The rule of inclusion is OpenAI's: cached, cache-written, audio and image tokens lie inside
`prompt_tokens`; reasoning, audio and image tokens inside `completion_tokens`. The meters of one
side always add up to that side's total: a detail that is more than what is left of it is cut.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

import msgspec

from nagara.domain.usage import Meter, Usage

# Every answer has these. A member of an enum is looked up by a function, as often as it is named.
_INPUT, _OUTPUT = Meter.INPUT, Meter.OUTPUT


class PromptDetails(msgspec.Struct, gc=False):
    """`prompt_tokens_details`: parts of `prompt_tokens`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """`completion_tokens_details`: parts of `completion_tokens`."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class ServerToolUse(msgspec.Struct, gc=False):
    """OpenRouter's count of what its own tools did."""

    web_search_requests: int | None = None


class ChatUsage(msgspec.Struct, gc=False):
    """`usage` as OpenAI reports it, and where other servers keep the same counts.

    Cached tokens are `cached_tokens` at Moonshot and Together, `num_cached_tokens` at Mistral and
    `prompt_cache_hit_tokens` at DeepSeek: beside the totals, but parts of `prompt_tokens` too.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cached_tokens: int | None = None
    num_cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    reasoning_tokens: int | None = None
    num_search_queries: int | None = None
    server_tool_use: ServerToolUse | None = None
    server_tool_use_details: ServerToolUse | None = None

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        if prompt is None and completion is None:
            return None
        counts: dict[Meter, int] = {}
        # Every answer comes by here, and most details are zero: those cost no call.
        rest = 0 if prompt is None or prompt < 0 else prompt
        cached = self.cached_tokens or self.num_cached_tokens or self.prompt_cache_hit_tokens
        inputs = self.prompt_tokens_details
        if inputs is not None:
            cached = inputs.cached_tokens or cached
        if cached:
            rest = _take(counts, rest, Meter.CACHE_READ, cached)
        if inputs is not None:
            if inputs.cache_write_tokens:
                rest = _take(counts, rest, Meter.CACHE_WRITE_5M, inputs.cache_write_tokens)
            if inputs.audio_tokens:
                rest = _take(counts, rest, Meter.INPUT_AUDIO, inputs.audio_tokens)
            if inputs.image_tokens:
                rest = _take(counts, rest, Meter.INPUT_IMAGE, inputs.image_tokens)
        if rest:
            counts[_INPUT] = rest
        rest = self._all_completion()
        reasoning = self.reasoning_tokens
        outputs = self.completion_tokens_details
        if outputs is not None:
            reasoning = outputs.reasoning_tokens or reasoning
        if reasoning:
            rest = _take(counts, rest, Meter.REASONING, reasoning)
        if outputs is not None:
            if outputs.audio_tokens:
                rest = _take(counts, rest, Meter.OUTPUT_AUDIO, outputs.audio_tokens)
            if outputs.image_tokens:
                rest = _take(counts, rest, Meter.OUTPUT_IMAGE, outputs.image_tokens)
        if rest:
            counts[_OUTPUT] = rest
        if self.server_tool_use_details or self.server_tool_use or self.num_search_queries:
            counts |= self._searches()
        return Usage(counts)

    def _searches(self) -> dict[Meter, int]:
        counted = self.server_tool_use_details or self.server_tool_use
        count = counted.web_search_requests if counted is not None else None
        count = count or self.num_search_queries or 0
        return {Meter.SEARCHES: count} if count > 0 else {}

    def _all_completion(self) -> int:
        """Output tokens, with those that only the total shows: thoughts that a server leaves out.

        xAI leaves reasoning out of `completion_tokens` and names it; Gemini's compatible endpoint
        leaves thoughts out and names them nowhere.
        """
        completion, total = self.completion_tokens, self.total_tokens
        if completion is None:
            return 0
        if total is not None:
            beside = total - (self.prompt_tokens or 0)
            if beside > completion:
                completion = beside
        if completion < 0:
            return 0
        return completion


def _take(counts: dict[Meter, int], left: int, meter: Meter, count: int) -> int:
    """Count a detail, cut to what is left of its total, under its meter; what is left then."""
    if count < 0 or not left:
        return left
    counts[meter] = taken = min(count, left)
    return left - taken


def encode_usage(usage: Usage) -> dict[str, object]:
    """The wire's `usage` of these meters."""
    counts = usage.quantities
    prompt_details = {
        "cached_tokens": usage.cached_tokens,
        "audio_tokens": counts.get(Meter.INPUT_AUDIO, 0),
    }
    written = counts.get(Meter.CACHE_WRITE_5M, 0) + counts.get(Meter.CACHE_WRITE_1H, 0)
    _add_if_any(prompt_details, "cache_write_tokens", written)
    _add_if_any(prompt_details, "image_tokens", counts.get(Meter.INPUT_IMAGE, 0))
    completion_details = {
        "reasoning_tokens": counts.get(Meter.REASONING, 0),
        "audio_tokens": counts.get(Meter.OUTPUT_AUDIO, 0),
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    _add_if_any(completion_details, "image_tokens", counts.get(Meter.OUTPUT_IMAGE, 0))
    encoded: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": completion_details,
    }
    if searches := counts.get(Meter.SEARCHES, 0):
        encoded["server_tool_use_details"] = {"web_search_requests": searches}
    return encoded


def _add_if_any(details: dict[str, int], name: str, count: int) -> None:
    # Newer names than most clients know: given only where there is something to say.
    if count:
        details[name] = count
