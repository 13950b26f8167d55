"""Whether a charge follows from the rate cards that it names: its arithmetic, gone through again.

The other direction of `prices`: from the lines of a charge back to the tier of input, the service
tier and the rate that each must have had. A charge that was made by `price` has no flaws, whatever
became of prices, markups and models since. Pure; whoever asks brings the cards.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from nagara.billing.prices import find_fee, resolve_rates
from nagara.domain.money import Charge, ChargeLine
from nagara.domain.rates import RateCard, find_rate, find_rate_card
from nagara.domain.usage import Meter, count_input

MISSING = -1
"""What is computed from a card that is not there."""


class Flaw(msgspec.Struct, frozen=True):
    """What of a charge does not follow from its cards: as it is, and as it should be.

    Pico-dollars for a meter, millionths for the markup, Unix seconds for a card out of its time.
    """

    what: str
    kept: int
    computed: int


def find_flaws(charge: Charge, at_s: int, cards: Mapping[str, RateCard]) -> Iterator[Flaw]:
    """All that is wrong with a charge of that moment; `cards` are those it names, by version."""
    card = cards.get(charge.rate_card)
    if card is None:
        yield Flaw(f"rate card {charge.rate_card!r}", 0, MISSING)
        return
    if not charge.is_account_markup and charge.markup_ppm != card.markup_ppm:
        yield Flaw("markup", charge.markup_ppm, card.markup_ppm)
    yield from _check_fee(charge, card)
    for _, lines in groupby(charge.lines, key=lambda line: line.round_number):
        yield from _check_round(list(lines), charge, at_s, cards)


def find_versions(charge: Charge) -> set[str]:
    """The versions of all cards that a charge names."""
    own = {line.rate_card for line in charge.lines if line.rate_card is not None}
    return own | {charge.rate_card}


def _check_fee(charge: Charge, card: RateCard) -> Iterator[Flaw]:
    """Nobody may have left out, or made up, the fee for the request itself."""
    fee = find_fee(card, charge.service_tier) or 0
    fees = [line for line in charge.lines if line.meter is Meter.REQUESTS]
    charged = sum(line.rate_pico * line.quantity for line in fees)
    if charged != fee:
        yield Flaw(str(Meter.REQUESTS), charged, fee)


def _check_round(
    lines: Sequence[ChargeLine], charge: Charge, at_s: int, cards: Mapping[str, RateCard]
) -> Iterator[Flaw]:
    """The lines of one call, at the rates that its own input reaches."""
    metered = [line for line in lines if line.meter is not Meter.REQUESTS]
    input_tokens = count_input({line.meter: line.quantity for line in metered})
    told = set[str]()
    for line in metered:
        version = line.rate_card or charge.rate_card
        card = cards.get(version)
        if card is not None and find_rate_card((card,), at_s) is not None:
            rates = resolve_rates(card, input_tokens, charge.service_tier)
            rate_pico = find_rate(rates, line.meter) or 0
            if line.image_class is not None:
                named = card.rate_of_class(line.image_class)
                rate_pico = MISSING if named is None else named
            if line.rate_pico != rate_pico:
                yield Flaw(str(line.meter), line.rate_pico, rate_pico)
        elif version not in told:
            told.add(version)
            yield _doubt(version, card, at_s)


def _doubt(version: str, card: RateCard | None, at_s: int) -> Flaw:
    """Of a card that is not there, or was not in force."""
    if card is None:
        return Flaw(f"rate card {version!r}", 0, MISSING)
    return Flaw(f"rate card {version!r} out of its time", at_s, card.effective_from_s)
