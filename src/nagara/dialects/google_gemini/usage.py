"""Usage as Gemini counts it, both ways.

`promptTokenCount` has the cached tokens inside, and `candidatesTokenCount` its audio and images.
What a tool that Google ran put into the prompt (`toolUsePromptTokenCount`) lies beside the prompt,
and thoughts lie beside the candidates: the four add up to the total. Video and documents are billed
as text is; audio and images apart.

https://ai.google.dev/api/generate-content#UsageMetadata
"""

import re
from typing import Any

import msgspec

from nagara.dialects.google_gemini.wire import ModalityWire
from nagara.dialects.service_tier import google_tier, note_tier
from nagara.domain.usage import Meter, Usage, make_usage

_Details = list[ModalityWire] | None


class UsageWire(msgspec.Struct, rename="camel", gc=False):
    """`usageMetadata`."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: _Details = None
    cache_tokens_details: _Details = None
    candidates_tokens_details: _Details = None
    tool_use_prompt_tokens_details: _Details = None
    service_tier: str | None = None

    @property
    def has_counts(self) -> bool:
        """Whether it counts anything."""
        return self.prompt_token_count is not None or self.candidates_token_count is not None

    def to_usage(self) -> Usage | None:
        """The same as disjoint meters; None when it has no count."""
        return note_tier(self._count(), self.service_tier)

    def _count(self) -> Usage | None:
        if not self.has_counts:
            return None
        cached = self.cached_content_token_count or 0
        told = (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)
        written = self.candidates_token_count or 0
        if not self._has_media():
            # Usage stands in every piece of a stream, and nearly always is of text alone.
            return make_usage(
                (Meter.INPUT, told - cached),
                (Meter.CACHE_READ, cached),
                (Meter.OUTPUT, written),
                (Meter.REASONING, self.thoughts_token_count or 0),
            )
        audio, image = self._input_of("AUDIO"), self._input_of("IMAGE")
        cached_audio = count_of(self.cache_tokens_details, "AUDIO")
        cached_image = count_of(self.cache_tokens_details, "IMAGE")
        audio_out = count_of(self.candidates_tokens_details, "AUDIO")
        image_out = count_of(self.candidates_tokens_details, "IMAGE")
        return make_usage(
            (Meter.INPUT, told - cached - audio - image),
            (Meter.CACHE_READ, cached - cached_audio - cached_image),
            (Meter.CACHE_READ_AUDIO, cached_audio),
            (Meter.CACHE_READ_IMAGE, cached_image),
            (Meter.INPUT_AUDIO, audio),
            (Meter.INPUT_IMAGE, image),
            (Meter.OUTPUT, written - audio_out - image_out),
            (Meter.REASONING, self.thoughts_token_count or 0),
            (Meter.OUTPUT_AUDIO, audio_out),
            (Meter.OUTPUT_IMAGE, image_out),
        )

    def _has_media(self) -> bool:
        """Whether any of the details is not of text."""
        return any(
            row.modality != "TEXT"
            for details in (
                self.prompt_tokens_details,
                self.tool_use_prompt_tokens_details,
                self.candidates_tokens_details,
            )
            if details
            for row in details
        )

    def _input_of(self, modality: str) -> int:
        """Tokens of a kind that were read anew: cached ones are counted as such."""
        read = count_of(self.prompt_tokens_details, modality)
        used = count_of(self.tool_use_prompt_tokens_details, modality)
        return max(0, read + used - count_of(self.cache_tokens_details, modality))


class _Grounding(msgspec.Struct, rename="camel", gc=False):
    web_search_queries: list[str] | None = None


_grounding = msgspec.json.Decoder(_Grounding | None)
_BILLED_BY_PROMPT = re.compile(r"(models/)?gemini-[12]")


def count_searches(grounding: msgspec.Raw, model: str | None) -> int:
    """The searches that are billed for one candidate's grounding.

    Gemini 3 bills each query; earlier models the prompt, whatever number of queries it took.
    https://ai.google.dev/gemini-api/docs/google-search#pricing
    """
    try:
        found = _grounding.decode(grounding) if grounding else None
    except (msgspec.DecodeError, RecursionError):
        return 0
    queries = len(found.web_search_queries or ()) if found is not None else 0
    is_by_prompt = model is not None and _BILLED_BY_PROMPT.match(model) is not None
    return min(queries, 1) if is_by_prompt else queries


def add_searches(usage: Usage, searches: int) -> Usage:
    """The usage with so many searches."""
    if not searches:
        return usage
    quantities = {**usage.quantities, Meter.SEARCHES: searches}
    return msgspec.structs.replace(usage, quantities=quantities)


def count_of(details: _Details, modality: str) -> int:
    """Tokens of one kind of media among the details."""
    if not details:
        return 0
    return sum(row.token_count or 0 for row in details if row.modality == modality)


def write_usage(usage: Usage | None, service_tier: str | None) -> dict[str, Any]:
    """`usageMetadata` of an answer, whoever gave it. The tier stands in it, if it has a word."""
    if usage is None:
        return {}
    tier = google_tier(service_tier)
    return _write_counts(usage) | ({} if tier is None else {"serviceTier": tier})


def _write_counts(usage: Usage) -> dict[str, Any]:
    counts = usage.quantities
    reasoning, cached = counts.get(Meter.REASONING, 0), usage.cached_tokens
    said: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - reasoning,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if cached:
        said["cachedContentTokenCount"] = cached
    if reasoning:
        said["thoughtsTokenCount"] = reasoning
    said |= _write_details(
        "promptTokensDetails",
        said["promptTokenCount"],
        AUDIO=counts.get(Meter.INPUT_AUDIO, 0),
        IMAGE=counts.get(Meter.INPUT_IMAGE, 0),
    )
    return said | _write_details(
        "candidatesTokensDetails",
        said["candidatesTokenCount"],
        AUDIO=counts.get(Meter.OUTPUT_AUDIO, 0),
        IMAGE=counts.get(Meter.OUTPUT_IMAGE, 0),
    )


def _write_details(name: str, total: int, **kinds: int) -> dict[str, Any]:
    if not any(kinds.values()):
        return {}
    rows = {"TEXT": total - sum(kinds.values()), **kinds}
    return {name: [{"modality": kind, "tokenCount": n} for kind, n in rows.items() if n > 0]}
