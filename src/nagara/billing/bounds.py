"""What a request may cost at the most: the amount that is held before a provider is asked.

Input is at most a token for each byte of text, a fixed amount for each image, and what fits into
the model's context where it cannot be seen; output is what the caller's cap, the model's, or else
the context allows. Each is priced at the dearest rate that it can be charged at, by the rates and
the rounding of `nagara.billing.prices`, so that no charge is more than what was held for it.
"""

from collections.abc import Iterable

import msgspec

from nagara.billing.prices import FindCard, find_rate, resolve_rates
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import PICO_PER_NANO, PPM, format_dollars, mark_up
from nagara.domain.rates import RateCard, Rates
from nagara.domain.usage import Meter

OVERHEAD_TOKENS = 1024
"""What providers put around a conversation: templates, and the instructions for using tools."""

IMAGE_TOKENS_MAX = 16_384
"""What an image counts at the most; models with dearer ones say so in the catalogue."""

_TEXT_INPUT = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M)
_MEDIA_INPUT = (Meter.INPUT_IMAGE, Meter.INPUT_AUDIO)
_TEXT_OUTPUT = (Meter.OUTPUT, Meter.REASONING)
_MEDIA_OUTPUT = (Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE)


class BoundLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed where neither the request nor the catalogue says it."""

    context_tokens: int = 1_048_576
    output_tokens: int = 131_072
    useful_output_tokens: int = 16


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may cost.

    `needed_nano` is for `output_tokens_max` tokens in each of `choice_count` answers.
    `input_pico` is everything but output, and `output_rate_pico` one more token in every answer,
    both before the markup.
    """

    needed_nano: int
    input_tokens: int
    input_pico: int
    output_tokens_max: int
    output_rate_pico: int
    markup_ppm: int = 0


def bound_charge(
    demand: Demand,
    model: Model,
    card: RateCard,
    limits: BoundLimits,
    *,
    account_markup_ppm: int | None = None,
    find_card: FindCard | None = None,
) -> Estimate:
    """The most that a request can be charged."""
    window = model.context_window or limits.context_tokens
    tokens = bound_input(demand, window)
    input_pico, output_rate = _bound_rates(demand, card, tokens)
    cap = bound_output(demand, model, limits)
    for side in demand.side_models:
        other = find_card(side.model) if find_card is not None else None
        rates = _bound_rates(demand, other or card, limits.context_tokens)
        input_pico += side.calls_max * (rates[0] + limits.output_tokens * rates[1])
    markup_ppm = card.markup_ppm if account_markup_ppm is None else account_markup_ppm
    output_rate *= demand.choice_count
    return Estimate(
        needed_nano=mark_up(input_pico + cap * output_rate, markup_ppm),
        input_tokens=tokens,
        input_pico=input_pico,
        output_tokens_max=cap,
        output_rate_pico=output_rate,
        markup_ppm=markup_ppm,
    )


def bound_input(demand: Demand, window: int) -> int:
    """The most input tokens that the provider can count."""
    if demand.has_unseen_input:
        return window * demand.rounds_max
    tokens = demand.text_bytes + OVERHEAD_TOKENS + demand.image_count * IMAGE_TOKENS_MAX
    return min(tokens, window) * demand.rounds_max


def bound_output(demand: Demand, model: Model, limits: BoundLimits) -> int:
    """The most output tokens of one answer."""
    if demand.output_tokens_max is not None:
        return demand.output_tokens_max
    return model.output_tokens_max or model.context_window or limits.output_tokens


def _bound_rates(demand: Demand, card: RateCard, input_tokens: int) -> tuple[int, int]:
    """Pico-dollars for all that is not output, and for one token of output."""
    input_meters: tuple[Meter, ...] = _TEXT_INPUT
    output_meters: tuple[Meter, ...] = _TEXT_OUTPUT
    if demand.has_hour_cache:
        input_meters += (Meter.CACHE_WRITE_1H,)
    if demand.has_media_input:
        input_meters += _MEDIA_INPUT
    if demand.has_media_output:
        output_meters += _MEDIA_OUTPUT
    rates = list(_reachable(card, input_tokens, demand.service_tier))
    pico = input_tokens * _dearest(rates, input_meters)
    for meter, count in (
        (Meter.SEARCHES, demand.searches_max),
        (Meter.FILE_SEARCHES, demand.file_searches_max),
        (Meter.CONTAINERS, demand.containers_max),
    ):
        pico += count * _dearest(rates, (meter,)) if count else 0
    return pico, _dearest(rates, output_meters)


def _reachable(card: RateCard, input_tokens: int, service_tier: str | None) -> Iterable[Rates]:
    """The rates of every tier that input of up to so many tokens can end in.

    The tier that was asked for may be refused, and the usual one serve.
    """
    services = {None, service_tier if service_tier in card.service_tiers else None}
    for service in services:
        tiers = card.tiers if service is None else card.service_tiers[service].tiers
        yield resolve_rates(card, 0, service)
        for tier in tiers:
            if tier.input_tokens_min <= input_tokens:
                yield resolve_rates(card, tier.input_tokens_min, service)


def _dearest(rates: Iterable[Rates], meters: Iterable[Meter]) -> int:
    return max(find_rate(rate, meter) or 0 for rate in rates for meter in meters)


def fit_output(estimate: Estimate, available_nano: int, limits: BoundLimits) -> int | None:
    """The largest cap on each answer's output that the amount pays; None if it is not useful.

    Never more than the cap that the estimate is for.
    """
    if not estimate.output_rate_pico:
        is_enough = estimate.needed_nano <= available_nano
        return estimate.output_tokens_max if is_enough else None
    # The inverse of the rounding: the most pico-dollars that cost no more than this.
    payable_pico = max(0, available_nano) * PICO_PER_NANO * PPM // (PPM + estimate.markup_ppm)
    fits = (payable_pico - estimate.input_pico) // estimate.output_rate_pico
    fits = min(fits, estimate.output_tokens_max)
    return fits if fits >= min(limits.useful_output_tokens, estimate.output_tokens_max) else None


def price_output(estimate: Estimate, output_tokens: int) -> int:
    """What the request may cost with that cap on each of its answers, in nano-dollars."""
    amount_pico = estimate.input_pico + output_tokens * estimate.output_rate_pico
    return mark_up(amount_pico, estimate.markup_ppm)


def not_enough_credit(
    estimate: Estimate, available_nano: int, fits: int | None, *, is_key: bool = False
) -> GatewayError:
    """The 402: what is needed, what is there, and how many output tokens would still fit.

    `is_key`: it is the key's own limit that leaves so little, not the account's balance.
    """
    where = " within this key's credit limit" if is_key else ""
    top_up = "raise the key's limit or use another key" if is_key else "top up the account"
    way_out = (
        f"With the output capped at {fits} tokens it would fit."
        if fits
        else f"No output would fit; {top_up}."
    )
    return GatewayError(
        ErrorKind.INSUFFICIENT_QUOTA,
        f"Not enough credit: this request may cost up to ${format_dollars(estimate.needed_nano)} "
        f"and ${format_dollars(max(0, available_nano))} is available{where}. {way_out}",
    )
