"""What a whole answer of Gemini's says of usage, for the pass-through lane."""

import msgspec

from nagara.dialects.base import NOTHING, read_view
from nagara.dialects.google_gemini.usage import UsageWire, add_searches, count_searches
from nagara.domain.usage import Usage


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    grounding_metadata: msgspec.Raw = NOTHING


class _Answer(msgspec.Struct, rename="camel", gc=False):
    usage_metadata: UsageWire | None = None
    model_version: str | None = None
    candidates: list[_Candidate] | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    answer = read_view(body, _decoder, _Answer)
    usage = None if answer.usage_metadata is None else answer.usage_metadata.to_usage()
    if usage is None:
        return None
    groundings = [candidate.grounding_metadata for candidate in answer.candidates or ()]
    return add_searches(usage, sum(count_searches(x, answer.model_version) for x in groundings))
