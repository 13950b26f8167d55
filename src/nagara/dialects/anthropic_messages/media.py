"""Media of the hub as content blocks for an Anthropic server.

Images of four formats, PDFs and plain texts are taken, as bytes, by address or by a file id of the
caller's own. What is not taken is refused by name: an answer without it would be about nothing.

Source: https://docs.anthropic.com/en/docs/build-with-claude/vision
"""

import base64
import binascii
from typing import Any

import msgspec

from nagara.dialects.anthropic_messages.documents import PDF, PLAIN_TEXT, encode_document
from nagara.dialects.anthropic_messages.wire import NAME, encode_mark
from nagara.dialects.codec import AddressField, Target
from nagara.dialects.fit import cannot_take
from nagara.domain.abilities import Ability
from nagara.domain.messages import Media, MediaKind, Request

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

# The first characters of each format's base64, for images that came without a type.
_BEGINNINGS = {
    "iVBOR": "image/png",
    "/9j/": "image/jpeg",
    "R0lG": "image/gif",
    "UklGR": "image/webp",
}
_SPELLINGS = {"image/jpg": "image/jpeg"}


ADDRESS_FIELDS: tuple[AddressField, ...] = (
    AddressField(MediaKind.IMAGE, b'"image"', ("url",)),
    AddressField(MediaKind.DOCUMENT, b'"document"', ("url",)),
)


def needs_bytes(media: Media, target: Target) -> bool:
    """Whether the provider takes this media, but does not fetch it by its address."""
    match media.kind:
        case MediaKind.IMAGE:
            return not target.can(Ability.IMAGE_URLS)
        case MediaKind.DOCUMENT:
            return not target.can(Ability.FILE_URLS)
    return False


def encode_media(
    media: Media, request: Request, target: Target, dropped: list[str]
) -> dict[str, Any] | msgspec.Raw:
    """The block. Raises `GatewayError` (UNSUPPORTED) for what cannot be given."""
    is_own = request.dialect == NAME
    if media.kind not in (MediaKind.IMAGE, MediaKind.DOCUMENT):
        raise cannot_take(f"{media.kind.value} input", request, target)
    # A file lies with one provider, and its id means nothing to another.
    if media.file_id is not None and not is_own:
        raise cannot_take(
            f"a file that another provider keeps ({media.file_id[:80]!r})", request, target
        )
    if media.url is not None and not media.url.lower().startswith(("https://", "http://")):
        raise cannot_take(
            f"a file at {media.url[:80]!r}, which is no address of the web", request, target
        )
    if not is_own:
        dropped += media.extras
    if media.detail not in (None, "auto"):
        dropped.append("detail")
    if media.kind is MediaKind.DOCUMENT:
        return encode_document(_as_taken(media, request, target), is_own=is_own)
    return _encode_image(media, request, target)


def _encode_image(media: Media, request: Request, target: Target) -> dict[str, Any]:
    source: dict[str, str]
    if media.file_id is not None:
        source = {"type": "file", "file_id": media.file_id}
    elif media.url is not None:
        source = {"type": "url", "url": media.url}
    else:
        data = media.data or ""
        source = {"type": "base64", "media_type": _image_type(media, request, target), "data": data}
    block: dict[str, Any] = {"type": "image", "source": source}
    if request.dialect == NAME:
        block |= media.extras
    if media.cache is not None:
        block["cache_control"] = encode_mark(media.cache)
    return block


def _image_type(media: Media, request: Request, target: Target) -> str:
    said = (media.media_type or "").lower()
    said = _SPELLINGS.get(said, said)
    if said in IMAGE_TYPES:
        return said
    for beginning, found in _BEGINNINGS.items():
        if (media.data or "").startswith(beginning):
            return found
    raise cannot_take(f"an image of the type {media.media_type or 'unknown'!r}", request, target)


def _as_taken(media: Media, request: Request, target: Target) -> Media:
    """A document whose bytes are text as text; other bytes must be a PDF."""
    if media.data is None:
        return media
    kind = (media.media_type or PDF).lower().partition(";")[0]
    if kind == PDF:
        return media
    if kind.startswith("text/") or kind in ("application/json", "application/xml"):
        try:
            text = base64.b64decode(media.data).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            text = None
        if text is not None:
            replace = msgspec.structs.replace
            return replace(media, data=None, text=text, media_type=PLAIN_TEXT)
    raise cannot_take(f"a document of the type {media.media_type!r}", request, target)
