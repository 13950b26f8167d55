"""Blocks of other dialects that callers keep for us in `reasoning_details`, for the next turn.

Chat Completions has no place for a search that a provider ran, or for a block that only one dialect
knows, yet the provider that made it may want it back. Each becomes an entry of the type
`reasoning.encrypted` with a format of ours, which clients send back unchanged without reading it.
So does the signature of a tool call, whose id the entry bears.
"""

from nagara.dialects import envelope
from nagara.dialects.openai_chat.reasoning_details import ENCRYPTED
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.dialects.sealed_parts import Sealable, pack_part, unpack_part
from nagara.domain.messages import Signature, ToolCall

BLOCK_FORMAT, CALL_FORMAT = "nagara-block", "nagara-call"


def encode_block(block: Sealable, index: int) -> DetailWire | None:
    """The entry that keeps the block; None where there is nothing of it to give back."""
    if block.raw is None:
        return None
    data = envelope.enclose(Signature(pack_part(block)))
    return DetailWire(type=ENCRYPTED, data=data, format=BLOCK_FORMAT, index=index)


def decode_block(detail: DetailWire) -> Sealable | None:
    """The block in an entry; None if it was altered on its way."""
    return unpack_part(envelope.disclose(detail.data or "").value)


def encode_call_signature(call: ToolCall, call_id: str, index: int) -> DetailWire | None:
    """The entry that keeps a tool call's signature; None if it has none."""
    if call.signature is None:
        return None
    data = envelope.enclose(call.signature)
    return DetailWire(type=ENCRYPTED, data=data, format=CALL_FORMAT, id=call_id, index=index)
