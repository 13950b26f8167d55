"""Signatures for callers of Gemini's dialect: our envelopes, in base64.

`thoughtSignature` is bytes, so Google's SDK decodes its base64 and writes it again, in the letters
that are safe in URLs. Other envelopes' text is no base64, so here it is put into some. Google's
own values are left as they are: whoever made them takes either alphabet.
"""

import base64
import binascii

from nagara.dialects import envelope
from nagara.domain.messages import Signature

STAND_IN = "skip_thought_signature_validator"
"""Google's own word for a call that another model made, or that lost its signature.

https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
"""


def enclose(signature: Signature) -> str:
    """The signature as base64 that a caller may keep."""
    return base64.urlsafe_b64encode(envelope.enclose(signature).encode()).decode()


def disclose(value: str) -> Signature:
    """The signature in an envelope; any other value is Google's own."""
    if not value.startswith(envelope.IN_BASE64):
        return Signature(value)
    try:
        padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
        return envelope.disclose(base64.urlsafe_b64decode(padded).decode())
    except (binascii.Error, ValueError):
        # Cut or altered on its way: no provider would know it.
        return Signature(value)
