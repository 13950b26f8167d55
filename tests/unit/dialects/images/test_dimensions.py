"""How large a picture is, told from its first bytes: held against what drew it."""

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nagara.dialects.images.dimensions import read_base64_size, read_dimensions, read_item_size

FORMS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("GIF", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": b"Exif\x00\x00" + b"x" * 40_000}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"lossless": True, "exif": b"x"}),
]


def draw(form: str, size: tuple[int, int], **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(("form", "options"), FORMS)
@pytest.mark.parametrize("size", [(1, 1), (640, 17), (300, 4096)])
def test_size_is_read_from_the_beginning(
    form: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    content = draw(form, size, **options)
    assert read_dimensions(content) == size
    item = json.dumps({"b64_json": base64.b64encode(content).decode()}).encode()
    assert read_item_size(item) == f"{size[0]}x{size[1]}"


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP",
       b"GIF89a", b"\x89PNG\r\n\x1a\n"]))  # fmt: skip
def test_whatever_it_is_there_is_a_size_or_none(content: bytes, begins: bytes) -> None:
    read_dimensions(begins + content)
    read_base64_size(content)
    read_item_size(b'{"b64_json": "' + content + b'"}')


def test_link_has_no_size() -> None:
    assert read_item_size(b'{"url": "https://theirs.example/a.png"}') is None
    assert read_base64_size(b"") is None
