"""What a whole answer of Gemini's says of usage, for the pass-through lane."""

import msgspec

from nagara.dialects.base import read_view
from nagara.dialects.google_gemini.usage import UsageWire
from nagara.domain.usage import Usage


class _Answer(msgspec.Struct, rename="camel", gc=False):
    usage_metadata: UsageWire | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    counted = read_view(body, _decoder, _Answer).usage_metadata
    return counted.to_usage() if counted is not None else None
