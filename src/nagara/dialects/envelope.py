"""Reasoning signatures of one provider, carried by callers who speak another dialect.

A provider that thinks wants its signed reasoning back in the next turn, unchanged. A caller of
another dialect keeps it for us in that dialect's own opaque place (`encrypted_content`,
`signature`, `reasoning_details`): the value is put in an envelope that says who made it, so that
the next turn returns it to that maker alone, whoever serves that turn.

An envelope is base64 in the letters that are safe in URLs, from its first letter on: Gemini's
`thoughtSignature` is bytes, which Google's SDK decodes and writes again, and the other places take
any text. So whoever carries it, a request that holds one can be told by its first letters.
"""

import base64
import binascii

import msgspec

from nagara.domain.messages import Signature

PREFIX = "nagara1-"
"""What every envelope begins with, so that one can be told from a provider's own value. Eight
letters, so that what follows stays base64 of its own."""

_MARK = PREFIX.encode()

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[str, str, str | None])


def enclose(signature: Signature) -> str:
    """The signature as text that a caller may keep."""
    packed = _encoder.encode((signature.maker, signature.value, signature.text))
    return PREFIX + base64.urlsafe_b64encode(packed).decode()


def disclose(value: str) -> Signature:
    """The signature in an envelope; any other value is one of the caller's own dialect."""
    if not value.startswith(PREFIX):
        return Signature(value)
    try:
        # Some readers of base64 leave the filling out when they write it again.
        text = value[len(PREFIX) :].rstrip("=")
        maker, inner, kept = _decoder.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        )
    except (binascii.Error, msgspec.DecodeError, ValueError):
        # Cut or altered on its way: no provider would know it, so none is given it.
        return Signature(value)
    return Signature(inner, maker, kept)


def is_in(body: bytes) -> bool:
    """Whether there may be an envelope somewhere in a body."""
    # `in` would first raise and drop an error that says that bytes are no number.
    return body.find(_MARK) >= 0
