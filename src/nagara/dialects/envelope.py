"""Reasoning signatures of one provider, carried by callers who speak another dialect.

A provider that thinks wants its signed reasoning back in the next turn, unchanged. A caller of
another dialect keeps it for us in that dialect's own opaque place (`encrypted_content`,
`signature`, `reasoning_details`): the value is put in an envelope that says who made it, so that
the next turn returns it to that maker alone, whoever serves that turn.

An envelope is text of letters, digits, `-`, `_` and `.`, which every one of those places takes.
"""

import base64
import binascii

import msgspec

from nagara.domain.messages import Signature

PREFIX = "nagara1."
"""What every envelope begins with, so that one can be told from a provider's own value."""

IN_BASE64 = "bmFnYXJhMS"
"""What one begins with where its text is put into base64 again, in either alphabet."""

_MARKS = (PREFIX.encode(), IN_BASE64.encode())

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[str, str, str | None])


def enclose(signature: Signature) -> str:
    """The signature as text that a caller may keep."""
    packed = _encoder.encode((signature.maker, signature.value, signature.text))
    return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def disclose(value: str) -> Signature:
    """The signature in an envelope; any other value is one of the caller's own dialect."""
    if not value.startswith(PREFIX):
        return Signature(value)
    try:
        text = value[len(PREFIX) :]
        maker, inner, kept = _decoder.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        )
    except (binascii.Error, msgspec.DecodeError, ValueError):
        # Cut or altered on its way: no provider would know it, so none is given it.
        return Signature(value)
    return Signature(inner, maker, kept)


def is_in(body: bytes) -> bool:
    """Whether there may be an envelope somewhere in a body, in whichever dialect's form."""
    return any(mark in body for mark in _MARKS)
