"""Blocks of other dialects that callers keep for us in `reasoning_details`, for the next turn.

Chat Completions has no place for a search that a provider ran, or for a block that only one dialect
knows, yet the provider that made it may want it back. Each becomes an entry of the type
`reasoning.encrypted` with a format of ours, which clients send back unchanged without reading it.
So does the signature of a tool call, whose id the entry bears.
"""

import msgspec

from nagara.dialects import envelope
from nagara.dialects.openai_chat.reasoning_details import ENCRYPTED
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    HostedResult,
    Opaque,
    Signature,
    Source,
    ToolCall,
)

BLOCK_FORMAT, CALL_FORMAT = "nagara-block", "nagara-call"

Block = HostedCall | HostedResult | Opaque


class _Kept(msgspec.Struct, omit_defaults=True):
    """A block as JSON; `part` says which kind, and `raw` is JSON text."""

    part: str
    dialect: str
    raw: str
    id: str = ""
    kind: HostedKind = HostedKind.OTHER
    name: str = ""
    arguments: str = ""
    sources: tuple[Source, ...] = ()
    output: str | None = None
    is_error: bool = False
    signature: Signature | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Kept)


def encode_block(block: Block, index: int) -> DetailWire | None:
    """The entry that keeps the block; None where there is nothing of it to give back."""
    if block.raw is None:
        return None
    kept = _Kept(part="opaque", dialect=block.dialect, raw=bytes(block.raw).decode())
    match block:
        case HostedCall():
            kept.part, kept.id, kept.arguments = "call", block.id, block.arguments
        case HostedResult():
            kept.part, kept.id, kept.output = "result", block.call_id, block.output
            kept.sources, kept.is_error = block.sources, block.is_error
        case Opaque():
            kept.name = block.type
    if not isinstance(block, Opaque):
        kept.kind, kept.name, kept.signature = block.kind, block.name, block.signature
    data = envelope.enclose(Signature(_encoder.encode(kept).decode()))
    return DetailWire(type=ENCRYPTED, data=data, format=BLOCK_FORMAT, index=index)


def decode_block(detail: DetailWire) -> Block | None:
    """The block in an entry; None if it was altered on its way."""
    try:
        kept = _decoder.decode(envelope.disclose(detail.data or "").value)
    except msgspec.DecodeError:
        return None
    raw = msgspec.Raw(kept.raw.encode())
    if kept.part == "call":
        return HostedCall(
            id=kept.id,
            kind=kept.kind,
            name=kept.name,
            arguments=kept.arguments,
            dialect=kept.dialect,
            raw=raw,
            signature=kept.signature,
        )
    if kept.part == "result":
        return HostedResult(
            call_id=kept.id,
            kind=kept.kind,
            name=kept.name,
            sources=kept.sources,
            output=kept.output,
            is_error=kept.is_error,
            dialect=kept.dialect,
            raw=raw,
            signature=kept.signature,
        )
    return Opaque(dialect=kept.dialect, type=kept.name, raw=raw)


def encode_call_signature(call: ToolCall, call_id: str, index: int) -> DetailWire | None:
    """The entry that keeps a tool call's signature; None if it has none."""
    if call.signature is None:
        return None
    data = envelope.enclose(call.signature)
    return DetailWire(type=ENCRYPTED, data=data, format=CALL_FORMAT, id=call_id, index=index)
