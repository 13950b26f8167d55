"""Usage as a Messages caller reads it.

Cached tokens lie beside `input_tokens` here and thinking inside `output_tokens`; what this API
counts no apart (audio, images) is in the two totals. What is zero is written as zero.
"""

from typing import Any

from nagara.domain.usage import Meter, Usage

_UNCACHED = (Meter.INPUT, Meter.INPUT_AUDIO, Meter.INPUT_IMAGE)

# The hub says it in OpenAI's words. https://docs.anthropic.com/en/api/service-tiers
SERVICE_TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}
_TIERS_OUT = {ours: theirs for theirs, ours in SERVICE_TIERS.items()}


def encode_usage(usage: Usage | None) -> dict[str, Any]:
    """`usage` of a message; the parts that are none are left out."""
    # Without usage there are zeros, not nothing: the SDKs want numbers.
    counts = {} if usage is None else usage.quantities
    written_1h = counts.get(Meter.CACHE_WRITE_1H, 0)
    written_5m = counts.get(Meter.CACHE_WRITE_5M, 0)
    encoded: dict[str, Any] = {
        "input_tokens": sum(counts.get(meter, 0) for meter in _UNCACHED),
        "cache_creation_input_tokens": written_5m + written_1h,
        "cache_read_input_tokens": 0 if usage is None else usage.cached_tokens,
        "output_tokens": 0 if usage is None else usage.output_tokens,
    }
    if reasoning := counts.get(Meter.REASONING, 0):
        encoded["output_tokens_details"] = {"thinking_tokens": reasoning}
    if searches := counts.get(Meter.SEARCHES, 0):
        encoded["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
    return encoded


def encode_cache_creation(usage: Usage | None) -> dict[str, int] | None:
    """`cache_creation`, where what was written for an hour has to be told apart."""
    counts = {} if usage is None else usage.quantities
    if Meter.CACHE_WRITE_1H not in counts:
        return None
    return {
        "ephemeral_5m_input_tokens": counts.get(Meter.CACHE_WRITE_5M, 0),
        "ephemeral_1h_input_tokens": counts[Meter.CACHE_WRITE_1H],
    }


def decode_service_tier(tier: str | None) -> str | None:
    """The tier that served the answer."""
    return None if tier is None else SERVICE_TIERS.get(tier, tier)


def encode_service_tier(tier: str | None) -> str | None:
    """The tier in this API's words; None for one that it does not have."""
    return None if tier is None else _TIERS_OUT.get(tier)
