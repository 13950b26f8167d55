"""Converse's counts of tokens as our meters.

`inputTokens` leaves out what was read from the cache or written to it, `outputTokens` includes
reasoning, and the total is the sum of all. What was written for an hour, which costs more, is told
apart in `cacheDetails`.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from nagara.dialects.bedrock_converse.wire import TokenUsage
from nagara.domain.usage import Meter, Usage, make_usage

ONE_HOUR = "1h"


def decode_usage(said: TokenUsage | None) -> Usage | None:
    """The same as disjoint meters; None when it has no count."""
    if said is None or (said.input_tokens is None and said.output_tokens is None):
        return None
    # Some models say `cacheWriteInputTokenCount` as well, which is the same number again.
    details = said.cache_details or []
    one_hour = sum(detail.input_tokens for detail in details if detail.ttl == ONE_HOUR)
    return make_usage(
        (Meter.INPUT, said.input_tokens or 0),
        (Meter.CACHE_READ, said.cache_read_input_tokens or 0),
        (Meter.CACHE_WRITE_5M, (said.cache_write_input_tokens or 0) - one_hour),
        (Meter.CACHE_WRITE_1H, one_hour),
        (Meter.OUTPUT, said.output_tokens or 0),
    )
