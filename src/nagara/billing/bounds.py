"""What a request may cost at the most: the amount that is held before a provider is asked.

Input is at most a token for each byte of text, a fixed amount for each image, and what fits into
the model's context where it cannot be seen; output is what the caller's cap, the model's, or else
the context allows. Each is priced at the dearest rate that it can be charged at, by the rates and
the rounding of `nagara.billing.prices`, so that no charge is more than what was held for it.
"""

from collections.abc import Sequence

import msgspec

from nagara.billing.images import bound_images
from nagara.billing.prices import FindCard, resolve_rates
from nagara.billing.sound import bound_quantities
from nagara.domain.catalog import Model
from nagara.domain.demand import Demand, SideCalls, Sound
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import PICO_PER_NANO, PPM, format_dollars, mark_up
from nagara.domain.rates import (
    MEDIA_OUTPUT_METERS,
    TEXT_INPUT_METERS,
    TEXT_OUTPUT_METERS,
    RateCard,
    Rates,
    find_dearest,
)
from nagara.domain.usage import Meter

OVERHEAD_TOKENS = 1024
"""What providers put around a conversation: templates, and the instructions for using tools."""

IMAGE_TOKENS_MAX = 16_384
"""What an image counts at the most; models with dearer ones say so in the catalogue."""

OWN_ROUNDS_MAX = 10
OWN_SEARCHES_MAX = 20
"""How often a model with tools of its own reads the conversation, and searches: nobody documents a
bound, and what goes beyond is an over-run."""

# Looking up a member of an enum is a call, and every bound asks for this one.
_REQUESTS = Meter.REQUESTS

_MEDIA_INPUT = (
    *TEXT_INPUT_METERS,
    Meter.INPUT_IMAGE,
    Meter.INPUT_AUDIO,
    Meter.CACHE_READ_AUDIO,
    Meter.CACHE_READ_IMAGE,
)
_MEDIA_OUTPUT = (*TEXT_OUTPUT_METERS, *MEDIA_OUTPUT_METERS)


class BoundLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed where neither the request nor the catalogue says it.

    `is_unpriced_free`: what has no price is not refused, and costs nothing.
    """

    context_tokens: int = 1_048_576
    output_tokens: int = 131_072
    useful_output_tokens: int = 16
    is_unpriced_free: bool = False


class Estimate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request may cost.

    `needed_nano` is for `output_tokens_max` tokens in each of `choice_count` answers, and no cap is
    of use below `output_tokens_min`.
    `input_pico` is everything but output that a cap can lower, and `output_rate_pico` one more
    token in every answer, both before the markup. `unpriced` are meters that the request may use
    and that have no price.
    """

    needed_nano: int
    input_tokens: int
    input_pico: int
    output_tokens_max: int
    output_rate_pico: int
    output_tokens_min: int = 0
    markup_ppm: int = 0
    unpriced: tuple[Meter, ...] = ()


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
    if demand.sound is not None:
        return _bound_sound(demand, demand.sound, card, account_markup_ppm)
    if model.has_own_tools:
        demand = _add_own_tools(demand, card)
    if card.has_media_output and not demand.has_media_output:
        # Models that draw do so unasked: https://ai.google.dev/gemini-api/docs/image-generation
        demand = msgspec.structs.replace(demand, has_media_output=True)
    tokens = bound_input(demand, model, limits)
    cap = bound_output(demand, model, limits)
    is_written = cap > 0 or demand.predicted_tokens_max > 0
    unpriced: list[Meter] = []
    if _is_plain(demand, card):
        input_rate, output_rate = card.text_ceilings
        if input_rate is None:
            input_rate = _note(None, Meter.INPUT, unpriced)
        if output_rate is None or not is_written:
            output_rate = _note(None, Meter.OUTPUT, unpriced) if is_written else 0
        input_pico = tokens * input_rate
    else:
        rates = _reachable(card, tokens, demand.service_tier)
        input_pico = _bound_rest(demand, rates, tokens, unpriced)
        output_rate = _bound_output_rate(demand, rates, unpriced) if is_written else 0
    if demand.images_max:
        whole = msgspec.structs.replace(demand, output_tokens_max=None)
        drawn = bound_output(whole, model, limits)
        input_pico += bound_images(demand, model, card, drawn, unpriced)
    for side in demand.side_calls:
        other = find_card(side.model) if find_card is not None and side.model else None
        once = side.input_tokens_max
        once = tokens // demand.rounds_max if once is None else once
        input_pico += _bound_side(side, other or card, once, limits)
    markup_ppm = card.markup_ppm if account_markup_ppm is None else account_markup_ppm
    output_rate *= demand.choice_count
    input_pico += demand.predicted_tokens_max * output_rate
    return Estimate(
        needed_nano=mark_up(input_pico + cap * output_rate, markup_ppm),
        input_tokens=tokens,
        input_pico=input_pico,
        output_tokens_max=cap,
        output_rate_pico=output_rate,
        output_tokens_min=demand.output_tokens_min,
        markup_ppm=markup_ppm,
        unpriced=tuple(unpriced) if unpriced else (),
    )


def is_nothing_to_hold(demand: Demand, card: RateCard) -> bool:
    """Whether a request costs nothing, whatever is used: text alone, by a card that is free.

    Its bound would be zero, with every meter priced.
    """
    is_text = demand.sound is None and not (demand.images_max or demand.side_calls)
    return card.is_free and is_text and _is_plain(demand, card)


def _bound_sound(
    demand: Demand, sound: Sound, card: RateCard, account_markup_ppm: int | None
) -> Estimate:
    """The most that speech can be charged. Nothing of it can be lowered."""
    tokens = demand.text_bytes + OVERHEAD_TOKENS
    rates = resolve_rates(card, tokens)
    most = bound_quantities(sound, tokens, rates)
    unpriced: list[Meter] = []
    pico = sum(
        count * _dearest(_reachable(card, tokens, None), (meter,), unpriced)
        for meter, count in most.items()
    )
    pico += rates.get(Meter.REQUESTS, 0)
    markup_ppm = card.markup_ppm if account_markup_ppm is None else account_markup_ppm
    return Estimate(
        needed_nano=mark_up(pico, markup_ppm),
        input_tokens=tokens,
        input_pico=pico,
        output_tokens_max=0,
        output_rate_pico=0,
        markup_ppm=markup_ppm,
        unpriced=tuple(unpriced),
    )


def _is_plain(demand: Demand, card: RateCard) -> bool:
    """Whether it is text in and text out at one rate each, as nearly every request is."""
    return not (
        card.tiers
        or demand.service_tier
        or demand.has_media_input
        or demand.has_media_output
        or demand.has_hour_cache
        or demand.searches_max
        or demand.file_searches_max
        or demand.containers_max
        or _REQUESTS in card.rates_pico
    )


def _add_own_tools(demand: Demand, card: RateCard) -> Demand:
    """What a model may do of its own accord, with a price only for what its card has one for."""
    searches = OWN_SEARCHES_MAX if Meter.SEARCHES in card.rates_pico else 0
    return msgspec.structs.replace(
        demand,
        has_unseen_input=True,
        rounds_max=max(demand.rounds_max, OWN_ROUNDS_MAX),
        searches_max=max(demand.searches_max, searches),
    )


def bound_input(demand: Demand, model: Model, limits: BoundLimits) -> int:
    """The most input tokens that the provider can count."""
    tokens = demand.text_bytes + OVERHEAD_TOKENS
    # Most requests are one text that is far shorter than the model's context.
    window = model.context_window or limits.context_tokens
    if demand.context_tokens_min > window:
        window = demand.context_tokens_min
    if demand.image_count:
        tokens += demand.image_count * (model.image_tokens_max or IMAGE_TOKENS_MAX)
    if demand.has_unseen_input:
        tokens += window
    # A context that the catalogue does not know holds whatever was sent.
    is_bounded = demand.is_one_context and (model.context_window or demand.has_unseen_input)
    if is_bounded and tokens > window:
        tokens = window
    return tokens * demand.rounds_max


def bound_output(demand: Demand, model: Model, limits: BoundLimits) -> int:
    """The most output tokens of one answer."""
    if demand.output_tokens_max is not None:
        return demand.output_tokens_max
    return model.output_tokens_max or model.context_window or limits.output_tokens


def _bound_rest(
    demand: Demand, rates: Sequence[Rates], input_tokens: int, unpriced: list[Meter]
) -> int:
    """Pico-dollars for all that is not output."""
    meters = _MEDIA_INPUT if demand.has_media_input else TEXT_INPUT_METERS
    if demand.has_hour_cache:
        meters = (*meters, Meter.CACHE_WRITE_1H)
    if demand.is_search_or_input:
        missing: list[Meter] = []
        pico = input_tokens * _dearest(rates, meters, missing)
        pico += demand.searches_max * _dearest(rates, (Meter.SEARCHES,), missing)
        unpriced += missing if len(missing) > 1 else ()
        return pico + max(rate.get(Meter.REQUESTS, 0) for rate in rates)
    pico = input_tokens * _dearest(rates, meters, unpriced)
    for meter, count in (
        (Meter.SEARCHES, demand.searches_max),
        (Meter.FILE_SEARCHES, demand.file_searches_max),
        (Meter.CONTAINERS, demand.containers_max),
    ):
        if count:
            pico += count * _dearest(rates, (meter,), unpriced)
    # A fee for each request stands on few cards, and is no meter that an answer reports.
    return pico + max(rate.get(Meter.REQUESTS, 0) for rate in rates)


def _bound_output_rate(demand: Demand, rates: Sequence[Rates], unpriced: list[Meter]) -> int:
    meters = _MEDIA_OUTPUT if demand.has_media_output else TEXT_OUTPUT_METERS
    return _dearest(rates, meters, unpriced)


def _bound_side(side: SideCalls, card: RateCard, input_tokens: int, limits: BoundLimits) -> int:
    """Pico-dollars for calls beside the answer."""
    output_tokens = side.output_tokens_max
    if output_tokens is None:
        output_tokens = limits.output_tokens
    rates = _reachable(card, input_tokens, None)
    once = input_tokens * _dearest(rates, _MEDIA_INPUT, [])
    return side.calls_max * (once + output_tokens * _dearest(rates, _MEDIA_OUTPUT, []))


def _reachable(card: RateCard, input_tokens: int, service_tier: str | None) -> Sequence[Rates]:
    """The rates of every tier that input of up to so many tokens can end in.

    The service tier that was asked for may be refused, and the usual one serve.
    """
    if not card.tiers and service_tier is None:
        return (card.rates_pico,)
    found = []
    for service in {None, service_tier if service_tier in card.service_tiers else None}:
        tiers = card.tiers if service is None else card.service_tiers[service].tiers
        starts = [0, *(x.input_tokens_min for x in tiers if x.input_tokens_min <= input_tokens)]
        found += [resolve_rates(card, start, service) for start in starts]
    return found


def _dearest(rates: Sequence[Rates], meters: Sequence[Meter], unpriced: list[Meter]) -> int:
    """The dearest of these meters in any of these rates; one without a price is noted."""
    return _note(find_dearest(rates, meters), meters[0], unpriced)


def _note(rate: int | None, meter: Meter, unpriced: list[Meter]) -> int:
    if rate is None:
        unpriced.append(meter)
        return 0
    return rate


def fit_output(estimate: Estimate, available_nano: int, limits: BoundLimits) -> int | None:
    """The largest cap on each answer's output that the amount pays; None if it is not useful.

    Never more than the cap that the estimate is for.
    """
    fits = find_fitting(estimate, available_nano)
    least = max(limits.useful_output_tokens, estimate.output_tokens_min)
    useful = min(least, estimate.output_tokens_max)
    return fits if fits is not None and fits >= useful else None


def find_fitting(estimate: Estimate, available_nano: int) -> int | None:
    """The largest cap that the amount pays, useful or not; None if not even none is paid."""
    # The inverse of the rounding: the most pico-dollars that cost no more than this.
    payable_pico = max(0, available_nano) * PICO_PER_NANO * PPM // (PPM + estimate.markup_ppm)
    left_pico = payable_pico - estimate.input_pico
    if left_pico < 0:
        return None
    if not estimate.output_rate_pico:
        return estimate.output_tokens_max
    return min(left_pico // estimate.output_rate_pico, estimate.output_tokens_max)


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
