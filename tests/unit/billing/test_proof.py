"""Every charge that `price` makes follows from its cards, and one that was changed does not."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.billing import price
from nagara.billing.proof import MISSING, Flaw, find_flaws, find_versions
from nagara.domain.money import Charge, ChargeLine
from nagara.domain.rates import DAY_S, RateCard, RateTier, ServiceRates
from nagara.domain.usage import Meter, Round, Usage

AT_S = 100 * DAY_S + 12 * 3600
RATES = st.dictionaries(st.sampled_from(Meter), st.integers(0, 10**9))
TIERS = st.lists(
    st.builds(RateTier, input_tokens_min=st.integers(1, 300), rates_pico=RATES), max_size=3
).map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.input_tokens_min)))
CARDS = st.builds(
    RateCard,
    rates_pico=RATES,
    tiers=TIERS,
    service_tiers=st.dictionaries(st.just("flex"), st.builds(ServiceRates, RATES, TIERS)),
    markup_ppm=st.integers(-999_999, 10**7),
)
QUANTITIES = st.dictionaries(
    st.sampled_from([meter for meter in Meter if meter is not Meter.REQUESTS]), st.integers(0, 200)
)
ROUNDS = st.lists(
    st.builds(Round, QUANTITIES, st.sampled_from([None, "side", "unknown"])), max_size=3
).map(tuple)

CARD = RateCard(
    rates_pico={Meter.INPUT: 1000, Meter.OUTPUT: 2000, Meter.REQUESTS: 5},
    tiers=(RateTier(100, {Meter.INPUT: 3000}),),
    markup_ppm=50_000,
    hours_s=(6 * 3600, 18 * 3600),
)
SIDE = RateCard(rates_pico={Meter.OUTPUT: 7000})
CHARGE = price(
    Usage(
        {Meter.INPUT: 60, Meter.CACHE_READ: 40, Meter.OUTPUT: 9},
        rounds=(Round({Meter.INPUT: 10}), Round({Meter.OUTPUT: 1}, "side")),
    ),
    CARD,
    find_card={"side": SIDE}.get,
)
STORED = {CARD.version: CARD, SIDE.version: SIDE}


def find(charge: Charge, cards: Mapping[str, RateCard] = STORED, at_s: int = AT_S) -> list[Flaw]:
    return list(find_flaws(charge, at_s, cards))


def put(index: int, line: ChargeLine) -> Charge:
    """The charge with another line in that place."""
    lines = (*CHARGE.lines[:index], line, *CHARGE.lines[index + 1 :])
    return msgspec.structs.replace(CHARGE, lines=lines)


@given(
    st.builds(Usage, QUANTITIES, rounds=ROUNDS),
    CARDS,
    CARDS,
    st.sampled_from([None, "flex"]),
    st.sampled_from([None, 0, 120_000]),
)
def test_what_was_priced_has_no_flaw(
    usage: Usage, card: RateCard, side: RateCard, tier: str | None, markup_ppm: int | None
) -> None:
    charge = price(
        usage,
        card,
        service_tier=tier,
        account_markup_ppm=markup_ppm,
        find_card={"side": side}.get,
    )
    cards = {each.version: each for each in (card, side)}
    assert find_versions(charge) <= set(cards)
    kept = msgspec.json.decode(msgspec.json.encode(charge), type=Charge)
    assert find(kept, cards) == []


@pytest.mark.parametrize("index", range(len(CHARGE.lines)))
def test_line_at_another_rate_is_a_flaw(index: int) -> None:
    line = CHARGE.lines[index]
    changed = msgspec.structs.replace(line, rate_pico=line.rate_pico + 1)
    flaws = find(put(index, changed))
    assert flaws == [Flaw(line.meter.value, line.rate_pico + 1, line.rate_pico)]


@pytest.mark.parametrize(("index", "other"), [(0, SIDE), (2, SIDE), (4, SIDE), (5, CARD)])
def test_line_by_another_card_is_a_flaw(index: int, other: RateCard) -> None:
    line = CHARGE.lines[index]
    changed = msgspec.structs.replace(line, rate_card=other.version)
    assert [(flaw.what, flaw.kept) for flaw in find(put(index, changed))] == [
        (line.meter.value, line.rate_pico)
    ]


def test_whole_request_is_at_the_rates_of_the_tier_that_its_input_reaches() -> None:
    assert [line.rate_pico for line in CHARGE.lines] == [3000, 3000, 2000, 5, 1000, 7000]
    flaws = find(put(0, msgspec.structs.replace(CHARGE.lines[0], quantity=59)))
    assert flaws == [Flaw("input", 3000, 1000), Flaw("cache_read", 3000, 1000)]


def test_markup_is_the_cards_or_said_to_be_the_accounts() -> None:
    other = msgspec.structs.replace(CHARGE, markup_ppm=60_000)
    assert find(other) == [Flaw("markup", 60_000, 50_000)]
    assert find(msgspec.structs.replace(other, is_account_markup=True)) == []


def test_fee_that_was_left_out_is_a_flaw() -> None:
    lines = tuple(line for line in CHARGE.lines if line.meter is not Meter.REQUESTS)
    flaws = find(msgspec.structs.replace(CHARGE, lines=lines))
    assert flaws == [Flaw("requests", 0, 5)]


def test_card_that_is_missing_or_was_not_in_force_is_a_flaw() -> None:
    lost = f"rate card {SIDE.version!r}"
    assert find(CHARGE, {CARD.version: CARD}) == [Flaw(lost, 0, MISSING)]
    assert find(CHARGE, {}) == [Flaw(f"rate card {CARD.version!r}", 0, MISSING)]
    night_s = 100 * DAY_S
    early = Flaw(f"rate card {CARD.version!r} out of its time", night_s, 0)
    assert find(CHARGE, at_s=night_s) == [early, early]
