"""Whole answers and streams' common parts: a message of an Anthropic server to the canonical one.

Fields that the hub does not model (`container`, `context_management`, `stop_details`) are kept raw.
Servers that only resemble Anthropic's leave things out; nothing but the content has to be there.

Source: https://docs.anthropic.com/en/api/messages
"""

import msgspec

from nagara.dialects.anthropic_messages.block_decoder import decode_blocks
from nagara.dialects.anthropic_messages.error import read_failure
from nagara.dialects.anthropic_messages.finish import decode_finish
from nagara.dialects.anthropic_messages.response import MessagesUsage
from nagara.dialects.anthropic_messages.usage import decode_service_tier
from nagara.dialects.anthropic_messages.wire import (
    NAME,
    blame_upstream,
    check_text,
    decode_leniently,
)
from nagara.dialects.base import NOTHING
from nagara.dialects.codec import Target
from nagara.domain.events import Choice, Response
from nagara.domain.messages import NO_EXTRAS, Extras, ToolCall


class WireMessage(msgspec.Struct, gc=False):
    """A message as an answer has it, whole or at the beginning of a stream."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MessagesUsage | None = None
    container: msgspec.Raw = NOTHING
    context_management: msgspec.Raw = NOTHING
    stop_details: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(WireMessage)


def decode_response(body: bytes, target: Target) -> Response:
    """The answer. Raises `GatewayError` for what cannot be read, or is an error itself."""
    check_text(msgspec.Raw(body))
    wire = decode_leniently(_decoder.decode, body)
    # Some compatible servers answer 200 and then say that they failed.
    if wire.type == "error":
        raise read_failure(wire.error, target.provider)
    if wire.content is None:
        raise blame_upstream("content", "is missing")
    usage = wire.usage
    parts = decode_blocks(wire.content, "content", blame_upstream, target.maker)
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    return Response(
        dialect=NAME,
        id=wire.id,
        model=wire.model,
        choices=(
            Choice(
                parts=parts,
                finish=decode_finish(wire.stop_reason, has_calls=has_calls),
                native_finish=wire.stop_reason,
                explanation=read_explanation(wire.stop_details),
                stop_sequence=wire.stop_sequence,
                extras=keep(stop_details=wire.stop_details),
            ),
        ),
        usage=None if usage is None else usage.to_usage(),
        service_tier=None if usage is None else decode_service_tier(usage.service_tier),
        extras=keep(container=wire.container, context_management=wire.context_management),
    )


def keep(**fields: msgspec.Raw) -> Extras:
    """The fields that are there and not null, copied out of the answer they came in."""
    kept = {name: raw.copy() for name, raw in fields.items() if bytes(raw) not in (b"", b"null")}
    return kept or NO_EXTRAS


class _StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


_details_decoder = msgspec.json.Decoder(_StopDetails | None)


def read_explanation(stop_details: msgspec.Raw) -> str | None:
    """Why the model was stopped, in a sentence; None where that is not said, or not so."""
    if not stop_details:
        return None
    try:
        said = _details_decoder.decode(stop_details)
    except msgspec.DecodeError:
        return None
    return None if said is None else said.explanation
