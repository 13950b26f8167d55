"""Sizes of images in the words of providers that have no pixels: a shape and a class of resolution.

Their sizes are steps: `1:1` in `1K` is 1024x1024, `16:9` is 1344x768. So a size in pixels has an
equivalent if a shape is within a few percent of its own; what is left of the difference is less
than between the providers' own tables and the names in them.

Sources: https://ai.google.dev/gemini-api/docs/image-generation#aspect_ratios
"""

import math

import msgspec

from nagara.domain.sizes import CLASS_PIXELS, class_of

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
RATIO_ERROR_MAX = 0.03


class Shape(msgspec.Struct, frozen=True):
    """A size in steps. `is_smaller` says that less was asked for than the least class has."""

    ratio: str
    resolution: str
    is_smaller: bool


def find_shape(width: int, height: int) -> Shape | None:
    """The equivalent of so many pixels; None where no shape is near."""
    wanted = math.log(width / height)
    ratio = min(RATIOS, key=lambda name: abs(_log_of(name) - wanted))
    if abs(_log_of(ratio) - wanted) > RATIO_ERROR_MAX:
        return None
    pixels = width * height
    found = class_of(pixels)
    return Shape(ratio, "1K" if found == "512" else found, pixels * 2 < CLASS_PIXELS["1K"])


def _log_of(ratio: str) -> float:
    width, height = map(int, ratio.split(":"))
    return math.log(width / height)
