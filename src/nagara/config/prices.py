"""The operator's own prices, as the file declares them, to rate cards.

One table, or a list of tables of which each counts from its day on. Prices are dollars for a
million tokens, or for one of what is not counted in tokens; text and numbers count as what they
look like, never as floats. What is free says so: a price that is missing is never zero.
"""

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from nagara.config.document import Document
from nagara.config.tables import (
    ImagePriceTable,
    PricesTable,
    Problems,
    RatesTable,
    ServiceTable,
    TierTable,
    read_fields,
)
from nagara.domain.money import PPM, is_markup, rate_from_mtok
from nagara.domain.rates import FREE_RATES, ImageClass, RateCard, Rates, RateTier, ServiceRates
from nagara.domain.sizes import count_pixels
from nagara.domain.usage import Meter

PRICE_MTOK_MAX = Decimal(1_000_000)
NO_PRICE = 'has to be a price in dollars, such as "0.10"'
NO_SIZE = 'has to be a size in pixels, such as "1024x1024", or 512, 1K, 2K or 4K'
NO_MARKUP = 'has to be a percentage above -100, such as "20"'
MS_PER_HOUR = 3_600_000

# Price of the file -> meters, and how many of their units it is for. A cache write has one price
# for both of its lifetimes, unless the longer one has its own.
METERS: Mapping[str, tuple[tuple[Meter, ...], int]] = {
    "input_mtok": ((Meter.INPUT,), 1_000_000),
    "output_mtok": ((Meter.OUTPUT,), 1_000_000),
    "reasoning_mtok": ((Meter.REASONING,), 1_000_000),
    "cache_read_mtok": ((Meter.CACHE_READ,), 1_000_000),
    "cache_write_mtok": ((Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H), 1_000_000),
    "cache_write_1h_mtok": ((Meter.CACHE_WRITE_1H,), 1_000_000),
    "input_audio_mtok": ((Meter.INPUT_AUDIO,), 1_000_000),
    "output_audio_mtok": ((Meter.OUTPUT_AUDIO,), 1_000_000),
    "input_image_mtok": ((Meter.INPUT_IMAGE,), 1_000_000),
    "output_image_mtok": ((Meter.OUTPUT_IMAGE,), 1_000_000),
    "mchars": ((Meter.CHARACTERS,), 1_000_000),
    "image": ((Meter.IMAGES,), 1),
    "megapixel": ((Meter.PIXELS,), 1_000_000),
    "audio_hour": ((Meter.AUDIO_MS,), MS_PER_HOUR),
    "search": ((Meter.SEARCHES,), 1),
    "file_search": ((Meter.FILE_SEARCHES,), 1),
    "container": ((Meter.CONTAINERS,), 1),
    "request": ((Meter.REQUESTS,), 1),
}


def read_prices(
    document: Document, keys: tuple[str, ...], prices: object, problems: Problems
) -> tuple[RateCard, ...] | None:
    """The cards of a model by the day from which they count; None if it declares none."""
    if prices is None:
        return None
    keys = (*keys, "prices")
    tables = prices if isinstance(prices, list) else [prices]
    read = (_read_card(document, keys, table, problems) for table in tables)
    cards = [card for card in read if card is not None]
    days = [card.effective_from_s for card in cards]
    if len(set(days)) < len(days):
        problems.add(document.where(*keys), "has two prices from the same day on")
    return tuple(sorted(cards, key=lambda card: card.effective_from_s))


def has_price(card: RateCard) -> bool:
    """Whether anything on the card costs something."""
    return any(card.rates_pico.values()) or any(x.rate_pico for x in card.image_classes)


def _read_card(
    document: Document, keys: tuple[str, ...], table: object, problems: Problems
) -> RateCard | None:
    fields = read_fields(PricesTable, document, keys, table, problems)
    if fields is None:
        return None
    rates = read_rates(document, keys, fields, problems)
    images = _read_images(document, (*keys, "images"), fields.images, problems)
    if fields.free:
        if images or any(rates.values()):
            problems.add(document.where(*keys), "is free and has prices: one of the two is wrong")
        rates = {**FREE_RATES, **rates}
    elif not (rates or images):
        problems.add(document.where(*keys), "has no price; what costs nothing says free = true")
    tiers = _read_tiers(document, (*keys, "tiers"), fields.tiers, problems)
    return RateCard(
        rates_pico=rates,
        tiers=tiers,
        service_tiers={
            name: service
            for name, own in fields.service_tiers.items()
            if (service := _read_service(document, keys, name, own, rates, tiers, problems))
        },
        effective_from_s=_to_unix(fields.effective_from),
        image_classes=images,
    )


def _read_images(
    document: Document, keys: tuple[str, ...], tables: Sequence[object], problems: Problems
) -> tuple[ImageClass, ...]:
    found: list[ImageClass] = []
    for table in tables:
        fields = read_fields(ImagePriceTable, document, keys, table, problems)
        if fields is None:
            continue
        rate = read_rate(fields.price, 1)
        if rate is None:
            problems.add(document.where(*keys, "price"), NO_PRICE)
            continue
        each = ImageClass(rate, fields.size, fields.quality)
        if not each.name:
            what = "has neither a size nor a quality: the price of any image is called image"
            problems.add(document.where(*keys), what)
        elif fields.size is not None and count_pixels(fields.size) is None:
            problems.add(document.where(*keys, "size"), NO_SIZE)
        elif each.name in {other.name for other in found}:
            problems.add(document.where(*keys), f"has the price of {each.name!r} twice")
        found.append(each)
    return tuple(found)


def read_rates(
    document: Document, keys: tuple[str, ...], fields: RatesTable, problems: Problems
) -> dict[Meter, int]:
    """The rates that are there, in pico-dollars a unit; those that are wrong are noted."""
    rates: dict[Meter, int] = {}
    for name, (meters, units) in METERS.items():
        price = getattr(fields, name)
        if price is None:
            continue
        rate = read_rate(price, units)
        if rate is None:
            problems.add(document.where(*keys, name), NO_PRICE)
        else:
            rates.update(dict.fromkeys(meters, rate))
    return rates


def read_rate(price: str | float, units: int) -> int | None:
    """Pico-dollars a unit of a price for so many; None if it is no price."""
    dollars = _read_decimal(price)
    if dollars is None or not 0 <= dollars <= PRICE_MTOK_MAX:
        return None
    return rate_from_mtok(dollars * 1_000_000 / units)


def _read_tiers(
    document: Document, keys: tuple[str, ...], tables: Sequence[object], problems: Problems
) -> tuple[RateTier, ...]:
    found: dict[int, Rates] = {}
    for table in tables:
        fields = read_fields(TierTable, document, keys, table, problems)
        if fields is not None:
            rates = read_rates(document, keys, fields, problems)
            found[fields.input_tokens_above + 1] = rates
    return tuple(RateTier(start, found[start]) for start in sorted(found))


def _read_service(
    document: Document,
    keys: tuple[str, ...],
    name: str,
    table: object,
    rates: Rates,
    tiers: Sequence[RateTier],
    problems: Problems,
) -> ServiceRates | None:
    """A service tier: a multiple of all prices, or prices of its own, or both."""
    keys = (*keys, "service_tiers", name)
    fields = read_fields(ServiceTable, document, keys, table, problems)
    if fields is None:
        return None
    own = read_rates(document, keys, fields, problems)
    if fields.multiple is None:
        return ServiceRates(own)
    multiple = _read_decimal(fields.multiple)
    if multiple is None or not 0 < multiple <= PPM:
        problems.add(document.where(*keys, "multiple"), 'has to be a number, such as "0.5"')
        return None
    return ServiceRates(
        _multiply(rates, multiple) | own,
        tuple(RateTier(x.input_tokens_min, _multiply(x.rates_pico, multiple)) for x in tiers),
    )


def _multiply(rates: Rates, multiple: Decimal) -> dict[Meter, int]:
    return {meter: rate_from_mtok(rate * multiple / PPM) for meter, rate in rates.items()}


def read_markup(
    document: Document, keys: tuple[str, ...], percent: str | float | None, problems: Problems
) -> int | None:
    """A percentage as millionths; None if there is none."""
    if percent is None:
        return None
    value = _read_decimal(percent)
    ppm = None if value is None else value * 10_000
    if ppm is None or ppm != int(ppm) or not is_markup(int(ppm)):
        problems.add(document.where(*keys, "markup_percent"), NO_MARKUP)
        return None
    return int(ppm)


def _read_decimal(text: str | float) -> Decimal | None:
    """A number as it was written; a float counts as what it looks like."""
    try:
        value = Decimal(str(text))
    except (InvalidOperation, ValueError):
        return None
    return value if value.is_finite() else None


def _to_unix(day: datetime.date | None) -> int:
    if day is None:
        return 0
    return int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp())
