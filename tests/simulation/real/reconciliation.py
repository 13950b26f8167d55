"""What clients received, held against what the ledger has, request by request. Pure.

The promise, as a client can check it: an answer that it got to its end was charged once, by the
usage that it was told; what it was refused, or told to have failed, was not charged; what broke off
was charged at most once. And nobody reached the provider whose money was not held.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tests.simulation.real.clients import End, Received
from tests.simulation.real.plan import Fate, Usage, find_charge_nano


class Row(msgspec.Struct, frozen=True):
    """What the journal has of a request that came to the ledger."""

    request_id: str
    status: int
    outcome: str
    charge_nano: int
    held_nano: int
    is_estimated: bool
    usage: Usage


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger comes to at the end, in nano-dollars; `topped_up_nano` is the test's own."""

    topped_up_nano: int
    credits_nano: int
    debits_nano: int
    pending_nano: int
    uncollected_nano: int


def find_faults(
    received: Iterable[Received],
    rows: Iterable[Row],
    calls: Mapping[str, Sequence[int]],
) -> Iterator[str]:
    """Every broken promise, in words. `calls` are the caps that the provider was asked with."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_id[row.request_id].append(row)
    for each in received:
        own = by_id.pop(each.plan.id, [])
        for fault in _judge(each, own, calls.get(each.plan.id, ())):
            yield f"{fault}: {each} has {own}"
    for orphans in by_id.values():
        yield f"nobody asked for {orphans}"


def _judge(received: Received, rows: Sequence[Row], caps: Sequence[int]) -> Iterator[str]:
    charge_nano = sum(row.charge_nano for row in rows)
    if len(rows) > 1:
        yield "recorded more than once"
    if any(row.charge_nano and row.charge_nano != find_charge_nano(row.usage) for row in rows):
        yield "the charge is not what its usage costs"
    # What a provider reports is charged, also beyond the hold; what we guess is not.
    is_reported = received.plan.fate is Fate.BEYOND_CAP
    if (
        any(row.is_estimated and row.charge_nano > row.held_nano for row in rows)
        and not is_reported
    ):
        yield "an estimate is beyond its hold"
    if received.end is End.WHOLE:
        yield from _judge_whole(received, rows)
    elif received.end in (End.REFUSED, End.FAILED, End.NOBODY) and charge_nano:
        yield "charged, but not served"
    if received.status == 402 and (rows or caps):
        yield "told that it cannot pay, and served"
    if received.end is End.NOBODY and (rows or caps):
        yield "never sent, and served"
    cap = received.plan.output_cap if received.cap is None else received.cap
    if received.status == 200 and set(caps) != {cap}:
        yield f"asked of the provider with caps {caps}"
    if cap > received.plan.output_cap:
        yield "allowed more than it asked for"


def _judge_whole(received: Received, rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        yield "received whole, and lost"
        return
    row = rows[0]
    if (row.status, row.outcome) != (200, "ok"):
        yield "received whole, and recorded as failed"
    if received.usage is None:
        if not row.is_estimated or not row.charge_nano:
            yield "an answer without usage is not charged by an estimate"
    elif row.charge_nano != find_charge_nano(received.usage):
        yield f"received for {find_charge_nano(received.usage)}"


def find_wrong_sums(sums: Sums, rows: Iterable[Row]) -> Iterator[str]:
    """Whether all the money is somewhere."""
    charged_nano = sum(row.charge_nano for row in rows)
    if sums.credits_nano != sums.topped_up_nano:
        yield "the credit is not what was topped up"
    if sums.debits_nano + sums.uncollected_nano != charged_nano:
        yield f"what was collected and what was not is not what was charged ({charged_nano})"
    if sums.pending_nano:
        yield "money is held for nobody"
    if sums.credits_nano < sums.debits_nano:
        yield "overdrawn"


def count(received: Iterable[Received], rows: Iterable[Row]) -> Counter[str]:
    """How often what came up, for people and for the check that anything did."""
    found: Counter[str] = Counter()
    for each in received:
        why = "" if each.error is None else f", {each.status} {each.error}"
        found[f"client: {each.end.value}{why}"] += 1
        found["client: lowered"] += each.cap is not None
    for row in rows:
        kind = "charged" if row.charge_nano else "not charged"
        found[f"journal: {row.outcome}, {kind}{', estimated' if row.is_estimated else ''}"] += 1
        found["journal: beyond its hold"] += row.charge_nano > row.held_nano
    return +found
