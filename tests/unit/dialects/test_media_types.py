"""Files are told by how they begin, and by nothing that is said of them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.dialects.media_types import (
    SNIFFED_BYTES,
    describe_unknown,
    sniff,
    sniff_base64,
)
from nagara.domain.messages import MediaKind

IMAGE, AUDIO, VIDEO, DOCUMENT = (
    MediaKind.IMAGE,
    MediaKind.AUDIO,
    MediaKind.VIDEO,
    MediaKind.DOCUMENT,
)
KNOWN = [
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", IMAGE, "image/png"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", IMAGE, "image/jpeg"),
    (b"GIF89a\1\0\1\0", IMAGE, "image/gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", IMAGE, "image/webp"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", IMAGE, "image/heic"),
    (b"\0\0\0\x18ftypavif\0\0\0\0", IMAGE, "image/avif"),
    (b"BM\x46\0\0\0\0\0\0\0\x36\0", IMAGE, "image/bmp"),
    (b"II*\0\x08\0\0\0", IMAGE, "image/tiff"),
    (b"%PDF-1.7\n%\xe2\xe3", DOCUMENT, "application/pdf"),
    (b"RIFF\x24\0\0\0WAVEfmt ", AUDIO, "audio/wav"),
    (b"ID3\4\0\0\0\0\0\0", AUDIO, "audio/mpeg"),
    (b"\xff\xfb\x90\x64\0\0", AUDIO, "audio/mpeg"),
    (b"\xff\xf1\x50\x80\0\0", AUDIO, "audio/aac"),
    (b"fLaC\0\0\0\x22", AUDIO, "audio/flac"),
    (b"OggS\0\2\0\0", AUDIO, "audio/ogg"),
    (b"\0\0\0\x18ftypM4A \0\0\0\0", AUDIO, "audio/mp4"),
    (b"FORM\0\0\0\x24AIFFCOMM", AUDIO, "audio/aiff"),
    (b"\0\0\0\x18ftypisom\0\0\2\0", VIDEO, "video/mp4"),
    (b"\0\0\0\x14ftypqt  \0\0\0\0", VIDEO, "video/quicktime"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm", VIDEO, "video/webm"),
    (b"RIFF\x24\0\0\0AVI LIST", VIDEO, "video/x-msvideo"),
    (b"\0\0\1\xba\x44", VIDEO, "video/mpeg"),
]


@pytest.mark.parametrize(("head", "kind", "media_type"), KNOWN)
def test_file_is_known_by_its_beginning(head: bytes, kind: MediaKind, media_type: str) -> None:
    for asked in (kind, DOCUMENT):
        found = sniff(head, asked)
        assert found is not None
        assert (found.kind, found.media_type) == (kind, media_type)
    assert sniff_base64(base64.b64encode(head + bytes(1000)).decode(), kind) == found


@pytest.mark.parametrize(
    ("head", "asked", "media_type"),
    [
        (b"\0\0\0\x18ftypisom\0\0\2\0", AUDIO, "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", AUDIO, "audio/webm"),
        (b"OggS\0\2\0\0", VIDEO, "video/ogg"),
    ],
)
def test_container_is_taken_for_what_was_asked(
    head: bytes, asked: MediaKind, media_type: str
) -> None:
    found = sniff(head, asked)
    assert found is not None
    assert found.media_type == media_type


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "an SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg width="1">', "an SVG"),
        (b"  \n<!DOCTYPE html><title>404", "a page of HTML"),
        (b"<html><img src=x.png>", "a page of HTML"),
        (b"<?xml version='1.0'?><rss>", "XML"),
        (b"", "empty"),
        (b"PK\3\4", "of a type that is not known"),
        (b"\x7fELF", "of a type that is not known"),
        (b"BMW makes cars", "of a type that is not known"),
        (b"RIFFxxxxCDDA", "of a type that is not known"),
        (b"GIF8", "of a type that is not known"),
    ],
)
def test_what_is_nothing_to_be_given_is_told(head: bytes, told: str) -> None:
    for asked in MediaKind:
        assert sniff(head, asked) is None
    assert describe_unknown(head).startswith(told)


@given(st.binary(max_size=SNIFFED_BYTES), st.sampled_from(MediaKind))
def test_any_bytes_are_something_or_nothing(head: bytes, asked: MediaKind) -> None:
    found = sniff(head, asked)
    assert found is None or found.media_type.partition("/")[0] in (found.kind.value, "application")
    assert describe_unknown(head)
