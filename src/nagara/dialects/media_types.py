"""What a file is, told by its first bytes.

What a server or a caller says of a file is not believed: a page of HTML is often called an image,
and what is held for an image must not be spent on a document. Containers that may hold sound or
pictures (MP4, WebM, Ogg) are taken for the kind that was asked for. Nothing is decoded, so a
picture that would grow to gigabytes is as harmless here as any other.

Sources: https://mimesniff.spec.whatwg.org https://www.garykessler.net/library/file_sigs.html
"""

import base64
import binascii

import msgspec

from nagara.domain.messages import MediaKind

SNIFFED_BYTES = 512
"""How much of the beginning is looked at."""


class FileType(msgspec.Struct, frozen=True):
    """A kind of media and its MIME type."""

    kind: MediaKind
    media_type: str


def _image(name: str) -> FileType:
    return FileType(MediaKind.IMAGE, f"image/{name}")


def _audio(name: str) -> FileType:
    return FileType(MediaKind.AUDIO, f"audio/{name}")


def _video(name: str) -> FileType:
    return FileType(MediaKind.VIDEO, f"video/{name}")


PDF = FileType(MediaKind.DOCUMENT, "application/pdf")

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", _image("png")),
    (b"\xff\xd8\xff", _image("jpeg")),
    (b"GIF87a", _image("gif")),
    (b"GIF89a", _image("gif")),
    (b"II*\0", _image("tiff")),
    (b"MM\0*", _image("tiff")),
    (b"%PDF-", PDF),
    (b"fLaC", _audio("flac")),
    (b"ID3", _audio("mpeg")),
    (b"\0\0\1\xba", _video("mpeg")),
    (b"\0\0\1\xb3", _video("mpeg")),
)
_RIFF = {b"WEBP": _image("webp"), b"WAVE": _audio("wav"), b"AVI ": _video("x-msvideo")}
# The brand of an ISO base media file: https://www.iana.org/assignments/media-types and mp4ra.org
_BRANDS = {
    b"heic": _image("heic"), b"heix": _image("heic"), b"mif1": _image("heif"),
    b"msf1": _image("heif"), b"avif": _image("avif"), b"avis": _image("avif"),
    b"M4A ": _audio("mp4"), b"M4B ": _audio("mp4"), b"qt  ": _video("quicktime"),
    b"3gp4": _video("3gpp"), b"3gp5": _video("3gpp"),
}  # fmt: skip

_TEXTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")


def sniff(head: bytes, asked: MediaKind) -> FileType | None:
    """What a file that begins so is; None where that is not known, or is nothing to be given.

    `asked` settles what a container of sound or pictures is taken for.
    """
    for beginning, found in _BEGINNINGS:
        if head.startswith(beginning):
            return found
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12]) or _contained("mp4", asked)
    if head.startswith(b"OggS"):
        return _contained("ogg", asked)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        name = "webm" if b"webm" in head[:64] else "x-matroska"
        return _contained(name, asked)
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return _audio("aiff")
    # Six bytes of its header are always zero or the same; `BM` alone begins many a text.
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return _image("bmp")
    return _sniff_frame(head)


def _contained(name: str, asked: MediaKind) -> FileType:
    if asked is MediaKind.AUDIO or (name == "ogg" and asked is not MediaKind.VIDEO):
        return _audio(name)
    return _video(name)


def _sniff_frame(head: bytes) -> FileType | None:
    """Sound that begins with a frame: MPEG's layers, and AAC in ADTS."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:
        # ADTS has twelve bits of sync, and a layer of zero.
        is_frame = head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13
        return _audio("aac") if is_frame else None
    is_frame = head[1] >> 3 & 3 != 1 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3
    return _audio("mpeg") if is_frame else None


def describe_unknown(head: bytes) -> str:
    """What a file that is refused looks like, for its caller."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text or text.startswith(b"<!doctype svg"):
        return "an SVG, which no model reads; send it as PNG or JPEG"
    if text.startswith(_TEXTS):
        return "a page of HTML, and no file"
    if text.startswith(b"<?xml"):
        return "XML"
    return "empty" if not head else "of a type that is not known"


def sniff_base64(data: str, asked: MediaKind) -> FileType | None:
    """As `sniff`, for base64."""
    try:
        head = base64.b64decode(data[: SNIFFED_BYTES // 3 * 4])
    except (binascii.Error, ValueError):
        return None
    return sniff(head, asked)
