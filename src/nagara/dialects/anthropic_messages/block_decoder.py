"""Content blocks to parts, of requests and of answers alike.

Every block becomes a part: what the hub does not know stays whole as `Opaque`, so nothing is lost
on the way. A block of a known type with a wrong field is an error that names it.

Source: https://docs.anthropic.com/en/api/messages
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from nagara.dialects import envelope
from nagara.dialects.anthropic_messages.citations import decode_citation
from nagara.dialects.anthropic_messages.documents import decode_document, decode_search_result
from nagara.dialects.anthropic_messages.hidden import SHOWN_PREFIX, is_hidden, reveal
from nagara.dialects.anthropic_messages.hosted import (
    CALL_TYPES,
    decode_hosted_call,
    decode_hosted_result,
    is_result_type,
)
from nagara.dialects.anthropic_messages.wire import (
    NAME,
    CacheControl,
    Fault,
    Reader,
    read_mended,
    read_type,
    read_value,
    wrong_value,
)
from nagara.dialects.base import NOTHING
from nagara.domain.messages import (
    NO_EXTRAS,
    CacheMark,
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)

_DIRECT_CALLER = b'"direct"'


class Place(NamedTuple):
    """Where a block stands, whose mistake it would be, and who made it (None for a caller)."""

    path: str
    fault: Fault
    maker: str | None


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str
    type: str = ""
    citations: list[msgspec.Raw] | None = None
    cache_control: CacheControl | None = None


class _ImageSource(msgspec.Struct, gc=False):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


class _Image(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    source: _ImageSource
    type: str = ""
    cache_control: CacheControl | None = None


class _Thinking(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    type: str = ""


class _ToolUse(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    name: str
    input: msgspec.Raw = NOTHING
    type: str = ""
    cache_control: CacheControl | None = None


class _ToolResult(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    tool_use_id: str
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    type: str = ""
    cache_control: CacheControl | None = None


_text_reader = Reader(_Text)
_image_reader = Reader(_Image)
_thinking_reader = Reader(_Thinking)
_tool_use_reader = Reader(_ToolUse)
_tool_result_reader = Reader(_ToolResult)
_content_decoder = msgspec.json.Decoder(str | list[msgspec.Raw])


def decode_content(
    raw: msgspec.Raw, path: str, fault: Fault, maker: str | None = None
) -> tuple[Part, ...]:
    """The parts of `content`: a text, or blocks. `maker` is who made it, None for a caller."""
    content = read_value(_content_decoder, raw, path, fault)
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return decode_blocks(content, path, fault, maker)


def decode_blocks(
    blocks: Iterable[msgspec.Raw], path: str, fault: Fault, maker: str | None = None
) -> tuple[Part, ...]:
    """The parts of some blocks. What was hidden in one of them is itself again."""
    parts: list[Part] = []
    signature: Signature | None = None
    for index, raw in enumerate(blocks):
        # A signature stands before the block that it belongs to; one before nothing is lost.
        for part in decode_block(raw, f"{path}[{index}]", fault, maker):
            if isinstance(part, Signature):
                signature = part
            elif signature is not None and isinstance(part, ToolCall | Media):
                parts.append(msgspec.structs.replace(part, signature=signature))
                signature = None
            else:
                parts.append(part)
    return tuple(parts)


def decode_block(
    raw: msgspec.Raw, path: str, fault: Fault, maker: str | None = None
) -> Sequence[Part | Signature]:
    """The parts that one block stands for, nearly always one."""
    place = Place(path, fault, maker)

    def read(data: bytes) -> Sequence[Part | Signature]:
        return _decode_block(msgspec.Raw(data), place)

    return read_mended(read, bytes(raw), path, fault)


def _decode_block(raw: msgspec.Raw, place: Place) -> Sequence[Part | Signature]:
    block_type = read_type(raw, place.path, place.fault)
    decode = _DECODERS.get(block_type)
    if decode is not None:
        return decode(raw, place)
    if not block_type:
        raise place.fault(f"{place.path}.type", "is missing")
    if block_type in CALL_TYPES or is_result_type(block_type):
        return _decode_hosted(raw, block_type, place.path, place.fault)
    return (Opaque(dialect=NAME, type=block_type, raw=raw),)


def mark_of(control: CacheControl | None) -> CacheMark | None:
    """The mark of a block's `cache_control`."""
    return None if control is None else control.to_mark()


def make_signature(value: str | None, maker: str | None) -> Signature | None:
    """A signature as its maker gave it, or as a caller sent it back; None for an empty one."""
    if not value:
        return None
    signature = envelope.disclose(value) if maker is None else Signature(value, maker)
    return signature if signature.value else None


def _decode_text(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    wire, extras = _text_reader.read(raw, place.path, place.fault)
    citations = tuple(
        decode_citation(citation, f"{place.path}.citations[{index}]", place.fault)
        for index, citation in enumerate(wire.citations or ())
    )
    return (Text(wire.text, citations, mark_of(wire.cache_control), extras),)


def _decode_image(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    wire, extras = _image_reader.read(raw, place.path, place.fault)
    source = wire.source
    given = {"base64": source.data, "url": source.url, "file": source.file_id}
    if source.type not in given:
        raise place.fault(
            f"{place.path}.source.type", f"must be base64, url or file, not {source.type!r}"
        )
    if given[source.type] is None:
        raise place.fault(f"{place.path}.source", f"of type {source.type!r} lacks what it is")
    return (
        Media(
            kind=MediaKind.IMAGE,
            media_type=source.media_type if source.type == "base64" else None,
            data=source.data if source.type == "base64" else None,
            url=source.url if source.type == "url" else None,
            file_id=source.file_id if source.type == "file" else None,
            cache=mark_of(wire.cache_control),
            extras=extras,
        ),
    )


def _decode_document(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    return decode_document(raw, place.path, place.fault, decode_content)


def _decode_found(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    return (decode_search_result(raw, place.path, place.fault),)


def _decode_thinking(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    wire, extras = _thinking_reader.read(raw, place.path, place.fault)
    signature = make_signature(wire.signature, place.maker)
    return (Reasoning(text=wire.thinking, signature=signature, extras=extras),)


def _decode_redacted(raw: msgspec.Raw, place: Place) -> Sequence[Part | Signature]:
    wire, extras = _thinking_reader.read(raw, place.path, place.fault)
    # Only a caller can send back what we hid; in an answer it would be the provider's own text.
    if place.maker is None and is_hidden(wire.data):
        hidden = reveal(wire.data)
        return () if hidden is None else (hidden,)
    signature = make_signature(wire.data, place.maker)
    return (Reasoning(signature=signature, is_redacted=True, extras=extras),)


def _decode_tool_use(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    wire, extras = _tool_use_reader.read(raw, place.path, place.fault)
    # Kept as the bytes they came in: a provider's cache knows the conversation by them.
    arguments = bytes(wire.input).decode() or "{}"
    if not arguments.startswith("{"):
        raise place.fault(f"{place.path}.input", "must be an object")
    # Called by the model itself, as ever: it says nothing.
    if _DIRECT_CALLER in bytes(extras.get("caller", b"")):
        extras = {name: value for name, value in extras.items() if name != "caller"} or NO_EXTRAS
    return (
        ToolCall(
            id=wire.id,
            name=wire.name,
            arguments=arguments,
            cache=mark_of(wire.cache_control),
            extras=extras,
        ),
    )


def _decode_tool_result(raw: msgspec.Raw, place: Place) -> Sequence[Part]:
    wire, extras = _tool_result_reader.read(raw, place.path, place.fault)
    given: Sequence[Part]
    if isinstance(wire.content, str):
        given = (Text(wire.content),) if wire.content else ()
    else:
        given = decode_blocks(wire.content or (), f"{place.path}.content", place.fault)
    parts = tuple(part for part in given if isinstance(part, Text | Media | Opaque))
    if len(parts) < len(given):
        raise place.fault(
            f"{place.path}.content", "holds a block that cannot be in the result of a tool"
        )
    return (
        ToolResult(
            call_id=wire.tool_use_id,
            parts=parts,
            is_error=bool(wire.is_error),
            cache=mark_of(wire.cache_control),
            extras=extras,
        ),
    )


def _decode_hosted(raw: msgspec.Raw, block_type: str, path: str, fault: Fault) -> Sequence[Part]:
    part: HostedCall | HostedResult
    try:
        if block_type in CALL_TYPES:
            part = decode_hosted_call(raw, block_type)
            id_ = part.id
        else:
            part = decode_hosted_result(raw, block_type)
            id_ = part.call_id
    except msgspec.ValidationError as error:
        raise wrong_value(error, path, fault) from error
    except RecursionError as error:
        raise fault(path, "is nested too deeply") from error
    # Such a block only shows another provider's tool, which is hidden beside it.
    return () if id_.startswith(SHOWN_PREFIX) else (part,)


_Decode = Callable[[msgspec.Raw, Place], Sequence[Part | Signature]]
_DECODERS: dict[str, _Decode] = {
    "text": _decode_text,
    "image": _decode_image,
    "document": _decode_document,
    "search_result": _decode_found,
    "thinking": _decode_thinking,
    "redacted_thinking": _decode_redacted,
    "tool_use": _decode_tool_use,
    "tool_result": _decode_tool_result,
}
