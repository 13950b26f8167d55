"""Pictures that go into a request for images: files of a form, or addresses in JSON.

A file is named by its place in the form; its content is not here, only how it begins. What is no
picture by that is refused, whoever would be asked.

Sources: https://platform.openai.com/docs/api-reference/images/createEdit and, for JSON, the schema
`ImageRefParam` of https://github.com/openai/openai-openapi
"""

import base64
import binascii
import re
from collections.abc import Mapping

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim, cannot_be_given
from nagara.domain.errors import ErrorKind, GatewayError

MEDIA_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
}
"""Kinds of pictures, by the ending of their name."""

URL_CHARACTERS_MAX = 2_083
DATA_URL = re.compile(r"data:(image/[a-z+.-]{1,20});base64,", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://[^\s\x00-\x1f]+", re.IGNORECASE)
_SVG = re.compile(rb"\s*(<\?xml|<!doctype svg|<svg)", re.IGNORECASE)
BEGINNING_CHARACTERS = 64


def name_place(seed: str, index: int | str) -> str:
    """What stands in JSON where a file's base64 is to stand.

    Nobody but this gateway knows the `seed` of a request, so nothing that a caller writes is one.
    """
    return f"{seed}.file.{index};" if index != "" else f"{seed}.file."


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One picture: the file of that place in the form, or what is at `url` (which may hold it)."""

    media_type: str = ""
    file: int | None = None
    url: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether its content came with the request."""
        return self.file is not None or DATA_URL.match(self.url or "") is not None


class PicturesView(RequestView, frozen=True, gc=False, kw_only=True):
    """A request with pictures; `fields` are what it says beside them, typed as in JSON."""

    images: tuple[Picture, ...]
    mask: Picture | None = None
    markup: Picture | None = None

    @property
    def all_pictures(self) -> tuple[Picture, ...]:
        """All that go in."""
        return (*self.images, *(x for x in (self.mask, self.markup) if x is not None))


def read_address(url: str, field: str) -> Picture:
    """The picture at an address. Raises `GatewayError` for what no provider is given."""
    found = DATA_URL.match(url)
    if found is None:
        if not _WEB_URL.fullmatch(url) or len(url) > URL_CHARACTERS_MAX:
            raise wrong_picture(field, "must be an address of the web or a data: URL of an image.")
        return Picture(url=url)
    begins = url[found.end() : found.end() + BEGINNING_CHARACTERS]
    try:
        content = base64.b64decode(begins + "=" * (-len(begins) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise wrong_picture(field, "is a data: URL whose data is no base64.") from None
    return Picture(url=url, media_type=check_beginning(content, field, len(url)))


def check_beginning(content: bytes, field: str, size: int) -> str:
    """The media type of a file that begins so. Raises `GatewayError` for what is no picture."""
    kind = sniff(content)
    if kind is None and not content:
        raise wrong_picture(field, "is empty; it must be a PNG, JPEG, WebP or GIF image.")
    if kind is None:
        what = "an SVG" if _SVG.match(content) else f"{size} bytes of something else"
        raise wrong_picture(field, f"must be a PNG, JPEG, WebP or GIF image; this is {what}.")
    return MEDIA_TYPES[kind]


def sniff(content: bytes) -> str | None:
    """The kind of picture, by its first bytes: a name's ending, or None for no such picture."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    return "gif" if content.startswith((b"GIF87a", b"GIF89a")) else None


def wrong_picture(field: str, what: str) -> GatewayError:
    """The error of a picture."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"{field[:60]!r} {what}", param=field[:60])


def refer_to(picture: Picture, seed: str) -> str:
    """The address of a picture, which for a file holds what it is."""
    if picture.file is None:
        return picture.url or ""
    return f"data:{picture.media_type};base64,{name_place(seed, picture.file)}"


def refuse_overlays(mask: Picture | None, markup: Picture | None, aim: Aim) -> None:
    """Raise `GatewayError` for what lies over a picture, where the provider knows no such thing."""
    if mask is not None:
        raise cannot_be_given(aim, "a mask", "mask")
    if markup is not None:
        raise cannot_be_given(aim, "markup", "markup")
