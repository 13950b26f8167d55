"""Citations of a text block, both ways.

A citation points into a document of the request (by characters, pages or blocks), to a page that a
web search found, or to a search result that the caller gave. What proves a web citation to
Anthropic (`encrypted_index`) is kept beside it, and only it makes the citation one that Anthropic
takes back.

Source: https://docs.anthropic.com/en/docs/build-with-claude/citations
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from nagara.dialects.anthropic_messages.wire import Fault, Reader, encode
from nagara.domain.messages import NO_EXTRAS, Citation, CitationKind


class _Citation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: str = ""
    cited_text: str | None = None
    document_index: int | None = None
    document_title: str | None = None
    file_id: str | None = None
    start_char_index: int | None = None
    end_char_index: int | None = None
    start_page_number: int | None = None
    end_page_number: int | None = None
    start_block_index: int | None = None
    end_block_index: int | None = None
    url: str | None = None
    title: str | None = None
    source: str | None = None
    encrypted_index: str | None = None
    search_result_index: int | None = None


class _Location(NamedTuple):
    type: str
    start: str
    end: str


_LOCATIONS = {
    "char": _Location("char_location", "start_char_index", "end_char_index"),
    "page": _Location("page_location", "start_page_number", "end_page_number"),
    "block": _Location("content_block_location", "start_block_index", "end_block_index"),
}
_NAMES = {location.type: name for name, location in _LOCATIONS.items()}
_reader = Reader(_Citation)


def decode_citation(raw: msgspec.Raw, path: str, fault: Fault) -> Citation:
    """The citation. Raises what `fault` makes when it is malformed."""
    wire, extras = _reader.read(raw, path, fault)
    if wire.type == "web_search_result_location":
        kept = {"encrypted_index": wire.encrypted_index} if wire.encrypted_index else {}
        return Citation(
            kind=CitationKind.URL,
            url=wire.url,
            title=wire.title,
            cited_text=wire.cited_text,
            extras={**extras, **_raw(kept)} or NO_EXTRAS,
        )
    # The caller's own search results are counted apart from its documents.
    # https://platform.claude.com/docs/en/build-with-claude/search-results
    if wire.type == "search_result_location":
        return Citation(
            kind=CitationKind.URL,
            url=wire.source,
            title=wire.title,
            cited_text=wire.cited_text,
            location="block",
            location_start=wire.start_block_index,
            location_end=wire.end_block_index,
            extras={**extras, **_raw({"search_result_index": wire.search_result_index or 0})},
        )
    name = _NAMES.get(wire.type)
    if name is None:
        raise fault(f"{path}.type", f"must be a kind of citation, not {wire.type!r}")
    return Citation(
        kind=CitationKind.DOCUMENT if wire.document_index is not None else CitationKind.FILE,
        title=wire.document_title,
        cited_text=wire.cited_text,
        file_id=wire.file_id,
        document_index=wire.document_index,
        location=name,
        location_start=getattr(wire, _LOCATIONS[name].start),
        location_end=getattr(wire, _LOCATIONS[name].end),
        extras=extras,
    )


def encode_citation(citation: Citation) -> dict[str, Any]:
    """The citation as an answer has it. The SDKs want every field, so what is unknown is empty."""
    extras = citation.extras
    if citation.kind is CitationKind.URL:
        if "search_result_index" in extras:
            return _encode_search_result(citation)
        return {
            "type": "web_search_result_location",
            "cited_text": citation.cited_text or "",
            "encrypted_index": extras.get("encrypted_index", ""),
            "title": citation.title,
            "url": citation.url or "",
        }
    if citation.document_index is None:
        # A file that another provider searched is none of the request's documents.
        return _encode_search_result(citation)
    location = _LOCATIONS.get(citation.location or "char", _LOCATIONS["char"])
    encoded = {
        "type": location.type,
        "cited_text": citation.cited_text or "",
        "document_index": citation.document_index,
        "document_title": citation.title,
        location.start: citation.location_start or 0,
        location.end: citation.location_end or 0,
    }
    if citation.file_id is not None:
        encoded["file_id"] = citation.file_id
    return encoded


def encode_own_citations(citations: Iterable[Citation]) -> tuple[list[dict[str, Any]], bool]:
    """Those that Anthropic takes back in a request, and whether there were others."""
    encoded, others = [], False
    for citation in citations:
        is_own = citation.document_index is not None or not citation.extras.keys().isdisjoint(
            ("encrypted_index", "search_result_index")
        )
        if is_own:
            # The request's form of a citation has no file: the document's index says which.
            encoded.append({k: v for k, v in encode_citation(citation).items() if k != "file_id"})
        else:
            others = True
    return encoded, others


def _encode_search_result(citation: Citation) -> dict[str, Any]:
    return {
        "type": "search_result_location",
        "cited_text": citation.cited_text or "",
        "search_result_index": citation.extras.get("search_result_index", 0),
        "source": citation.url or citation.file_id or "",
        "title": citation.title,
        "start_block_index": citation.location_start or 0,
        "end_block_index": citation.location_end or 0,
    }


def _raw(values: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(encode(value)) for name, value in values.items()}
