"""Blocks of an answer as our parts: what whole answers and streams have in common.

A tool that Bedrock ran itself is a hosted call with its result, never a call for the caller; it
keeps its block as it came, so that the next turn can give it back.
"""

import base64
import binascii

import msgspec

from nagara.dialects.bedrock_converse.wire import (
    NAME,
    CitationLocation,
    MediaBlock,
    Span,
    ToolResultBlock,
    ToolResultContent,
    ToolUse,
    WireCitation,
    decode_wire,
)
from nagara.dialects.json_fields import NULL, decode_untyped, encode_raw
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Reasoning,
    Signature,
    ToolCall,
)

SERVER_TOOL_USE = "server_tool_use"
NOT_TEXT = "base64:"
"""What begins a redacted value that is no text, and so is kept as the wire has it."""

# https://docs.aws.amazon.com/nova/latest/nova2-userguide/using-tools.html
HOSTED_KINDS = {
    "nova_code_interpreter": HostedKind.CODE_EXECUTION,
    "nova_grounding": HostedKind.WEB_SEARCH,
}

_MEDIA_TYPES = {"mp3": "audio/mpeg", "jpg": "image/jpeg"}

_result_decoder = msgspec.json.Decoder(ToolResultContent)


def decode_call(use: ToolUse, raw: msgspec.Raw) -> ToolCall | HostedCall:
    """A call, for whoever is to run it; `raw` is its whole block."""
    arguments = bytes(use.input).decode() if use.input and use.input != NULL else "{}"
    # The type is all that tells a call which Bedrock runs from one which the caller must run.
    if use.type != SERVER_TOOL_USE:
        return ToolCall(id=use.tool_use_id, name=use.name, arguments=arguments)
    kind = HOSTED_KINDS.get(use.name, HostedKind.OTHER)
    return HostedCall(
        id=use.tool_use_id, kind=kind, name=use.name, arguments=arguments, dialect=NAME, raw=raw
    )


def decode_result(result: ToolResultBlock, raw: msgspec.Raw) -> HostedResult:
    """What came of a hosted call. A result's type is its tool's name and `_result`."""
    name = (result.type or "").removesuffix("_result")
    pieces = [decode_wire(piece, _result_decoder) for piece in result.content]
    return HostedResult(
        call_id=result.tool_use_id,
        kind=HOSTED_KINDS.get(name, HostedKind.OTHER),
        name=name,
        output="\n".join(p.text if p.text is not None else bytes(p.json).decode() for p in pieces)
        or None,
        is_error=result.status == "error",
        dialect=NAME,
        raw=raw,
    )


def encode_call(use: ToolUse) -> msgspec.Raw:
    """The block of a hosted call that a stream gave in pieces."""
    fields = {"toolUseId": use.tool_use_id, "name": use.name, "input": use.input, "type": use.type}
    return encode_raw({"toolUse": fields})


def encode_result(result: ToolResultBlock) -> msgspec.Raw:
    """The block of a hosted call's result that a stream gave in pieces."""
    fields = {"toolUseId": result.tool_use_id, "content": result.content}
    said = {"status": result.status, "type": result.type}
    return encode_raw({"toolResult": fields | {k: v for k, v in said.items() if v is not None}})


def read_input(text: str) -> msgspec.Raw:
    """The input of a hosted call: the JSON that its pieces make, or the text itself."""
    data = text.encode(errors="replace")
    try:
        decode_untyped(data)
    except ValueError:
        return encode_raw(text)
    return msgspec.Raw(data)


def decode_redacted(blob: str, maker: str) -> Reasoning:
    """Reasoning that only its maker can read.

    The blob is Anthropic's own `data`, which is text, in base64 once more: undone here, so that the
    same block is the same value wherever Claude is called.
    """
    try:
        value = base64.b64decode(blob, validate=True).decode()
    except (binascii.Error, ValueError):
        value = NOT_TEXT + blob
    return Reasoning(signature=Signature(value, maker), is_redacted=True)


def encode_redacted(value: str) -> str:
    """The blob for a redacted value."""
    if value.startswith(NOT_TEXT):
        return value[len(NOT_TEXT) :]
    return base64.b64encode(value.encode(errors="replace")).decode()


def decode_media(block: MediaBlock, kind: MediaKind) -> Media:
    """A piece of media that the model made."""
    media_type = _MEDIA_TYPES.get(block.format, f"{kind.value}/{block.format}")
    data = block.source.bytes if block.source is not None else None
    return Media(kind=kind, media_type=media_type, data=data or "")


def decode_citation(wire: WireCitation) -> Citation:
    """A citation of the text that it belongs to as a whole."""
    cited_text = "".join(piece.text for piece in wire.source_content) or None
    location = wire.location or CitationLocation()
    if location.web is not None or (wire.source or "").startswith(("https://", "http://")):
        url = (location.web.url if location.web is not None else None) or wire.source
        return Citation(kind=CitationKind.URL, url=url, title=wire.title, cited_text=cited_text)
    # A search result of the request is counted as its documents are: from 0, in its own list.
    unit, span = _find_span(location)
    return Citation(
        kind=CitationKind.DOCUMENT,
        title=wire.title,
        cited_text=cited_text,
        document_index=span.document_index
        if span.document_index is not None
        else span.search_result_index,
        location=unit,
        location_start=span.start,
        location_end=span.end,
    )


def _find_span(location: CitationLocation) -> tuple[str | None, Span]:
    if location.document_char is not None:
        return "char", location.document_char
    if location.document_page is not None:
        return "page", location.document_page
    block = location.document_chunk or location.search_result_location
    return ("block", block) if block is not None else (None, Span())
