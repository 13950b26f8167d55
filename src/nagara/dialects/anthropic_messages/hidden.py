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
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    HostedResult,
    Opaque,
    Signature,
    Source,
)

PREFIX = f"{envelope.PREFIX}h."
SHOWN_PREFIX = envelope.PREFIX
"""What the ids of blocks begin with that only show a hidden part: they are not read back."""

Hideable = HostedCall | HostedResult | Opaque | Signature


class _Hidden(msgspec.Struct, array_like=True, gc=False):
    """Any hidden part: `form` is the name of its class."""

    form: str
    dialect: str = ""
    raw: str | None = None
    id: str = ""
    kind: str = ""
    name: str = ""
    text: str | None = None
    is_error: bool = False
    sources: tuple[tuple[str, str | None], ...] = ()
    signature: tuple[str, str, str | None] | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Hidden)


def hide(part: Hideable) -> str:
    """The part as the text of a `redacted_thinking`. A signature belongs to the block after it."""
    packed = base64.urlsafe_b64encode(_encoder.encode(_pack(part)))
    return PREFIX + packed.decode().rstrip("=")


def reveal(data: str) -> Hideable | None:
    """The hidden part; None for what was hidden by nobody, or altered on its way."""
    text = data[len(PREFIX) :]
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _unpack(_decoder.decode(packed))
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return None


def is_hidden(data: str) -> bool:
    """Whether the text of a `redacted_thinking` is ours."""
    return data.startswith(PREFIX)


def _pack(part: Hideable) -> _Hidden:
    match part:
        case Signature(value, maker, text):
            return _Hidden("signature", signature=(value, maker, text))
        case Opaque():
            return _Hidden("opaque", part.dialect, bytes(part.raw).decode(), name=part.type)
        case HostedCall():
            return _Hidden(
                "call",
                part.dialect,
                _text(part.raw),
                part.id,
                part.kind,
                part.name,
                part.arguments,
                signature=_signature(part.signature),
            )
        case HostedResult():
            return _Hidden(
                "result",
                part.dialect,
                _text(part.raw),
                part.call_id,
                part.kind,
                part.name,
                part.output,
                part.is_error,
                tuple((source.url, source.title) for source in part.sources),
                _signature(part.signature),
            )


def _unpack(packed: _Hidden) -> Hideable | None:
    # Whatever a caller made of it, what comes out is a part or nothing; kinds are checked here.
    signature = None if packed.signature is None else Signature(*packed.signature)
    raw = None if packed.raw is None else msgspec.Raw(packed.raw.encode())
    if packed.form == "signature":
        return signature
    if packed.form == "opaque" and raw is not None:
        return Opaque(dialect=packed.dialect, type=packed.name, raw=raw)
    if packed.form == "call":
        return HostedCall(
            id=packed.id,
            kind=HostedKind(packed.kind),
            name=packed.name,
            arguments=packed.text or "",
            dialect=packed.dialect,
            raw=raw,
            signature=signature,
        )
    if packed.form == "result":
        return HostedResult(
            call_id=packed.id,
            kind=HostedKind(packed.kind),
            name=packed.name,
            sources=tuple(Source(*source) for source in packed.sources),
            output=packed.text,
            is_error=packed.is_error,
            dialect=packed.dialect,
            raw=raw,
            signature=signature,
        )
    return None


def _text(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None else bytes(raw).decode()


def _signature(signature: Signature | None) -> tuple[str, str, str | None] | None:
    return None if signature is None else (signature.value, signature.maker, signature.text)
