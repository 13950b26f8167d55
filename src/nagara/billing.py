"""Usage times rates is a charge; and what a request may cost at the most, before it is made.

Pure integer arithmetic: rates in pico-dollars, amounts in nano-dollars, rounded once, up.
"""

from collections.abc import Mapping

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.money import PICO_PER_NANO, format_dollars, round_to_nano
from nagara.domain.usage import Meter, Usage

# What a meter is charged as where the rate card has no price of its own for it.
_FALLBACK = {
    Meter.CACHE_READ: Meter.INPUT,
    Meter.CACHE_WRITE_5M: Meter.INPUT,
    Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE_5M,
    Meter.INPUT_AUDIO: Meter.INPUT,
    Meter.INPUT_IMAGE: Meter.INPUT,
    Meter.REASONING: Meter.OUTPUT,
    Meter.OUTPUT_AUDIO: Meter.OUTPUT,
    Meter.OUTPUT_IMAGE: Meter.OUTPUT,
}

BYTES_PER_TOKEN = 4
"""The rule of thumb by which tokens are estimated from bytes of text."""

OUTPUT_TOKENS_ASSUMED = 4096
"""Output held for when neither the caller nor the catalogue names a cap."""


class Estimate(msgspec.Struct, frozen=True):
    """What a request may cost: `needed_nano`, and the parts it was computed from.

    `output_rate_pico` is what one more token in every answer would cost.
    """

    needed_nano: int
    input_pico: int
    output_rate_pico: int


def find_rate(rates_pico: Mapping[Meter, int], meter: Meter) -> int:
    """Pico-dollars for one unit of `meter`; zero where neither it nor its fallback has a price."""
    step: Meter | None = meter
    while step is not None:
        if step in rates_pico:
            return rates_pico[step]
        step = _FALLBACK.get(step)
    return 0


def price(usage: Usage, rates_pico: Mapping[Meter, int]) -> int:
    """The charge for `usage`, in nano-dollars."""
    amount_pico = 0
    for meter, count in usage.quantities.items():
        rate = rates_pico.get(meter)
        amount_pico += count * (find_rate(rates_pico, meter) if rate is None else rate)
    return round_to_nano(amount_pico)


def estimate_usage(request_bytes: int, answer_bytes: int) -> Usage:
    """Usage by the rule of thumb, marked as estimated: for an answer that reports none."""
    return Usage(
        {
            Meter.INPUT: -(-request_bytes // BYTES_PER_TOKEN),
            Meter.OUTPUT: -(-answer_bytes // BYTES_PER_TOKEN),
        },
        is_estimated=True,
    )


def estimate_charge(
    rates_pico: Mapping[Meter, int],
    request_bytes: int,
    output_tokens_max: int | None,
    choice_count: int = 1,
) -> Estimate:
    """What a request of so many bytes may cost with that cap on each of its answers."""
    input_tokens = -(-request_bytes // BYTES_PER_TOKEN)
    input_pico = input_tokens * find_rate(rates_pico, Meter.INPUT)
    output_rate = find_rate(rates_pico, Meter.OUTPUT) * choice_count
    cap = OUTPUT_TOKENS_ASSUMED if output_tokens_max is None else output_tokens_max
    return Estimate(round_to_nano(input_pico + cap * output_rate), input_pico, output_rate)


def check_balance(estimate: Estimate, available_nano: int) -> None:
    """Raises `GatewayError` (INSUFFICIENT_QUOTA) when the balance cannot pay the estimate.

    The message says what is needed, what is there, and how many output tokens would still fit.
    """
    if estimate.needed_nano <= available_nano:
        return
    left_pico = available_nano * PICO_PER_NANO - estimate.input_pico
    fits = max(0, left_pico // estimate.output_rate_pico) if estimate.output_rate_pico else 0
    raise GatewayError(
        ErrorKind.INSUFFICIENT_QUOTA,
        f"Not enough credit: this request may cost up to ${format_dollars(estimate.needed_nano)} "
        f"and ${format_dollars(max(0, available_nano))} is available. "
        + (
            f"With the output capped at {fits} tokens it would fit."
            if fits
            else "No output would fit; top up the account."
        ),
    )
