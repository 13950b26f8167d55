"""The judge of the runs with real processes: it sees each broken promise, and no other."""

import msgspec
import pytest

from tests.simulation.real.clients import End, Received
from tests.simulation.real.plan import Fate, Plan, Usage, find_charge_nano
from tests.simulation.real.reconciliation import Row, Sums, find_faults, find_wrong_sums

PLAN = Plan(
    id="c1-1",
    fate=Fate.GOOD,
    is_streamed=True,
    input_tokens=7,
    output_tokens=3,
    output_cap=50,
    pieces=2,
    pause_s=0,
)
USAGE = Usage(7, 3)
CHARGE_NANO = find_charge_nano(USAGE)
WHOLE = Received(plan=PLAN, end=End.WHOLE, status=200, usage=USAGE)
POOR = Received(plan=PLAN, end=End.REFUSED, status=402)
FAILED = Received(plan=PLAN, end=End.FAILED, status=200)
LEFT = Received(plan=PLAN, end=End.LEFT, status=200)
BROKEN = Received(plan=PLAN, end=End.BROKEN)
ROW = Row("c1-1", 200, "ok", CHARGE_NANO, 10**9, False, USAGE)
VOID = msgspec.structs.replace(ROW, outcome="error", charge_nano=0)
CAPS = (PLAN.output_cap,)
SUMS = Sums(
    topped_up_nano=10**9,
    credits_nano=10**9,
    debits_nano=CHARGE_NANO - 1,
    pending_nano=0,
    uncollected_nano=1,
)


def changed(row: Row, **changes: object) -> Row:
    return msgspec.structs.replace(row, **changes)


@pytest.mark.parametrize(
    ("received", "rows", "caps"),
    [
        (WHOLE, [ROW], CAPS),
        (POOR, [], ()),
        (FAILED, [VOID], CAPS),
        (LEFT, [ROW], CAPS),
        (LEFT, [], CAPS),
        (BROKEN, [ROW], CAPS),
        (BROKEN, [], ()),
        (msgspec.structs.replace(WHOLE, cap=20), [ROW], (20,)),
        (msgspec.structs.replace(WHOLE, usage=None), [changed(ROW, is_estimated=True)], CAPS),
    ],
)
def test_a_kept_promise_is_no_fault(
    received: Received, rows: list[Row], caps: tuple[int, ...]
) -> None:
    assert list(find_faults([received], rows, {PLAN.id: caps})) == []


@pytest.mark.parametrize(
    ("received", "rows", "caps", "said"),
    [
        (WHOLE, [], CAPS, "lost"),
        (WHOLE, [ROW, ROW], CAPS, "more than once"),
        (BROKEN, [ROW, VOID], CAPS, "more than once"),
        (WHOLE, [VOID], CAPS, "recorded as failed"),
        (WHOLE, [changed(ROW, charge_nano=CHARGE_NANO - 1)], CAPS, "not what its usage costs"),
        (
            WHOLE,
            [changed(ROW, usage=Usage(7, 4), charge_nano=find_charge_nano(Usage(7, 4)))],
            CAPS,
            f"received for {CHARGE_NANO}",
        ),
        (msgspec.structs.replace(WHOLE, usage=None), [ROW], CAPS, "by an estimate"),
        (LEFT, [changed(ROW, is_estimated=True, held_nano=1)], CAPS, "beyond its hold"),
        (POOR, [VOID], (), "cannot pay, and served"),
        (POOR, [], CAPS, "cannot pay, and served"),
        (FAILED, [ROW], CAPS, "not served"),
        (Received(plan=PLAN, end=End.NOBODY), [], CAPS, "never sent"),
        (msgspec.structs.replace(WHOLE, cap=20), [ROW], CAPS, "with caps"),
        (msgspec.structs.replace(WHOLE, cap=60), [ROW], (60,), "more than it asked for"),
    ],
)
def test_a_broken_promise_is_told(
    received: Received, rows: list[Row], caps: tuple[int, ...], said: str
) -> None:
    faults = list(find_faults([received], rows, {PLAN.id: caps}))
    assert any(said in fault for fault in faults), faults


def test_a_charge_that_nobody_asked_for_is_told() -> None:
    assert "nobody asked for" in next(find_faults([], [ROW], {}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"credits_nano": 10**9 - 1},
        {"debits_nano": CHARGE_NANO},
        {"uncollected_nano": 0},
        {"pending_nano": 1},
        {"credits_nano": 0, "topped_up_nano": 0},
    ],
)
def test_money_that_is_missing_or_too_much_is_told(wrong: dict[str, int]) -> None:
    assert list(find_wrong_sums(SUMS, [ROW])) == []
    assert list(find_wrong_sums(msgspec.structs.replace(SUMS, **wrong), [ROW]))
