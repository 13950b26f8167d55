"""What an answer with images says of usage, whole or streamed.

The images are counted in any case, since some models are priced by the image and most servers that
are like OpenAI's report nothing else; tokens are metered where they are told. OpenAI's image tokens
lie inside the totals, and an output that is not taken apart is all image.

Source: https://platform.openai.com/docs/api-reference/images/object
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nagara.dialects.base import malformed_answer, read_view
from nagara.dialects.images.dimensions import read_item_size
from nagara.dialects.json_fields import NULL
from nagara.domain.usage import DrawnImage, Meter, Usage


class InputDetails(msgspec.Struct, gc=False):
    """`input_tokens_details`: parts of `input_tokens`."""

    image_tokens: int | None = None
    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """`output_tokens_details`: parts of `output_tokens`."""

    text_tokens: int | None = None


class ChatDetails(msgspec.Struct, gc=False):
    """`completion_tokens_details`: parts of `completion_tokens`."""

    image_tokens: int | None = None
    reasoning_tokens: int | None = None


class ImageUsage(msgspec.Struct, gc=False):
    """`usage` of an answer with images, in the words of OpenAI's images or of its chat.

    OpenRouter has the latter:
    https://github.com/OpenRouterTeam/typescript-sdk/blob/main/src/models/imagegenerationusage.ts
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: ChatDetails | None = None

    def to_counts(self) -> dict[Meter, int]:
        """The same as disjoint meters."""
        counts: dict[Meter, int] = {}
        said = self.prompt_tokens if self.input_tokens is None else self.input_tokens
        rest = max(said or 0, 0)
        inputs = self.input_tokens_details or self.prompt_tokens_details or InputDetails()
        rest = _take(counts, rest, Meter.CACHE_READ, inputs.cached_tokens)
        rest = _take(counts, rest, Meter.INPUT_IMAGE, inputs.image_tokens)
        _take(counts, rest, Meter.INPUT, rest)
        if self.output_tokens is None and self.completion_tokens is not None:
            return counts | self._count_completion(self.completion_tokens)
        rest = max(self.output_tokens or 0, 0)
        outputs = self.output_tokens_details or OutputDetails()
        rest = _take(counts, rest, Meter.OUTPUT, outputs.text_tokens)
        _take(counts, rest, Meter.OUTPUT_IMAGE, rest)
        return counts

    def _count_completion(self, tokens: int) -> dict[Meter, int]:
        counts: dict[Meter, int] = {}
        details = self.completion_tokens_details or ChatDetails(image_tokens=tokens)
        rest = _take(counts, max(tokens, 0), Meter.OUTPUT_IMAGE, details.image_tokens)
        rest = _take(counts, rest, Meter.REASONING, details.reasoning_tokens)
        _take(counts, rest, Meter.OUTPUT, rest)
        return counts


class _Answer(msgspec.Struct, gc=False):
    """Whatever else is odd about an answer, its images are counted: nothing else has a type."""

    data: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = NULL
    size: Any = None
    quality: Any = None


_decoder = msgspec.json.Decoder(_Answer)
_usage_decoder: msgspec.json.Decoder[ImageUsage | None] = msgspec.json.Decoder(ImageUsage | None)


def read_reported(usage: msgspec.Raw) -> ImageUsage | None:
    """The `usage` of an answer; None where there is none that can be read."""
    try:
        return _usage_decoder.decode(usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_word(value: object) -> str | None:
    """What an answer says its size or quality is, if it is a word."""
    return value if isinstance(value, str) and value else None


def read_usage(body: bytes) -> Usage | None:
    """What a whole answer used; None if there is no image in it and no count.

    Raises `GatewayError` for an answer without a list of images: what is in it cannot be counted.
    """
    answer = read_view(body, _decoder, _Answer)
    if answer.data is None:
        raise malformed_answer()
    size, quality = read_word(answer.size), read_word(answer.quality)
    drawn = [DrawnImage(size or read_item_size(bytes(item)), quality) for item in answer.data]
    return make_usage(drawn, read_reported(answer.usage))


def make_usage(drawn: Sequence[DrawnImage], reported: ImageUsage | None) -> Usage | None:
    """Usage of these images, with the tokens that were reported; None for neither."""
    counts = {} if reported is None else reported.to_counts()
    if not Usage(counts).is_possible():
        # The images are there all the same, and are charged by our own count.
        counts = {}
    if drawn:
        counts[Meter.IMAGES] = len(drawn)
    return Usage(counts, drawn=tuple(drawn)) if counts else None


def _take(counts: dict[Meter, int], left: int, meter: Meter, count: int | None) -> int:
    """Count a part, cut to what is left of its total; what is left then."""
    taken = min(max(count or 0, 0), left)
    if taken:
        counts[meter] = taken
    return left - taken


def write_usage(usage: Usage) -> dict[str, object]:
    """The same in OpenAI's words, for an answer that came in others."""
    counts = usage.quantities
    drawn, seen = counts.get(Meter.OUTPUT_IMAGE, 0), counts.get(Meter.INPUT_IMAGE, 0)
    told, written = usage.input_tokens, usage.output_tokens
    return {
        "input_tokens": told,
        "input_tokens_details": {"text_tokens": told - seen, "image_tokens": seen},
        "output_tokens": written,
        "output_tokens_details": {"text_tokens": written - drawn, "image_tokens": drawn},
        "total_tokens": told + written,
    }
