"""What a Chat Completions answer says of usage. Embeddings report in the same shape."""

import msgspec

from nagara.dialects.base import read_view
from nagara.dialects.openai_chat.usage import ChatUsage
from nagara.dialects.service_tier import note_tier
from nagara.domain.usage import Usage


class _Answer(msgspec.Struct, gc=False):
    usage: ChatUsage | None = None
    service_tier: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes) -> Usage | None:
    """Usage of an unstreamed answer, None if it has none. Raises `GatewayError` if not JSON."""
    answer = read_view(body, _decoder, _Answer)
    if answer.usage is None:
        return None
    usage = answer.usage.to_usage()
    return usage if answer.service_tier is None else note_tier(usage, answer.service_tier)
