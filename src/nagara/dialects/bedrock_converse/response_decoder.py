"""Whole answers of Converse to the hub.

An answer has neither an id nor a time, and does not name its model.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import msgspec

from nagara.dialects.bedrock_converse.blocks import (
    decode_call,
    decode_citation,
    decode_media,
    decode_redacted,
    decode_result,
)
from nagara.dialects.bedrock_converse.finish import decode_finish
from nagara.dialects.bedrock_converse.usage import decode_usage
from nagara.dialects.bedrock_converse.wire import (
    NAME,
    AdditionalFields,
    Answer,
    CitationsContent,
    ContentBlock,
    ReasoningContent,
    decode_wire,
)
from nagara.dialects.codec import Target
from nagara.domain.errors import GatewayError
from nagara.domain.events import Choice, Response
from nagara.domain.messages import (
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
)

_answer_decoder = msgspec.json.Decoder(Answer)
_block_decoder = msgspec.json.Decoder(ContentBlock)
_fields_decoder = msgspec.json.Decoder(AdditionalFields)
_names_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_response(body: bytes, target: Target) -> Response:
    """A whole answer. Raises `GatewayError` (UPSTREAM_PROTOCOL) for what cannot be read."""
    answer = decode_wire(body, _answer_decoder)
    message = answer.output.message if answer.output is not None else None
    blocks = (message.content if message is not None else None) or []
    decoded = (decode_block(block, target.maker) for block in blocks)
    parts = tuple(part for part in decoded if part is not None)
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(
        parts=parts,
        finish=decode_finish(answer.stop_reason, has_calls=has_calls),
        native_finish=answer.stop_reason,
        stop_sequence=read_stop_sequence(answer.additional_model_response_fields),
    )
    return Response(
        dialect=NAME,
        choices=(choice,),
        usage=decode_usage(answer.usage),
        service_tier=answer.service_tier.type if answer.service_tier is not None else None,
    )


def decode_block(raw: msgspec.Raw, maker: str) -> Part | None:
    """One block of the model's turn; None for an empty text, which says nothing."""
    block = decode_wire(raw, _block_decoder)
    if block.text is not None:
        return Text(block.text) if block.text else None
    if block.tool_use is not None:
        return decode_call(block.tool_use, raw)
    if block.reasoning_content is not None:
        return _decode_reasoning(block.reasoning_content, maker)
    if block.citations_content is not None:
        return _decode_cited(block.citations_content)
    if block.tool_result is not None:
        return decode_result(block.tool_result, raw)
    if block.image is not None:
        return decode_media(block.image, MediaKind.IMAGE)
    if block.audio is not None:
        return decode_media(block.audio, MediaKind.AUDIO)
    # AWS adds kinds of blocks without a new version: kept for the next turn, and named.
    name = next(iter(decode_wire_names(raw)), "")
    return Opaque(dialect=NAME, type=name, raw=raw)


def decode_wire_names(raw: msgspec.Raw) -> list[str]:
    """The names of an object's fields."""
    try:
        return list(_names_decoder.decode(raw))
    except (msgspec.DecodeError, RecursionError):
        return []


def read_stop_sequence(fields: msgspec.Raw) -> str | None:
    """The stop sequence that the model came upon, where it was asked to say so.

    These fields are the model's own affair, so whatever is in them spoils no answer.
    """
    try:
        return decode_wire(fields, _fields_decoder).stop_sequence if bytes(fields) else None
    except GatewayError:
        return None


def _decode_reasoning(content: ReasoningContent, maker: str) -> Reasoning | None:
    if content.redacted_content is not None:
        return decode_redacted(content.redacted_content, maker)
    said = content.reasoning_text
    if said is None or not (said.text or said.signature):
        return None
    signature = Signature(said.signature, maker) if said.signature else None
    return Reasoning(text=said.text, signature=signature)


def _decode_cited(content: CitationsContent) -> Text:
    return Text(
        "".join(piece.text for piece in content.content),
        citations=tuple(decode_citation(citation) for citation in content.citations),
    )
