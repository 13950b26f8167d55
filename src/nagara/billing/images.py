"""Images that are drawn, and what they cost: by the image, by its size and quality, or by tokens.

What the caller asks for is what is held and charged: a size that is asked for is the one that
counts, whatever comes. Where that is left to the model, the dearest that it may be is held, and
what came is charged. So no charge is more than what was held for it.
"""

from collections.abc import Iterator, Sequence

import msgspec

from nagara.domain.catalog import Model
from nagara.domain.demand import Demand
from nagara.domain.money import ChargeLine
from nagara.domain.rates import (
    MEDIA_OUTPUT_METERS,
    TEXT_OUTPUT_METERS,
    ImageClass,
    RateCard,
    find_dearest,
)
from nagara.domain.sizes import count_pixels
from nagara.domain.usage import DrawnImage, Meter, Usage

TOKENS_PER_DRAWN_IMAGE = 4160
"""What an image that is drawn counts where nobody says: OpenAI's square one in high quality.
https://platform.openai.com/docs/guides/image-generation#cost-and-latency"""

PIXELS_ASSUMED = 1_048_576
"""What an image has where neither the request nor the answer says."""

PIXELS_MAX = 16_777_216
"""What it has at the most where the request does not say: 4096x4096."""
LARGEST = "4K"


def complete_images(
    usage: Usage, card: RateCard | None, demand: Demand, input_tokens: int
) -> Usage:
    """Usage with what each image is, and tokens where only images were told and tokens are sold."""
    images = usage.quantities.get(Meter.IMAGES, 0)
    if not images:
        return usage
    usage = msgspec.structs.replace(usage, drawn=_describe(usage, images, demand))
    if card is None or _is_by_image(card) or usage.output_tokens:
        return usage
    drawn = {Meter.OUTPUT_IMAGE: images * TOKENS_PER_DRAWN_IMAGE}
    if not usage.input_tokens:
        drawn[Meter.INPUT] = input_tokens
    counts = {**usage.quantities, **drawn}
    return msgspec.structs.replace(usage, quantities=counts, is_estimated=True)


def _describe(usage: Usage, images: int, demand: Demand) -> tuple[DrawnImage, ...]:
    missing = [DrawnImage()] * (images - len(usage.drawn))
    return tuple(
        DrawnImage(_cut(each.size), each.quality, demand.image_size, demand.image_quality)
        for each in (*usage.drawn[:images], *missing)
    )


def _cut(size: str | None) -> str | None:
    """What a size counts as that nobody asked for: no more than was held for."""
    pixels = 0 if size is None else count_pixels(size) or 0
    return size if pixels <= PIXELS_MAX else LARGEST


def _is_by_image(card: RateCard) -> bool:
    rates = card.rates_pico
    return bool(card.image_classes) or Meter.IMAGES in rates or Meter.PIXELS in rates


def charge_drawn(usage: Usage, card: RateCard, unpriced: list[Meter]) -> list[ChargeLine] | None:
    """The lines of images that are priced by what they are; None where they are not."""
    rates = card.rates_pico
    if not usage.drawn or not (card.image_classes or Meter.PIXELS in rates):
        return None
    lines: list[ChargeLine] = []
    if Meter.PIXELS in rates:
        pixels = sum(_count(image.counted_size) for image in usage.drawn)
        lines.append(ChargeLine(Meter.PIXELS, pixels, rates[Meter.PIXELS]))
    counts: dict[str | None, int] = {}
    for image in usage.drawn:
        found = card.find_image_class(image)
        name = None if found is None else found.name
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        if name is not None:
            rate = card.rate_of_class(name) or 0
            lines.append(ChargeLine(Meter.IMAGES, count, rate, image_class=name))
        elif Meter.IMAGES in rates:
            lines.append(ChargeLine(Meter.IMAGES, count, rates[Meter.IMAGES]))
        elif Meter.PIXELS not in rates:
            unpriced.append(Meter.IMAGES)
            lines.append(ChargeLine(Meter.IMAGES, count, 0))
    return lines


def _count(size: str | None) -> int:
    pixels = count_pixels(size) if size is not None else None
    return PIXELS_ASSUMED if pixels is None else pixels


def bound_images(
    demand: Demand, model: Model, card: RateCard, tokens: int, unpriced: list[Meter]
) -> int:
    """Pico-dollars for all images at the most; `tokens` are those of one answer.

    By their number, their pixels, their tokens, or by all that the card has a price for.
    """
    rates = [card.rates_pico, *(tier.rates_pico for tier in card.tiers)]
    by_image = max(_reachable(demand, card), default=None)
    by_pixel = card.rates_pico.get(Meter.PIXELS)
    by_token = find_dearest(rates, (*TEXT_OUTPUT_METERS, *MEDIA_OUTPUT_METERS))
    if Meter.INPUT in unpriced and (by_image is not None or by_pixel is not None):
        # The price of an image is the price of the request, whatever was said in it.
        unpriced.remove(Meter.INPUT)
    if by_image is None and by_pixel is None and by_token is None:
        unpriced.append(Meter.IMAGES)
    each = by_image or 0
    if by_pixel is not None:
        each += by_pixel * _bound_pixels(demand.image_size)
    drawn = tokens
    if model.drawn_tokens_max is not None:
        # Its answer has words and thoughts too, which are sold as text.
        drawn = model.drawn_tokens_max
        each += tokens * (find_dearest(rates, TEXT_OUTPUT_METERS) or 0)
    if demand.image_tokens_max is not None:
        drawn = min(drawn, demand.image_tokens_max)
    return demand.images_max * (each + drawn * (by_token or 0))


def _reachable(demand: Demand, card: RateCard) -> Iterator[int]:
    """The rates that an image may have, by what is asked for of it."""
    classes: Sequence[ImageClass] = card.image_classes
    is_certain = False
    for each in classes:
        if each.may_fit(demand.image_size, demand.image_quality):
            yield each.rate_pico
            is_certain |= each.fits(demand.image_size, demand.image_quality)
    if Meter.IMAGES in card.rates_pico and not is_certain:
        yield card.rates_pico[Meter.IMAGES]


def _bound_pixels(size: str | None) -> int:
    pixels = count_pixels(size) if size is not None else None
    return PIXELS_MAX if pixels is None else pixels
