"""Integer money. Rates are whole pico-dollars a unit, amounts whole nano-dollars, both 64-bit.

A request is rounded once, up. No float touches money anywhere: text in, integers inside, text out.
A charge carries what it was computed from, so that it can be computed again.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

import msgspec

from nagara.domain.usage import Meter

PICO_PER_DOLLAR = 10**12
NANO_PER_DOLLAR = 10**9
PICO_PER_NANO = 1000
AMOUNT_NANO_MAX = 2**63 - 1
PLACES_MAX = 9
"""Decimal places of an amount in dollars: a nano-dollar is the last."""
SHOWN_CHARS_MAX = 40
PPM = 1_000_000
MARKUP_PPM_MAX = 10_000 * PPM
"""A million percent."""


class ChargeLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """So many units of a meter at a rate. `model` and `rate_card` where they are not the charge's:
    a provider may ask another model on the way. Each such call is a round, counted from 1 on: the
    tier of input is found for a round by itself, so its lines have to be told apart. `image_class`
    names the card's price of an image by size and quality.
    """

    meter: Meter
    quantity: int
    rate_pico: int
    model: str | None = None
    rate_card: str | None = None
    round_number: int = 0
    image_class: str | None = None


class Charge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Money owed for one request: the sum of its lines and the markup on it, rounded up once.

    `rate_card` is the version of the card. `is_account_markup`: the account's, in place of the
    card's own. `unpriced` are meters that were used and that the card
    has no price for, which is for the operator to know: they were charged nothing.
    """

    amount_nano: int
    lines: tuple[ChargeLine, ...] = ()
    rate_card: str = ""
    markup_ppm: int = 0
    is_account_markup: bool = False
    service_tier: str | None = None
    is_estimated: bool = False
    unpriced: tuple[Meter, ...] = ()


def sum_up(lines: Iterable[ChargeLine], markup_ppm: int = 0) -> int:
    """The amount of a charge with these lines, in nano-dollars: how every one is computed."""
    amount_pico = 0
    for line in lines:
        amount_pico += line.quantity * line.rate_pico
    return mark_up(amount_pico, markup_ppm)


def mark_up(amount_pico: int, markup_ppm: int) -> int:
    """The one rounding rule: pico-dollars with millionths on top to nano-dollars, rounded up."""
    if not markup_ppm:
        return -(-amount_pico // PICO_PER_NANO)
    return -(-amount_pico * (PPM + markup_ppm) // (PPM * PICO_PER_NANO))


def is_markup(markup_ppm: int) -> bool:
    """Whether it leaves something to pay: a discount of everything, or more, is none."""
    return -PPM < markup_ppm <= MARKUP_PPM_MAX


def rate_from_mtok(dollars_per_million: Decimal) -> int:
    """Pico-dollars a token from dollars per million tokens; a finer price is rounded up."""
    pico = dollars_per_million * (PICO_PER_DOLLAR // 1_000_000)
    return int(pico.to_integral_value(ROUND_CEILING))


def format_dollars(amount_nano: int, *, places_min: int = 2) -> str:
    """Plain decimal text without exponent: trailing zeros dropped down to `places_min` places."""
    sign = ""
    if amount_nano < 0:
        sign, amount_nano = "-", -amount_nano
    # Every paid answer says its cost, and cutting digits takes half as long as formatting parts.
    digits = str(amount_nano).zfill(PLACES_MAX + 1)
    whole, fraction = sign + digits[:-PLACES_MAX], digits[-PLACES_MAX:].rstrip("0")
    if len(fraction) < places_min:
        fraction = fraction.ljust(places_min, "0")
    return whole + "." + fraction if fraction else whole


def format_rate(rate_pico: int, markup_ppm: int = 0) -> str:
    """Dollars for one unit, with the markup on it, as plain decimal text.

    No exponent, no trailing zeros, nothing lost: only the amount of a request is rounded.
    """
    whole, rest = divmod(rate_pico * (PPM + markup_ppm), PICO_PER_DOLLAR * PPM)
    fraction = f"{rest:018d}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else f"{whole}"


def parse_dollars(text: str) -> int:
    """Nano-dollars from decimal text such as `"12.50"`.

    Raises `ValueError` for anything else: exponents, NaN, more than nine places, beyond 64 bits.
    """
    shown = text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, fraction = digits.partition(".")
    is_decimal = whole.isascii() and whole.isdigit() and (fraction + "0").isascii()
    if not is_decimal or not (fraction + "0").isdigit():
        raise ValueError(f"{shown!r} is not an amount in dollars, such as 12.50")
    if len(fraction) > PLACES_MAX:
        raise ValueError(f"{shown!r} has more than {PLACES_MAX} decimal places")
    # What has more digits is not made a number at all: that takes long for a million of them.
    is_beyond = len(whole) > len(str(AMOUNT_NANO_MAX))
    amount = 0 if is_beyond else int(whole) * NANO_PER_DOLLAR + int(fraction.ljust(PLACES_MAX, "0"))
    if is_beyond or amount > AMOUNT_NANO_MAX:
        raise ValueError(f"{shown!r} is more than the ledger can hold")
    return sign * amount
