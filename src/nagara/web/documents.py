"""A JSON answer that clients may keep: its bytes, its entity tag, and 304 for who has it already.

An entity tag is the hash of its body, so equal bodies have equal tags on every node.
"""

import hashlib

import msgspec

from nagara.access import KEY_HEADERS


class Document(msgspec.Struct, frozen=True):
    """A JSON body and its strong entity tag, quotes included."""

    body: bytes
    etag: str


class DocumentAnswer(msgspec.Struct, frozen=True):
    """A whole answer: 200 with a body, or 304 without."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def make_document(body: bytes) -> Document:
    """The body with its tag."""
    return Document(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def answer_document(document: Document, if_none_match: bytes | None) -> DocumentAnswer:
    """The document, or 304 where the header `if-none-match` names it."""
    etag = document.etag.encode()
    # Keys see different things, so a shared cache may keep none; everyone asks again with the tag.
    common = (
        (b"etag", etag),
        (b"cache-control", b"private, no-cache"),
        (b"vary", b", ".join(KEY_HEADERS)),
    )
    if if_none_match is not None and _has_tag(if_none_match, etag):
        return DocumentAnswer(304, common, b"")
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(document.body)).encode()),
        *common,
    )
    return DocumentAnswer(200, headers, document.body)


def _has_tag(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the header names this tag; `W/` does not matter there (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or tags == [b"*"]
