"""What an answer holds for its provider's next turn, and this dialect has no place for.

A signed tool call (Gemini's), a redacted thought, the sealed results of another provider's own
search: the next turn must bring them back unchanged. Callers of this dialect keep one opaque thing
and send it back as it is, the `encrypted_content` of a reasoning item. So each such part travels in
a reasoning item of its own, beside what the caller can see of it, in an envelope whose maker's name
begins with `#`; when the item comes back, its part is put in its place again.

Only whole envelopes are trusted: one that was cut or altered is a signature that nobody knows.
"""

from collections.abc import Iterator

import msgspec

from nagara.dialects.envelope import enclose
from nagara.domain.messages import HostedCall, HostedResult, Opaque, Part, Signature, ToolCall

_CALL, _REDACTED, _PARTS = "#call", "#redacted", "#parts"


class _Parts(msgspec.Struct, frozen=True):
    """Parts of a foreign dialect that the item `shown_as` stands for in the caller's eyes.

    Their raw JSON is text beside them: a field that may be raw or absent cannot be decoded.
    """

    shown_as: str | None = None
    call: HostedCall | None = None
    call_raw: str | None = None
    result: HostedResult | None = None
    result_raw: str | None = None
    opaque: tuple[str, str, str] | None = None


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
    replace = msgspec.structs.replace
    held = _Parts(
        shown_as,
        None if call is None else replace(call, raw=None),
        None if call is None else _as_text(call.raw),
        None if result is None else replace(result, raw=None),
        None if result is None else _as_text(result.raw),
        None if opaque is None else (opaque.dialect, opaque.type, bytes(opaque.raw).decode()),
    )
    return enclose(Signature(_encoder.encode(held).decode(), _PARTS))


def _as_text(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None else bytes(raw).decode()


def _take_out(held: _Parts) -> Iterator[Part]:
    """The parts with their raw JSON."""
    replace = msgspec.structs.replace
    if held.call is not None:
        yield replace(held.call, raw=_as_raw(held.call_raw))
    if held.result is not None:
        yield replace(held.result, raw=_as_raw(held.result_raw))
    if held.opaque is not None:
        dialect, kind, raw = held.opaque
        yield Opaque(dialect=dialect, type=kind, raw=msgspec.Raw(raw.encode()))


def _as_raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


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
                return Restored(parts=tuple(_take_out(held)), shown_as=held.shown_as)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return None


def sign_call(call: ToolCall, signature: Signature) -> ToolCall:
    """The call with the signature that came back beside it."""
    return msgspec.structs.replace(call, signature=signature)
