"""Grounding: what a candidate's text rests on, both ways.

Google counts bytes of UTF-8 in the text of a whole candidate, thoughts left out; the hub counts
characters of one text part. A support whose bytes do not hold the text that it quotes is looked up
by that text, and cites without a place if that is not found either.

https://ai.google.dev/gemini-api/docs/google-search#grounding-metadata
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nagara.dialects.google_gemini.wire import NAME, write
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Source,
    Text,
)

SUPPORTS_MAX = 2_000
"""Supports of one candidate that are read; real ones have a few dozen."""


class SiteWire(msgspec.Struct, rename="camel", gc=False):
    """Where a chunk is from: `web`, `maps` or `retrievedContext`."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None


class ChunkWire(msgspec.Struct, rename="camel", gc=False):
    """One source."""

    web: SiteWire | None = None
    maps: SiteWire | None = None
    retrieved_context: SiteWire | None = None


class SegmentWire(msgspec.Struct, rename="camel", gc=False):
    """A stretch of the text, in bytes."""

    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class SupportWire(msgspec.Struct, rename="camel", gc=False):
    """Which chunks a segment rests on."""

    segment: SegmentWire | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingWire(msgspec.Struct, rename="camel", gc=False):
    """`groundingMetadata`."""

    grounding_chunks: list[ChunkWire] | None = None
    grounding_supports: list[SupportWire] | None = None
    web_search_queries: list[str] | None = None


class UrlWire(msgspec.Struct, rename="camel", gc=False):
    """A page that the model read."""

    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class UrlContextWire(msgspec.Struct, rename="camel", gc=False):
    """`urlContextMetadata`."""

    url_metadata: list[UrlWire] | None = None


class RecitedWire(msgspec.Struct, rename="camel", gc=False):
    """A source that the text recites, in bytes of the text."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class RecitationWire(msgspec.Struct, rename="camel", gc=False):
    """`citationMetadata`: AI Studio and Vertex have different names for the list."""

    citation_sources: list[RecitedWire] | None = None
    citations: list[RecitedWire] | None = None


class Placed(msgspec.Struct, frozen=True):
    """A citation and the text part, by its place among the texts, that it belongs to."""

    text_number: int
    citation: Citation


def place_citations(
    texts: Sequence[str], grounding: GroundingWire | None, recitation: RecitationWire | None
) -> Iterator[Placed]:
    """The citations of a candidate's texts."""
    if not texts:
        return
    places = _Places(texts)
    for segment, citation in _find_citations(grounding, recitation):
        number, start, end = places.find(segment)
        yield Placed(number, msgspec.structs.replace(citation, start=start, end=end))


def _find_citations(
    grounding: GroundingWire | None, recitation: RecitationWire | None
) -> Iterator[tuple[SegmentWire, Citation]]:
    chunks = (grounding.grounding_chunks if grounding is not None else None) or []
    supports = (grounding.grounding_supports if grounding is not None else None) or []
    for support in supports[:SUPPORTS_MAX]:
        for index in support.grounding_chunk_indices or ():
            if support.segment is not None and 0 <= index < len(chunks):
                cited = support.segment.text
                yield support.segment, _read_chunk(chunks[index], cited)
    recited = recitation and (recitation.citation_sources or recitation.citations)
    for source in (recited or [])[:SUPPORTS_MAX]:
        segment = SegmentWire(source.start_index, source.end_index)
        yield segment, Citation(kind=CitationKind.URL, url=source.uri, title=source.title)


def _read_chunk(chunk: ChunkWire, cited: str | None) -> Citation:
    site = chunk.web or chunk.maps
    if site is not None:
        return Citation(kind=CitationKind.URL, url=site.uri, title=site.title)
    held = chunk.retrieved_context or SiteWire()
    # What was retrieved from a store of files has a text of its own, and seldom an address.
    return Citation(
        kind=CitationKind.FILE, url=held.uri, title=held.title, cited_text=held.text or cited
    )


class _Places:
    """Bytes of the whole text to characters of its parts. Each text is encoded once."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._encoded = [text.encode(errors="replace") for text in texts]
        self._whole = b"".join(self._encoded)
        self._is_ascii = self._whole.isascii()
        self._characters: list[int] | None = None

    def find(self, segment: SegmentWire) -> tuple[int, int | None, int | None]:
        """The number of the text, and where in it."""
        start, end = max(0, segment.start_index or 0), segment.end_index
        quoted = segment.text.encode(errors="replace") if segment.text else b""
        end = min(len(self._whole) if end is None else end, len(self._whole))
        if quoted and self._whole[start:end] != quoted:
            start = self._whole.find(quoted)
            if start < 0:
                return len(self._texts) - 1, None, None
            end = start + len(quoted)
        return self._in_part(start, max(start, end))

    def _in_part(self, start: int, end: int) -> tuple[int, int, int]:
        offset = 0
        for number, encoded in enumerate(self._encoded):
            if start < offset + len(encoded) or number == len(self._encoded) - 1:
                break
            offset += len(encoded)
        last = min(end, offset + len(self._encoded[number]))
        base = self._character(offset)
        return number, self._character(start) - base, self._character(max(start, last)) - base

    def _character(self, position: int) -> int:
        if self._is_ascii:
            return position
        if self._characters is None:
            # How many characters begin before each byte: one pass, whatever number of supports.
            count, counts = 0, [0]
            for byte in self._whole:
                count += byte & 0xC0 != 0x80
                counts.append(count)
            self._characters = counts
        return self._characters[min(position, len(self._whole))]


def read_search(
    grounding: GroundingWire | None, context: UrlContextWire | None
) -> Iterator[HostedCall | HostedResult]:
    """The search, and the reading of pages, that a candidate's metadata tells of."""
    if grounding is not None and (queries := grounding.web_search_queries):
        said = {"query": queries[0], "queries": queries}
        yield HostedCall(
            id="search",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            arguments=write(said).decode(),
            dialect=NAME,
        )
        sites = [chunk.web for chunk in grounding.grounding_chunks or () if chunk.web is not None]
        yield HostedResult(
            call_id="search",
            kind=HostedKind.WEB_SEARCH,
            name="web_search",
            sources=tuple(Source(site.uri, site.title) for site in sites if site.uri),
            dialect=NAME,
        )
    held = [chunk.retrieved_context for chunk in (grounding and grounding.grounding_chunks) or ()]
    if found := [site.text or "" for site in held if site is not None]:
        # Older models name no call of it: what it found is all that tells of the search.
        yield HostedCall(id="files", kind=HostedKind.FILE_SEARCH, name="file_search", dialect=NAME)
        yield HostedResult(
            call_id="files",
            kind=HostedKind.FILE_SEARCH,
            name="file_search",
            output="\n\n".join(found),
            dialect=NAME,
        )
    pages = [page for page in (context and context.url_metadata) or () if page.retrieved_url]
    if pages:
        urls = [page.retrieved_url or "" for page in pages]
        yield HostedCall(
            id="pages",
            kind=HostedKind.WEB_FETCH,
            name="url_context",
            arguments=write({"url": urls[0], "urls": urls}).decode(),
            dialect=NAME,
        )
        good = [p for p in pages if (p.url_retrieval_status or "").endswith("SUCCESS")]
        yield HostedResult(
            call_id="pages",
            kind=HostedKind.WEB_FETCH,
            name="url_context",
            sources=tuple(Source(page.retrieved_url or "") for page in good),
            is_error=not good,
            dialect=NAME,
        )


def write_grounding(
    texts: Iterable[Text], queries: Sequence[str], sources: Iterable[Source]
) -> Mapping[str, Any]:
    """`groundingMetadata` for what another provider cited; empty if it cited nothing."""
    sites = _Sites()
    supports: dict[tuple[int, int, str], list[int]] = {}
    for source in sources:
        sites.add(source.url, source.title)
    offset = 0
    for text in texts:
        for citation in text.citations:
            if citation.url is None:
                continue
            chunk = sites.add(citation.url, citation.title)
            if text.text:
                # Without a place of its own it is of all the text that it stands on.
                start = offset + _bytes_of(text.text[: citation.start or 0])
                cited = text.text[citation.start : citation.end]
                supports.setdefault((start, start + _bytes_of(cited), cited), []).append(chunk)
        offset += _bytes_of(text.text)
    said: dict[str, Any] = {}
    if queries:
        said["webSearchQueries"] = list(queries)
    if chunks := sites.write():
        said["groundingChunks"] = chunks
    if supports:
        said["groundingSupports"] = [
            {
                "segment": {"startIndex": start, "endIndex": end, "text": cited},
                "groundingChunkIndices": indices,
            }
            for (start, end, cited), indices in supports.items()
        ]
    return said


class _Sites:
    """The chunks: one for each page, though a search may find it without the title it is cited by.

    A page that is known by two titles has two chunks, and a title that comes later is filled in.
    """

    def __init__(self) -> None:
        self._titles: list[tuple[str, str | None]] = []
        self._numbers: dict[tuple[str, str | None], int] = {}

    def add(self, url: str, title: str | None) -> int:
        """The number of the page's chunk."""
        numbers = self._numbers
        if (number := numbers.get((url, title))) is not None:
            return number
        if title is not None and (untitled := numbers.pop((url, None), None)) is not None:
            self._titles[untitled] = (url, title)
            number = untitled
        else:
            number = len(self._titles)
            self._titles.append((url, title))
        numbers[url, title] = number
        if title is not None:
            # Whoever names no title means the page that is known already.
            numbers.setdefault((url, None), number)
        return number

    def write(self) -> list[dict[str, Any]]:
        """`groundingChunks`."""
        return [
            {"web": {"uri": url} if title is None else {"uri": url, "title": title}}
            for url, title in self._titles
        ]


def _bytes_of(text: str) -> int:
    return len(text.encode(errors="replace"))
