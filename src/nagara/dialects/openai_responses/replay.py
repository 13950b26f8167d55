"""What an answer holds for its provider's next turn, and this dialect has no place for.

A signed tool call (Gemini's), a redacted thought, the sealed results of another provider's own
search: the next turn must bring them back unchanged. Callers of this dialect keep one opaque thing
and send it back as it is, the `encrypted_content` of a reasoning item. So each such part travels in
a reasoning item of its own, beside what the caller can see of it, in an envelope whose maker's name
begins with `#`; when the item comes back, its part is put in its place again.

Only whole envelopes are trusted: one that was cut or altered is a signature that nobody knows.
"""

import msgspec

from nagara.dialects.envelope import enclose
from nagara.dialects.sealed_parts import Sealable, pack_part, unpack_part
from nagara.domain.messages import Signature, ToolCall

_CALL, _REDACTED, _PART, _UNSIGNED = "#call", "#redacted", "#part", "#unsigned"


_encoder = msgspec.json.Encoder()
_part_decoder = msgspec.json.Decoder(tuple[str | None, str])
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


def enclose_unsigned() -> str:
    """The mark of reasoning that nobody signed.

    OpenAI knows items by their ids and refuses any that it neither keeps nor sealed, so one that
    another provider thought must be known for such when it comes back.
    """
    return enclose(Signature("", _UNSIGNED))


def enclose_part(part: Sealable, shown_as: str | None = None) -> str:
    """A part that only its own dialect can write; `shown_as` is the item that tells of it."""
    packed = _encoder.encode((shown_as, pack_part(part)))
    return enclose(Signature(packed.decode(), _PART))


class Restored(msgspec.Struct, frozen=True):
    """What was in an envelope: a signature for a call, a redacted thought, or a whole part."""

    part: Sealable | None = None
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
            case "#part":
                shown_as, packed = _part_decoder.decode(signature.value)
                return Restored(part=unpack_part(packed), shown_as=shown_as)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return None


def sign_call(call: ToolCall, signature: Signature) -> ToolCall:
    """The call with the signature that came back beside it."""
    return msgspec.structs.replace(call, signature=signature)
