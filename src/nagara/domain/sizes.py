"""Sizes of images as requests, answers and prices have them: `1536x1024`, or a class such as `2K`.

A class is what a square of that side has (`1K`: 1024x1024), and shapes of about as many pixels
belong to it: 3840x2160 is what people call 4K.
"""

import re

CLASS_PIXELS = {"512": 262_144, "1K": 1_048_576, "2K": 4_194_304, "4K": 16_777_216}
"""What a square of each class has."""

CLASS_SHARE_PERCENT = 45
"""How much of its pixels a size has from which on it is of that class."""

_SIZE = re.compile(r"(\d{1,5})\s*[xX]\s*(\d{1,5})")


def read_size(size: str) -> tuple[int, int] | None:
    """Width and height; None for `auto`, a class, and anything else that names no pixels."""
    found = _SIZE.fullmatch(size)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    return (width, height) if width and height else None


def count_pixels(size: str) -> int | None:
    """How many pixels an image of that size has; None where it names none."""
    if (found := read_size(size)) is not None:
        return found[0] * found[1]
    return CLASS_PIXELS.get(size.upper())


def class_of(pixels: int) -> str:
    """The class of an image of so many pixels."""
    reached = [
        name for name, full in CLASS_PIXELS.items() if pixels * 100 >= full * CLASS_SHARE_PERCENT
    ]
    return reached[-1] if reached else "512"


def is_of(size: str, named: str) -> bool:
    """Whether a size is the one that a price names, or of the class that it names."""
    if size.upper() == named.upper():
        return True
    pixels = count_pixels(size)
    return (
        pixels is not None and named.upper() in CLASS_PIXELS and class_of(pixels) == named.upper()
    )
