"""What an answer holds for its provider's next turn, and this dialect has no place for.

A signed tool call (Gemini's), a redacted thought, the sealed results of another provider's own
search: the next turn must bring them back unchanged. Callers of this dialect keep one opaque thing
and send it back as it is, the `encrypted_content` of a reasoning item. So each such part travels in
a reasoning item of its own, beside what the caller can see of it, in an envelope whose maker's name
begins with `#`; when the item comes back, its part is put in its place again.

Only whole envelopes are trusted: one that was cut or altered is a signature that nobody knows.
"""

from typing import Any

import msgspec

from nagara.dialects.envelope import enclose
from nagara.domain.messages import HostedCall, HostedResult, Opaque, Part, Signature, ToolCall

_CALL, _REDACTED, _PARTS = "#call", "#redacted", "#parts"


class _Parts(msgspec.Struct, frozen=True):
    """Parts of a foreign dialect that the item `shown_as` stands for in the caller's eyes."""

    shown_as: str | None = None
    call: HostedCall | None = None
    result: HostedResult | None = None
    opaque: Opaque | None = None


_encoder = msgspec.json.Encoder()
_parts_decoder = msgspec.json.Decoder(_Parts)
_call_decoder = msgspec.json.Decoder(tuple[str, str, str])
_redacted_decoder = msgspec.json.Decoder(tuple[str, str])


def enclose_call_signature(call_id: str, signature: Signature) -> str:
    """The signature of the tool call that the caller knows by this id."""
    packed = _encoder.encode((call_id, signature.maker, signature.value))
    return enclose(Signature(packed.decode(), _CALL))


def enclose_redacted(signature: Signature) -> str:
    """Reasoning of which its provider shows nothing."""
    packed = _encoder.encode((signature.maker, signature.value))
    return enclose(Signature(packed.decode(), _REDACTED))


def enclose_parts(
    shown_as: str | None,
    call: HostedCall | None = None,
    result: HostedResult | None = None,
    opaque: Opaque | None = None,
) -> str:
    """Parts that only their own dialect can write; `shown_as` is the item that tells of them."""
    packed = _encoder.encode(_Parts(shown_as, call, result, opaque))
    return enclose(Signature(packed.decode(), _PARTS))


class Restored(msgspec.Struct, frozen=True):
    """What was in an envelope: a signature for a call, a redacted thought, or whole parts."""

    parts: tuple[Part, ...] = ()
    shown_as: str | None = None
    call_id: str | None = None
    signature: Signature | None = None


def restore(signature: Signature) -> Restored | None:
    """What this envelope of ours holds; None if it is an ordinary signature."""
    try:
        match signature.maker:
            case "#call":
                call_id, maker, value = _call_decoder.decode(signature.value)
                return Restored(call_id=call_id, signature=Signature(value, maker))
            case "#redacted":
                maker, value = _redacted_decoder.decode(signature.value)
                return Restored(signature=Signature(value, maker))
            case "#parts":
                held = _parts_decoder.decode(signature.value)
                found: tuple[Any, ...] = (held.call, held.result, held.opaque)
                kept = tuple(part for part in found if part is not None)
                return Restored(parts=kept, shown_as=held.shown_as)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return None


def sign_call(call: ToolCall, signature: Signature) -> ToolCall:
    """The call with the signature that came back beside it."""
    return msgspec.structs.replace(call, signature=signature)
