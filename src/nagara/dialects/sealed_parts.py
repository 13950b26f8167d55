"""Parts that only their own dialect can write, as text that a caller keeps for the next turn.

A search that a provider ran, a block that one dialect alone knows: where the caller's dialect has
no place for it, the whole part travels in an envelope in that dialect's opaque place, and is put in
its place again when it comes back. What a caller made of the text meanwhile is a part or nothing.
"""

import msgspec

from nagara.domain.messages import HostedCall, HostedResult, Opaque

Sealable = HostedCall | HostedResult | Opaque


class _Packed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part. Its raw JSON is text beside it: a raw field that may be absent is not decoded."""

    call: HostedCall | None = None
    result: HostedResult | None = None
    opaque: tuple[str, str] | None = None
    raw: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Packed)


def pack_part(part: Sealable) -> str:
    """The part as JSON text."""
    raw = None if part.raw is None else bytes(part.raw).decode()
    match part:
        case HostedCall():
            packed = _Packed(call=msgspec.structs.replace(part, raw=None), raw=raw)
        case HostedResult():
            packed = _Packed(result=msgspec.structs.replace(part, raw=None), raw=raw)
        case Opaque():
            packed = _Packed(opaque=(part.dialect, part.type), raw=raw)
    return _encoder.encode(packed).decode()


def unpack_part(text: str) -> Sealable | None:
    """The part again; None for any other text."""
    try:
        packed = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    raw = None if packed.raw is None else msgspec.Raw(packed.raw.encode())
    if packed.call is not None:
        return msgspec.structs.replace(packed.call, raw=raw)
    if packed.result is not None:
        return msgspec.structs.replace(packed.result, raw=raw)
    if packed.opaque is not None and raw is not None:
        dialect, kind = packed.opaque
        return Opaque(dialect=dialect, type=kind, raw=raw)
    return None
