"""Documents and search results that a caller gives, both ways.

A document has one of five sources; the one of content blocks is kept raw beside its text, and is
taken apart where it holds images, which no other dialect has inside a document. A search result is
a text document with its address on top, so that every model can read where it is from.

Source: https://docs.anthropic.com/en/docs/build-with-claude/pdf-support
https://docs.anthropic.com/en/docs/build-with-claude/search-results
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.wire import (
    CacheControl,
    Fault,
    Reader,
    encode,
    encode_mark,
    read_value,
)
from nagara.domain.messages import Media, MediaKind, Part, Text

PDF = "application/pdf"
PLAIN_TEXT = "text/plain"
SEARCH_RESULT = "search_result"

DecodeContent = Callable[[msgspec.Raw, str, Fault], tuple[Part, ...]]


class _CitationsConfig(msgspec.Struct, gc=False):
    enabled: bool | None = None


class _Source(msgspec.Struct, gc=False):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Any = None


class _Document(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    source: _Source
    title: str | None = None
    citations: _CitationsConfig | None = None
    type: str = ""
    cache_control: CacheControl | None = None


class _Found(msgspec.Struct, gc=False):
    source: str
    title: str
    content: list["_FoundText"]
    citations: _CitationsConfig | None = None
    cache_control: CacheControl | None = None


class _FoundText(msgspec.Struct, gc=False):
    text: str


_document_reader = Reader(_Document)
_found_decoder = msgspec.json.Decoder(_Found)


def decode_document(
    raw: msgspec.Raw, path: str, fault: Fault, decode_content: DecodeContent
) -> Sequence[Part]:
    """The document; its parts where it is made of blocks that are not all text."""
    wire, extras = _document_reader.read(raw, path, fault)
    source = wire.source
    given = {
        "base64": source.data,
        "text": source.data,
        "url": source.url,
        "file": source.file_id,
        "content": source.content,
    }
    if source.type not in given:
        what = f"must be base64, text, url, file or content, not {source.type!r}"
        raise fault(f"{path}.source.type", what)
    if given[source.type] is None:
        raise fault(f"{path}.source", f"of type {source.type!r} lacks what it is")
    text = source.data if source.type == "text" else None
    # Blocks are there to be cited one by one. Where all are text the raw source keeps them apart.
    if source.type == "content":
        content = msgspec.Raw(encode(source.content))
        parts = decode_content(content, f"{path}.source.content", fault)
        if not all(isinstance(part, Text) for part in parts):
            return parts
        text = "\n".join(part.text for part in parts if isinstance(part, Text))
        wire_source = {"type": "content", "content": content}
        extras = {**extras, "source": msgspec.Raw(encode(wire_source))}
    return (
        Media(
            kind=MediaKind.DOCUMENT,
            media_type=_media_type(source),
            data=source.data if source.type == "base64" else None,
            url=source.url if source.type == "url" else None,
            file_id=source.file_id if source.type == "file" else None,
            text=text,
            filename=wire.title,
            has_citations=bool(wire.citations and wire.citations.enabled),
            cache=wire.cache_control and wire.cache_control.to_mark(),
            extras=extras,
        ),
    )


def _media_type(source: _Source) -> str | None:
    if source.type in ("text", "content"):
        return PLAIN_TEXT
    return source.media_type or PDF if source.type == "base64" else None


def decode_search_result(raw: msgspec.Raw, path: str, fault: Fault) -> Media:
    """The search result as a document; the whole block is kept to be put back."""
    found = read_value(_found_decoder, raw, path, fault)
    text = "\n".join(item.text for item in found.content)
    return Media(
        kind=MediaKind.DOCUMENT,
        media_type=PLAIN_TEXT,
        text=f"Source: {found.source}\n\n{text}",
        filename=found.title,
        has_citations=bool(found.citations and found.citations.enabled),
        cache=found.cache_control and found.cache_control.to_mark(),
        extras={SEARCH_RESULT: raw.copy()},
    )


def encode_document(media: Media, *, is_own: bool) -> dict[str, Any] | msgspec.Raw:
    """A document as a request has it. `is_own` says that its extras are of this dialect."""
    extras = media.extras if is_own else {}
    if SEARCH_RESULT in extras:
        return extras[SEARCH_RESULT]
    block: dict[str, Any] = {"type": "document", "source": _encode_source(media), **extras}
    if media.filename is not None:
        block["title"] = media.filename
    if media.has_citations:
        block["citations"] = {"enabled": True}
    if media.cache is not None:
        block["cache_control"] = encode_mark(media.cache)
    return block


def _encode_source(media: Media) -> dict[str, Any]:
    if media.text is not None:
        return {"type": "text", "media_type": PLAIN_TEXT, "data": media.text}
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "url", "url": media.url}
    return {"type": "base64", "media_type": media.media_type or PDF, "data": media.data or ""}
