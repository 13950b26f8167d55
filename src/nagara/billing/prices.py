"""The charge that a rate card makes of usage.

One rule for everyone: the whole request is charged at the rates of the tier that all its input
tokens reach, and of the service tier that served it; a meter without a rate of its own is charged
as the coarser one that contains it. What has no rate at all is named in the charge, never hidden.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from nagara.billing.images import charge_drawn
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import Charge, ChargeLine, mark_up, sum_up
from nagara.domain.rates import FREE_METERS, RateCard, Rates, RateTier, find_rate
from nagara.domain.usage import Meter, Round, Usage, count_input

BYTES_PER_TOKEN = 4
"""The rule of thumb by which tokens are estimated from bytes of text."""

TOKENS_PER_IMAGE = 1000
"""The same for an image that goes in, whatever its bytes: about one of a megapixel, mostly."""

FindCard = Callable[[str], RateCard | None]
"""The card in force of another model, by the name that a provider calls it."""

# Looking up a member of an enum is a call, and every charge asks for this one.
_REQUESTS = Meter.REQUESTS


def resolve_rates(card: RateCard, input_tokens: int, service_tier: str | None = None) -> Rates:
    """The rates of a request with so much input, served so."""
    if not card.tiers and service_tier is None:
        return card.rates_pico
    rates = _climb(card.rates_pico, card.tiers, input_tokens)
    service = card.service_tiers.get(service_tier) if service_tier is not None else None
    if service is None:
        # A tier without prices of its own is charged as the usual one.
        return rates
    return {**rates, **_climb(service.rates_pico, service.tiers, input_tokens)}


def _climb(rates: Rates, tiers: Sequence[RateTier], input_tokens: int) -> Rates:
    for tier in reversed(tiers):
        if input_tokens >= tier.input_tokens_min:
            return {**rates, **tier.rates_pico}
    return rates


def price(
    usage: Usage,
    card: RateCard,
    *,
    service_tier: str | None = None,
    account_markup_ppm: int | None = None,
    find_card: FindCard | None = None,
) -> Charge:
    """The charge for `usage` by the card.

    `service_tier` is what `settle_tier` says. The account's markup, where it has one, stands in
    place of the card's. Rounds of another model are charged by that model's card, which
    `find_card` finds, and else by this one. What is free has no lines: each would be of zero, for
    quantities that the usage says.
    """
    markup_ppm = card.markup_ppm if account_markup_ppm is None else account_markup_ppm
    is_usual = service_tier is None and not (usage.drawn or usage.rounds)
    if is_usual and card.is_free and FREE_METERS.issuperset(usage.quantities):
        return Charge(
            amount_nano=0,
            rate_card=card.version,
            markup_ppm=markup_ppm,
            is_account_markup=account_markup_ppm is not None,
            is_estimated=usage.is_estimated,
        )
    unpriced: list[Meter] = []
    if usage.drawn or card.tiers or service_tier is not None:
        lines = _charge_any(usage, card, service_tier, unpriced)
        fee = find_fee(card, service_tier)
    else:
        # One rate for each meter, as on nearly every card.
        lines = _charge_lines(usage.quantities, card.rates_pico, unpriced)
        fee = card.rates_pico.get(_REQUESTS)
    if fee is not None:
        lines.append(ChargeLine(_REQUESTS, 1, fee))
    if usage.rounds:
        lines += _charge_rounds(usage.rounds, card, service_tier, find_card, unpriced)
    return Charge(
        amount_nano=sum_up(lines, markup_ppm),
        lines=tuple(lines),
        rate_card=card.version,
        markup_ppm=markup_ppm,
        is_account_markup=account_markup_ppm is not None,
        service_tier=service_tier,
        is_estimated=usage.is_estimated,
        unpriced=tuple(dict.fromkeys(unpriced)) if unpriced else (),
    )


def price_plainly(usage: Usage, card: RateCard, markup_ppm: int) -> int | None:
    """The amount of `price`, in nano-dollars, where each meter has its one rate on the card.

    For whoever does not ask for the lines. None for whatever else may count.
    """
    if usage.drawn or usage.rounds or usage.service_tier is not None or card.tiers:
        return None
    rates = card.rates_pico
    amount_pico = rates.get(_REQUESTS, 0)
    for meter, quantity in usage.quantities.items():
        rate = rates.get(meter)
        if rate is None:
            return None
        amount_pico += quantity * rate
    return mark_up(amount_pico, markup_ppm)


def _charge_any(
    usage: Usage, card: RateCard, service_tier: str | None, unpriced: list[Meter]
) -> list[ChargeLine]:
    """The lines by the tiers that count, and of images that are priced by what they are."""
    counts, drawn = usage.quantities, charge_drawn(usage, card, unpriced)
    if drawn is not None:
        counts = {meter: count for meter, count in counts.items() if meter is not Meter.IMAGES}
    rates = resolve_rates(card, count_input(counts), service_tier)
    lines = _charge_lines(counts, rates, unpriced, is_by_image=drawn is not None)
    return lines + (drawn or [])


def _charge_rounds(
    rounds: Sequence[Round],
    card: RateCard,
    service_tier: str | None,
    find_card: FindCard | None,
    unpriced: list[Meter],
) -> Iterator[ChargeLine]:
    """The lines of calls that the provider made on the way."""
    for number, side in enumerate(rounds, 1):
        other = find_card(side.model) if find_card is not None and side.model is not None else None
        rates = resolve_rates(other or card, count_input(side.quantities), service_tier)
        for line in _charge_lines(side.quantities, rates, unpriced):
            yield _of_round(line, number, side.model, other)


def _charge_lines(
    quantities: Mapping[Meter, int],
    rates: Rates,
    unpriced: list[Meter],
    *,
    is_by_image: bool = False,
) -> list[ChargeLine]:
    """A line for each meter; those that have no price are added to `unpriced`.

    `is_by_image`: what was drawn is charged beside these, so its tokens need no price.
    """
    lines = []
    for meter, quantity in quantities.items():
        # Nearly every meter has its own price: the rest is for those that are charged as others.
        rate = rates.get(meter)
        if rate is None:
            rate = _find_coarser(meter, quantities, rates)
            if rate is None:
                rate = 0
                unpriced += () if is_by_image else (meter,)
        lines.append(ChargeLine(meter, quantity, rate))
    return lines


def _find_coarser(meter: Meter, quantities: Mapping[Meter, int], rates: Rates) -> int | None:
    """The rate of a meter that has none of its own; None if nothing charges it."""
    rate = find_rate(rates, meter)
    if rate is not None or Meter.IMAGES not in quantities:
        return rate
    # What was drawn is counted by images and by tokens, and charged by either.
    is_by_tokens = meter is Meter.IMAGES and find_rate(rates, Meter.OUTPUT_IMAGE) is not None
    return 0 if is_by_tokens or Meter.IMAGES in rates else None


def find_fee(card: RateCard, service_tier: str | None) -> int | None:
    """Pico-dollars for the request itself; None where the card has no such fee."""
    return resolve_rates(card, 0, service_tier).get(_REQUESTS)


def _of_round(
    line: ChargeLine, number: int, model: str | None, card: RateCard | None
) -> ChargeLine:
    version = None if card is None else card.version
    return ChargeLine(line.meter, line.quantity, line.rate_pico, model, version, number)


def settle_tier(card: RateCard, requested: str | None, served: str | None) -> str | None:
    """The service tier to charge: the one that served, unless it is dearer and was not asked for.

    A provider's project may be set to serve everything with priority. That is between it and the
    operator: what was held for the caller is the usual tier, and the charge stays within it.
    """
    if served is None or served not in card.service_tiers:
        return None
    if served == requested:
        return served
    asked = requested if requested in card.service_tiers else None
    return asked if _is_dearer(card, served, asked) else served


def _is_dearer(card: RateCard, served: str, asked: str | None) -> bool:
    """Whether any meter costs more in one service tier than in the other, at any size of input."""
    tiers = (*card.tiers, *card.service_tiers[served].tiers)
    if asked is not None:
        tiers += card.service_tiers[asked].tiers
    for start in {0, *(tier.input_tokens_min for tier in tiers)}:
        found, wanted = (resolve_rates(card, start, tier) for tier in (served, asked))
        if any((find_rate(found, m) or 0) > (find_rate(wanted, m) or 0) for m in found):
            return True
    return False


def needs_price(model: str, unpriced: Sequence[Meter] = ()) -> GatewayError:
    """The error of a model that nobody gave a price, or none for what a request may use of it."""
    shown = model[:100]
    lacking = f"for {', '.join(unpriced)} " if unpriced else ""
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"The model {shown!r} has no price {lacking}here, so it cannot be charged for. "
        f'The operator gives it one with [models."{shown}".prices] in the configuration file, '
        'or lets what has no price be free with unpriced_models = "free" in [billing].',
        param="model",
        code="model_not_priced",
    )


def complete_usage(
    reported: Usage | None,
    input_tokens: int,
    answer_bytes: int,
    output_tokens_max: int | None = None,
) -> Usage:
    """Usage of an answer that did not come to its end, marked as estimated.

    Providers count input at the beginning and output at the end: what was written until then is
    counted by the rule of thumb, and never as less than was reported.
    """
    estimated = estimate_usage(input_tokens, answer_bytes, output_tokens_max)
    if reported is None:
        return estimated
    missing = estimated.output_tokens - reported.output_tokens
    counts = dict(reported.quantities)
    if missing > 0:
        counts[Meter.OUTPUT] = counts.get(Meter.OUTPUT, 0) + missing
    if not reported.input_tokens:
        counts[Meter.INPUT] = estimated.input_tokens
    return msgspec.structs.replace(reported, quantities=counts, is_estimated=True)


def estimate_input(demand: Demand, input_tokens_max: int | None = None) -> int:
    """The tokens of a request by the rule of thumb, and no more than were held for."""
    tokens = -(-demand.text_bytes // BYTES_PER_TOKEN) + demand.image_count * TOKENS_PER_IMAGE
    return tokens if input_tokens_max is None else min(tokens, input_tokens_max)


def estimate_usage(
    input_tokens: int, answer_bytes: int, output_tokens_max: int | None = None
) -> Usage:
    """Usage by the rule of thumb, marked as estimated: for an answer that reports none.

    Bytes are not all text: the output is never guessed as more than the request allowed.
    """
    output_tokens = -(-answer_bytes // BYTES_PER_TOKEN)
    if output_tokens_max is not None:
        output_tokens = min(output_tokens, output_tokens_max)
    return Usage({Meter.INPUT: input_tokens, Meter.OUTPUT: output_tokens}, is_estimated=True)
