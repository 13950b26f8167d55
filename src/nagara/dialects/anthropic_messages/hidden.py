"""What a Messages caller cannot show but must send back: kept in a block that is opaque to it.

Callers replay `redacted_thinking` untouched. So a hosted tool of another provider, which has no
block here or one that only shows it, and the signature that a tool call of another provider needs,
stand in such a block before what they belong to. Its text begins like every envelope, so that it
never goes to a provider as it is.
"""

import base64
import binascii

import msgspec

from nagara.dialects import envelope
from nagara.dialects.sealed_parts import Sealable, pack_part, unpack_part
from nagara.domain.messages import Signature

PREFIX = f"{envelope.PREFIX}h."
SHOWN_PREFIX = envelope.PREFIX
"""What the ids of blocks begin with that only show a hidden part: they are not read back."""

Hideable = Sealable | Signature


class _Hidden(msgspec.Struct, frozen=True, omit_defaults=True):
    """One hidden thing: a part as it was packed, or a signature."""

    part: str | None = None
    signature: Signature | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Hidden)


def hide(part: Hideable) -> str:
    """The part as the text of a `redacted_thinking`. A signature belongs to the block after it."""
    if isinstance(part, Signature):
        hidden = _Hidden(signature=part)
    else:
        hidden = _Hidden(part=pack_part(part))
    return PREFIX + base64.urlsafe_b64encode(_encoder.encode(hidden)).decode()


def reveal(data: str) -> Hideable | None:
    """The hidden part; None for what was hidden by nobody, or altered on its way."""
    text = data[len(PREFIX) :].rstrip("=")
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        hidden = _decoder.decode(packed)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return None
    return unpack_part(hidden.part) if hidden.part is not None else hidden.signature


def is_hidden(data: str) -> bool:
    """Whether the text of a `redacted_thinking` is ours."""
    return data.startswith(PREFIX)
