"""`reasoning_details`: reasoning that can be replayed, both ways.

OpenRouter made the field, and we give our callers the same. An entry is a text, a summary, or
something encrypted, and may be signed. What a provider signed must come back as it was, so a
signature is kept as the whole entry without its text, as JSON: whoever made it gets all of it back.
Entries that we write for callers have the format `nagara`, and hold envelopes.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

import msgspec

from nagara.dialects import envelope
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.domain.messages import Reasoning, Signature

FORMAT = "nagara"
TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(DetailWire)
_replace = msgspec.structs.replace


def decode_detail(detail: DetailWire, maker: str) -> Reasoning:
    """The reasoning of one entry. `maker` is empty where a caller sent it."""
    text = detail.text or detail.summary or ""
    signature: Signature | None = None
    if signed := detail.signature or detail.data:
        if detail.format == FORMAT:
            signature = envelope.disclose(signed)
        else:
            kept = _replace(detail, text=None, summary=None)
            signature = Signature(_encoder.encode(kept).decode(), maker)
    return Reasoning(
        text=text,
        signature=signature,
        is_redacted=detail.type == ENCRYPTED,
        is_summary=detail.type == SUMMARY,
        id=detail.id,
    )


def encode_for_caller(part: Reasoning, index: int) -> DetailWire:
    """The entry in which a caller keeps the reasoning for us. `index` counts the entries."""
    signed = envelope.enclose(part.signature) if part.signature is not None else None
    detail = DetailWire(format=FORMAT, index=index, id=part.id)
    if part.is_redacted:
        return _replace(detail, type=ENCRYPTED, data=signed)
    if part.is_summary:
        return _replace(detail, type=SUMMARY, summary=part.text, signature=signed)
    return _replace(detail, type=TEXT, text=part.text, signature=signed)


def encode_for_maker(part: Reasoning, *, is_readable: bool) -> DetailWire | None:
    """The entry as the provider made it; None if there is nothing that it could read."""
    if is_readable and part.signature is not None:
        detail = _read_kept(part.signature.value)
        if detail is None:
            return None
    elif part.text:
        detail = DetailWire(type=SUMMARY if part.is_summary else TEXT)
    else:
        return None
    if detail.type == SUMMARY:
        return _replace(detail, summary=part.text)
    return _replace(detail, text=part.text) if part.text else detail


def _read_kept(value: str) -> DetailWire | None:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        # Not an entry: signed over another of the maker's APIs.
        return None
