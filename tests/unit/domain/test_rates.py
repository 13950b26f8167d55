"""Which card is in force, and until when."""

import math

from hypothesis import given
from hypothesis import strategies as st

from nagara.domain.rates import DAY_S, RateCard, find_next_change, find_rate_card

HOURS = st.tuples(st.integers(0, DAY_S), st.integers(0, DAY_S))
CARDS = st.lists(
    st.builds(
        RateCard,
        rates_pico=st.just({}),
        effective_from_s=st.integers(0, 3 * DAY_S),
        hours_s=st.none() | HOURS,
    ),
    max_size=4,
)
MOMENTS = st.integers(0, 4 * DAY_S)


@given(CARDS, MOMENTS, st.floats(0, 1, exclude_max=True))
def test_card_stays_in_force_until_the_next_change(
    cards: list[RateCard], now_s: int, share: float
) -> None:
    until_s = min(find_next_change(cards, now_s), now_s + DAY_S)
    assert until_s > now_s
    # Rounded up, the sum may be that moment itself.
    later_s = min(math.floor(now_s + (until_s - now_s) * share), math.ceil(until_s) - 1)
    assert find_rate_card(cards, later_s) is find_rate_card(cards, now_s)


def test_what_has_neither_date_nor_hours_never_changes() -> None:
    assert find_next_change([RateCard(rates_pico={})], 5.0) == math.inf
