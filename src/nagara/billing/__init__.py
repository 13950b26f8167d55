"""Usage times rates is a charge; and what a request may cost at the most, before it is made.

`prices` charges by a rate card, `bounds` says what to hold and how much output
an amount can pay. Pure integer arithmetic: rates in pico-dollars, amounts in nano-dollars, rounded
once a request, up.
"""

from nagara.billing.bounds import (
    BoundLimits,
    Estimate,
    bound_charge,
    fit_output,
    is_nothing_to_hold,
    not_enough_credit,
    price_output,
)
from nagara.billing.images import complete_images
from nagara.billing.prices import (
    complete_usage,
    estimate_input,
    estimate_usage,
    needs_price,
    price,
    price_plainly,
    settle_tier,
)
from nagara.billing.sound import count_sound
from nagara.domain.rates import find_rate, find_rate_card

__all__ = [
    "BoundLimits",
    "Estimate",
    "bound_charge",
    "complete_images",
    "complete_usage",
    "count_sound",
    "estimate_input",
    "estimate_usage",
    "find_rate",
    "find_rate_card",
    "fit_output",
    "is_nothing_to_hold",
    "needs_price",
    "not_enough_credit",
    "price",
    "price_output",
    "price_plainly",
    "settle_tier",
]
