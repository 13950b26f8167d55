"""What was used: whole, disjoint quantities by meter.

The meters of one request never overlap, so a price is a plain sum over them. Absent and zero are
different: a meter that is missing was not reported.
"""

import enum
from collections.abc import Mapping

import msgspec


class Meter(enum.StrEnum):
    """The kinds of quantity that can be priced. Tokens unless the name says otherwise."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_READ_AUDIO = "cache_read_audio"
    CACHE_READ_IMAGE = "cache_read_image"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    REASONING = "reasoning"
    INPUT_AUDIO = "input_audio"
    OUTPUT_AUDIO = "output_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT_IMAGE = "output_image"
    IMAGES = "images"
    PIXELS = "pixels"
    CHARACTERS = "characters"
    AUDIO_MS = "audio_ms"
    SEARCHES = "searches"
    FILE_SEARCHES = "file_searches"
    CONTAINERS = "containers"
    REQUESTS = "requests"


INPUT_METERS = frozenset(
    {
        Meter.INPUT,
        Meter.CACHE_READ,
        Meter.CACHE_READ_AUDIO,
        Meter.CACHE_READ_IMAGE,
        Meter.CACHE_WRITE_5M,
        Meter.CACHE_WRITE_1H,
        Meter.INPUT_AUDIO,
        Meter.INPUT_IMAGE,
    }
)
CACHE_READ_METERS = (Meter.CACHE_READ, Meter.CACHE_READ_AUDIO, Meter.CACHE_READ_IMAGE)
OUTPUT_METERS = frozenset({Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE})


QUANTITY_MAX = 10**10
"""More of anything than one answer can have used: who reports more has miscounted."""


class Round(msgspec.Struct, frozen=True):
    """A call that a provider made on the way and bills beside the answer's own counts.

    `model` is None for the model that was asked.
    """

    quantities: Mapping[Meter, int]
    model: str | None = None


class DrawnImage(msgspec.Struct, frozen=True, gc=False):
    """An image that was drawn: `size` as `1536x1024` or `2K`, `quality` in the provider's word.

    None where nobody says. `asked_size` and `asked_quality` are what the request says of it.
    """

    size: str | None = None
    quality: str | None = None
    asked_size: str | None = None
    asked_quality: str | None = None

    @property
    def counted_size(self) -> str | None:
        """The size that counts: the one that was asked for, or else the one that came."""
        return self.asked_size or self.size

    @property
    def counted_quality(self) -> str | None:
        """The quality that counts, likewise."""
        return self.asked_quality or self.quality


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Quantities by meter. `is_estimated` when counted by us because the provider said nothing.

    `service_tier` is the one that served the answer, where it is not the usual one. `rounds` are
    not in `quantities`. `drawn` says what the images are that `quantities` counts.
    """

    quantities: Mapping[Meter, int]
    is_estimated: bool = False
    service_tier: str | None = None
    rounds: tuple[Round, ...] = ()
    drawn: tuple[DrawnImage, ...] = ()

    def is_possible(self) -> bool:
        """Whether an answer can have used that much; money could not be computed from any count."""
        for count in self.quantities.values():
            if count > QUANTITY_MAX:
                return False
        for side in self.rounds:
            for count in side.quantities.values():
                if count > QUANTITY_MAX:
                    return False
        return True

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cached ones included."""
        return _count(self.quantities, INPUT_METERS)

    def count_tokens(self) -> tuple[int, int]:
        """`input_tokens` and `output_tokens`."""
        inward = outward = 0
        for meter, quantity in self.quantities.items():
            if meter in INPUT_METERS:
                inward += quantity
            elif meter in OUTPUT_METERS:
                outward += quantity
        return inward, outward

    @property
    def cached_tokens(self) -> int:
        """The tokens among them that were read from a cache."""
        return sum(self.quantities.get(meter, 0) for meter in CACHE_READ_METERS)

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return _count(self.quantities, OUTPUT_METERS)


def count_input(quantities: Mapping[Meter, int]) -> int:
    """All tokens among these that went in."""
    return _count(quantities, INPUT_METERS)


def _count(quantities: Mapping[Meter, int], meters: frozenset[Meter]) -> int:
    # A loop, since every request counts some: a generator would cost twice as much.
    total = 0
    for meter, quantity in quantities.items():
        if meter in meters:
            total += quantity
    return total


def make_usage(*quantities: tuple[Meter, int]) -> Usage:
    """Usage of the quantities that are there; one below zero is an odd sum, and left out."""
    return Usage({meter: count for meter, count in quantities if count > 0})
