"""Citations of Chat Completions (`annotations`), both ways.

The wire knows one kind, `url_citation`, whose positions count characters of the whole `content`; a
canonical citation's count those of its own text part, so every part has an offset.

Source: https://platform.openai.com/docs/guides/tools-web-search
"""

from nagara.dialects.json_fields import encode_raw
from nagara.dialects.openai_chat.wire import AnnotationWire, FoundWire
from nagara.domain.messages import NO_EXTRAS, Citation, CitationKind


def decode_annotation(said: AnnotationWire) -> Citation | None:
    """The citation; None for an annotation that names no page."""
    cited = said.url_citation
    if cited is None or cited.url is None:
        return None
    # OpenRouter writes 0 and 0 where it does not know the place.
    is_placed = bool(cited.end_index)
    return Citation(
        kind=CitationKind.URL,
        url=cited.url,
        title=cited.title,
        start=cited.start_index if is_placed else None,
        end=cited.end_index if is_placed else None,
        extras={"content": encode_raw(cited.content)} if cited.content else NO_EXTRAS,
    )


def cite_found(found: list[FoundWire] | None, urls: list[str] | None) -> list[Citation]:
    """Citations of Perplexity's found pages, which its text names as `[1]`, `[2]` and so on.

    https://docs.perplexity.ai/api-reference/chat-completions-post
    """
    pages = found or [FoundWire(url) for url in urls or ()]
    return [
        Citation(kind=CitationKind.URL, url=page.url, title=page.title)
        for page in pages
        if page.url is not None
    ]


def encode_annotation(citation: Citation, offset: int, length: int) -> dict[str, object] | None:
    """The annotation of a citation in a text part; None where it has no address.

    The part's text begins `offset` characters into the content and is `length` long: a citation
    without a place of its own is about all of it.
    """
    if citation.url is None:
        return None
    start = 0 if citation.start is None else citation.start
    end = length if citation.end is None else citation.end
    cited: dict[str, object] = {
        "url": citation.url,
        "title": citation.title or "",
        "start_index": offset + start,
        "end_index": offset + end,
    }
    return {"type": "url_citation", "url_citation": cited}
