"""How large a picture is, by its first bytes: nothing of it is decoded.

Sources: https://www.w3.org/TR/png-3/#11IHDR, RFC 9649 (WebP), ITU-T T.81 (JPEG), and
https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

import base64
import binascii
import re
import struct

HEAD_CHARACTERS = 87_384
"""Of base64: 64 KiB, in which a JPEG has its frame unless it carries a large preview."""

_BASE64 = re.compile(rb'"b64_json"\s*:\s*"([A-Za-z0-9+/]{4,87384})')
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers that begin a frame of a JPEG; the others of that range are tables."""


def read_item_size(item: bytes) -> str | None:
    """`WIDTHxHEIGHT` of the picture in an item of an answer; None where it cannot be told."""
    found = _BASE64.search(item)
    return None if found is None else read_base64_size(found[1])


def read_base64_size(data: bytes) -> str | None:
    """The same of a picture's base64, or of how that begins."""
    begins = data[:HEAD_CHARACTERS]
    try:
        content = base64.b64decode(begins[: len(begins) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    found = read_dimensions(content)
    return None if found is None or 0 in found else f"{found[0]}x{found[1]}"


def read_dimensions(content: bytes) -> tuple[int, int] | None:
    """Width and height by how a file begins; None for what is no such picture."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", content, 16)
            return width, height
        if content.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", content, 6)
            return width, height
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _read_webp(content)
        if content.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(content)
    except (struct.error, IndexError):
        pass
    return None


def _read_webp(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        return width, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _read_jpeg(content: bytes) -> tuple[int, int] | None:
    """The first frame's size: segments are skipped by their lengths."""
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        if marker == 0xFF:
            at += 1
            continue
        at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None
