"""The journal: one row for each request that was let through, and its sums by day.

Both are written in the commit that charges the request, so that what a caller reads of activity is
what was charged, to the nano-dollar. Rows are never changed. The id of a row is unique: a request
that is settled twice is refused by the store.
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.money import Charge
from nagara.domain.usage import Usage
from nagara.storage.driver import Statement
from nagara.storage.limit_periods import DAY_MS
from nagara.storage.row_inserts import RowInsert, RowValues

_REQUESTS = RowInsert(
    "INSERT INTO requests (id, request_id, account_id, key_id, at_ms, operation, model, provider, "
    "deployment, status, outcome, error, is_streamed, is_test, attempts, first_byte_ms, "
    "duration_ms, dropped, usage, is_usage_estimated, input_tokens, output_tokens, held_nano, "
    "charge_nano, cost_nano, rate_card, charge)",
    "(${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, "
    "${}, ${}, ${}, ${}, ${}, ${}, ${}, ${}, ${})",
)
_ADD_ACTIVITY = (
    "INSERT INTO activity (account_id, day, key_id, model, requests, charge_nano, cost_nano, "
    "input_tokens, output_tokens) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
    "ON CONFLICT (account_id, day, key_id, model) DO UPDATE SET "
    "requests = activity.requests + excluded.requests, "
    "charge_nano = activity.charge_nano + excluded.charge_nano, "
    "cost_nano = activity.cost_nano + excluded.cost_nano, "
    "input_tokens = activity.input_tokens + excluded.input_tokens, "
    "output_tokens = activity.output_tokens + excluded.output_tokens"
)
_encode = msgspec.json.Encoder().encode

SAID_LENGTH_MAX = 1000

ActivityKey = tuple[int, int, int, str]
"""Account, day, key and model: what sums are kept of."""
Sums = list[int]
"""Requests, charge, cost, tokens in and out."""


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a request.

    `id` is our own, also its hold's; `request_id` is what the caller knows it by. `at_ms` (Unix)
    decides which day and which period of a key's limit it falls into. `charge` of None is free.
    """

    id: str
    request_id: str
    account_id: int
    key_id: int
    at_ms: int
    operation: str
    model: str
    status: int
    outcome: str
    duration_ms: int
    provider: str | None = None
    deployment: str | None = None
    error: str | None = None
    is_streamed: bool = False
    is_test: bool = False
    attempts: int = 0
    first_byte_ms: int | None = None
    dropped: str | None = None
    usage: Usage | None = None
    charge: Charge | None = None

    @property
    def charge_nano(self) -> int:
        """What it was charged."""
        return 0 if self.charge is None else self.charge.amount_nano


Noted = tuple[RequestRecord, int, int | None]
"""A request, what was held for it, and what all its attempts cost us; None if nobody knows."""


def make_storable(text: str | None) -> str | None:
    """Text that a caller or a provider had a hand in, as every database takes it, and bounded.

    A NUL or half a surrogate pair in it would have the whole settlement refused, and what it
    charges with it.
    """
    if text is None:
        return None
    text = text[:SAID_LENGTH_MAX]
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def record_statements(noted: Sequence[Noted]) -> list[Statement]:
    """The rows of requests, and their part of the sums of their days."""
    rows: list[RowValues] = []
    sums: dict[ActivityKey, Sums] = {}
    for record, held_nano, cost_nano in noted:
        usage, charge = record.usage, record.charge
        inward = outward = charge_nano = 0
        if usage is not None:
            inward, outward = usage.count_tokens()
        if charge is not None:
            charge_nano = charge.amount_nano
        key = (record.account_id, record.at_ms // DAY_MS, record.key_id, record.model)
        known = sums.get(key)
        if known is None:
            sums[key] = [1, charge_nano, cost_nano or 0, inward, outward]
        else:
            known[0] += 1
            known[1] += charge_nano
            known[2] += cost_nano or 0
            known[3] += inward
            known[4] += outward
        rows.append(
            (
                record.id,
                record.request_id,
                record.account_id,
                record.key_id,
                record.at_ms,
                record.operation,
                record.model,
                record.provider,
                record.deployment,
                record.status,
                record.outcome,
                record.error,
                1 if record.is_streamed else 0,
                1 if record.is_test else 0,
                record.attempts,
                record.first_byte_ms,
                record.duration_ms,
                record.dropped,
                None if usage is None else _encode(usage.quantities).decode(),
                1 if usage is not None and usage.is_estimated else 0,
                inward,
                outward,
                held_nano,
                charge_nano,
                cost_nano,
                None if charge is None else charge.rate_card,
                None if charge is None else _encode(charge).decode(),
            )
        )
    statements = _REQUESTS.insert_many(rows)
    for key, counts in sums.items():
        statements.append(Statement(_ADD_ACTIVITY, key + tuple(counts), 1))
    return statements
