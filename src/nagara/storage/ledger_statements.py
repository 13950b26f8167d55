"""The ledger's SQL as values: pure functions that say what to commit, and never run it.

How it works. A customer's available credit is credits - debits - pending. `hold` adds to pending
under a condition that is part of the write; nothing has moved yet. A post, a void and an expiry
each delete the row in `holds` and expect to have deleted one, which makes them exclusive; what
moved is a row in `transfers`, whose id derives from the hold's. Sums are kept for customers and
keys alone.

Invariant: in every list the customer's row comes first and the key's second, so that no two
processes wait for each other; and because the customer's row is locked by then, what later
statements read of it is true until the commit.
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.money import AMOUNT_NANO_MAX
from nagara.storage.driver import Statement, Value
from nagara.storage.journal import Noted, RequestRecord, record_statements
from nagara.storage.limit_periods import DAY_S, find_period_begins
from nagara.storage.rate_cards import UsedCard
from nagara.storage.row_inserts import RowValues
from nagara.storage.transfers import (
    AVAILABLE,
    CUSTOMER,
    KEY,
    REVENUE,
    TRANSFERS,
    Party,
    cost_parties,
    make_row,
)

# $2 is an amount, $3 the account, $4 to $6 when the day, the week and the month began.
_PERIOD_BEGAN = (
    "(CASE limit_period WHEN 'day' THEN CAST($4 AS BIGINT) WHEN 'week' THEN CAST($5 AS BIGINT) "
    "WHEN 'month' THEN CAST($6 AS BIGINT) ELSE 0 END)"
)
# Summed up anew whenever the row is about another period: the first call of a day, a limit whose
# period was changed, or a clock that was wrong. So no clock can reset or freeze a limit.
_SUMMED = (
    "(SELECT CAST(COALESCE(SUM(charge_nano), 0) AS BIGINT) FROM activity "
    "WHERE activity.account_id = $3 AND activity.key_id = ledger_accounts.owner "
    f"AND activity.day >= {_PERIOD_BEGAN} / {DAY_S})"
)
SPENT = (
    f"(CASE WHEN period_began_s = {_PERIOD_BEGAN} THEN period_nano ELSE {_SUMMED} END "
    # What was refunded can be spent again where nothing begins anew.
    "- CASE WHEN limit_period = 'total' THEN credits_nano ELSE 0 END)"
)
"""What a key spent of its limit in the present period, as SQL over its row."""

_HOLD_CUSTOMER = (
    f"UPDATE ledger_accounts SET pending_nano = pending_nano + $2 "
    f"WHERE {CUSTOMER} AND {AVAILABLE} >= $2"
)
_HOLD_KEY = (
    f"UPDATE ledger_accounts SET pending_nano = pending_nano + $2 "
    f"WHERE {KEY} AND (limit_nano IS NULL OR {SPENT} + pending_nano + $2 <= limit_nano)"
)
_KEY_ROOM = (
    f"SELECT CAST(limit_nano - pending_nano - {SPENT} AS BIGINT) FROM ledger_accounts "
    f"WHERE {KEY} AND CAST($2 AS BIGINT) = 0"
)
# Not for a request that was settled: a commit that was given up and done after all would leave
# money held for nobody.
_INSERT_HOLD = (
    "INSERT INTO holds (id, account_id, key_id, amount_nano, runner, made_at_ms) "
    "SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), "
    "CAST($5 AS TEXT), CAST($6 AS BIGINT) "
    "WHERE NOT EXISTS (SELECT 1 FROM requests WHERE requests.id = $1)"
)
_DELETE_HOLD = (
    "DELETE FROM holds WHERE id = $1 AND account_id = $2 AND key_id = $3 AND amount_nano = $4"
)
_MOVE_CUSTOMER = (
    "UPDATE ledger_accounts SET debits_nano = debits_nano + $2, pending_nano = pending_nano - $3 "
    f"WHERE {CUSTOMER}"
)
# A key's debits are all that was charged through it, collected or not: the sum of its activity.
# What belongs to a period that is over is not counted into the present one.
_MOVE_KEY = (
    "UPDATE ledger_accounts SET debits_nano = debits_nano + $2, "
    "pending_nano = pending_nano - $7, "
    f"period_nano = CASE WHEN period_began_s = {_PERIOD_BEGAN} THEN period_nano + $2 "
    f"WHEN period_began_s > {_PERIOD_BEGAN} THEN period_nano ELSE {_SUMMED} + $2 END, "
    f"period_began_s = CASE WHEN period_began_s < {_PERIOD_BEGAN} THEN {_PERIOD_BEGAN} "
    "ELSE period_began_s END "
    f"WHERE {KEY} AND debits_nano <= {AMOUNT_NANO_MAX} - $2"
)
# As much of $4 as there is; no row when there is nothing.
_TAKE_AVAILABLE = (
    "INSERT INTO transfers (id, at_ms, debit_id, credit_id, amount_nano, code, account_id, "
    "key_id, request) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), customer.id, revenue.id, "
    f"CASE WHEN customer.available_nano >= $4 THEN CAST($4 AS BIGINT) "
    "ELSE customer.available_nano END, "
    "CAST($7 AS TEXT), CAST($3 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS TEXT) "
    f"FROM (SELECT id, {AVAILABLE} AS available_nano FROM ledger_accounts "
    "WHERE kind = 'customer' AND owner = $3) AS customer "
    "JOIN ledger_accounts AS revenue ON revenue.kind = 'revenue' AND revenue.owner = 0 "
    "WHERE customer.available_nano > 0"
)
_TAKEN = "COALESCE((SELECT amount_nano FROM transfers WHERE id = {id}), 0)"
_LEAVE_UNCOLLECTED = (
    "INSERT INTO transfers (id, at_ms, debit_id, credit_id, amount_nano, code, account_id, "
    "key_id, request) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), uncollected.id, revenue.id, "
    f"CAST($4 AS BIGINT) - {_TAKEN.format(id='$7')}, "
    "'uncollected', CAST($3 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS TEXT) "
    "FROM ledger_accounts AS uncollected "
    "JOIN ledger_accounts AS revenue ON revenue.kind = 'revenue' AND revenue.owner = 0 "
    "WHERE uncollected.kind = 'uncollected' AND uncollected.owner = 0 "
    f"AND CAST($4 AS BIGINT) > {_TAKEN.format(id='$7')}"
)
_DEBIT_TAKEN = (
    f"UPDATE ledger_accounts SET debits_nano = debits_nano + {_TAKEN.format(id='$2')} "
    f"WHERE {CUSTOMER}"
)


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money set aside for a request. `id` is the request's own id here."""

    id: str
    account_id: int
    key_id: int
    amount_nano: int
    made_at_ms: int


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How a request ended, in money. The charge is in `record`; none, or zero, is a void.

    `hold` of None: nothing was held, since nothing was to be charged (a free model, a test key);
    should there be a charge all the same, it comes late, as for a hold that has expired. `costs`
    are what it cost the operator, by provider, failed attempts too. `cards` are those that the
    charge names. `extra` is committed with it.
    """

    hold: Hold | None
    record: RequestRecord
    costs: tuple[tuple[str, int], ...] = ()
    cards: tuple[UsedCard, ...] = ()
    extra: tuple[Statement, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether nobody waits for it: no money moves."""
        if self.hold is not None:
            return False
        charge = self.record.charge
        return charge is None or charge.amount_nano == 0


def hold_statements(hold: Hold, runner: str) -> list[Statement]:
    """Set money aside.

    The first expects credit, the second room in the key's limit, the third that the request was
    not settled.
    """
    amount_nano, begins = hold.amount_nano, find_period_begins(hold.made_at_ms)
    return [
        Statement(_HOLD_CUSTOMER, (hold.account_id, amount_nano), rows_expected=1),
        Statement(
            _HOLD_KEY,
            (
                hold.key_id,
                amount_nano,
                hold.account_id,
                begins.day_s,
                begins.week_s,
                begins.month_s,
            ),
            rows_expected=1,
        ),
        Statement(
            _INSERT_HOLD,
            (hold.id, hold.account_id, hold.key_id, amount_nano, runner, hold.made_at_ms),
            rows_expected=1,
        ),
    ]


def find_key_room(hold: Hold) -> tuple[str, tuple[Value, ...]]:
    """The query for what the key's limit has left, NULL without one."""
    # The piece of SQL that it shares with the hold has the amount for its second parameter.
    return _KEY_ROOM, (hold.key_id, 0, hold.account_id, *find_period_begins(hold.made_at_ms))


def settle_statements(settlement: Settlement, hold: Hold) -> list[Statement]:
    """Post or void a hold that stands. What is charged beyond it is taken where it is there."""
    record, held_nano = settlement.record, hold.amount_nano
    charge_nano = posted_nano = record.charge_nano
    if posted_nano > held_nano:
        posted_nano = held_nano
    statements = [
        move_customer(hold.account_id, posted_nano, held_nano),
        _move_key(record, held_nano),
        delete_hold(hold),
    ]
    if charge_nano > posted_nano:
        statements += _take(record, charge_nano - posted_nano, "overrun")
    transfers = _cost_rows((settlement,))
    if posted_nano > 0:
        transfers.append(_posted_row(record, posted_nano))
    return _end(statements, settlement, held_nano, transfers)


def late_statements(settlement: Settlement) -> list[Statement]:
    """Charge where no hold stands (any more): what is available, and the rest is uncollected."""
    record, hold = settlement.record, settlement.hold
    statements = [_lock_customer(record.account_id), _move_key(record, 0)]
    if record.charge_nano > 0:
        statements += _take(record, record.charge_nano, "late")
    held_nano = 0 if hold is None else hold.amount_nano
    return _end(statements, settlement, held_nano, _cost_rows((settlement,)))


def free_statements(settlements: Sequence[Settlement]) -> list[Statement]:
    """Record requests of one account that nothing was held for, and that are not charged.

    What they cost the operator is in each one's row; in the ledger it moves for all of them
    together.
    """
    statements = [_lock_customer(settlements[0].record.account_id)]
    statements += record_statements([_note(each, 0) for each in settlements])
    if transfers := _cost_rows(settlements):
        statements.append(TRANSFERS.insert(transfers))
    for settlement in settlements:
        statements += settlement.extra
    return statements


def expire_statements(hold: Hold) -> list[Statement]:
    """Give back what a dead process held; the last expects that nobody has done so."""
    return [
        move_customer(hold.account_id, 0, hold.amount_nano),
        Statement(
            "UPDATE ledger_accounts SET pending_nano = pending_nano - $2 "
            "WHERE kind = 'key' AND owner = $1",
            (hold.key_id, hold.amount_nano),
            rows_expected=1,
        ),
        delete_hold(hold),
    ]


def move_customer(account_id: int, debit_nano: int, released_nano: int) -> Statement:
    """Add to a customer's debits and take from what is pending."""
    return Statement(_MOVE_CUSTOMER, (account_id, debit_nano, released_nano), rows_expected=1)


def _lock_customer(account_id: int) -> Statement:
    """Change nothing: it locks the customer's row, for those that read it and those after it.

    Who wrote to sums of activity without it could wait for one who has the row, and the other way
    round: the same key calls the same model for money and for nothing (counting tokens).
    """
    return move_customer(account_id, 0, 0)


def delete_hold(hold: Hold) -> Statement:
    """The statement that only one of post, void and expiry can run."""
    params = (hold.id, hold.account_id, hold.key_id, hold.amount_nano)
    return Statement(_DELETE_HOLD, params, rows_expected=1)


def _move_key(record: RequestRecord, released_nano: int) -> Statement:
    begins = find_period_begins(record.at_ms)
    params = (
        record.key_id,
        record.charge_nano,
        record.account_id,
        begins.day_s,
        begins.week_s,
        begins.month_s,
        released_nano,
    )
    return Statement(_MOVE_KEY, params, rows_expected=1)


def _posted_row(record: RequestRecord, amount_nano: int) -> RowValues:
    return make_row(
        f"{record.id}:post",
        record.at_ms,
        Party("customer", record.account_id),
        REVENUE,
        amount_nano,
        "post",
        record.account_id,
        record.key_id,
        record.id,
    )


def _take(record: RequestRecord, amount_nano: int, code: str) -> list[Statement]:
    """Charge what is available of an amount that is not held; name the rest uncollected."""
    about = (record.at_ms, record.account_id, amount_nano, record.key_id, record.id)
    taken = f"{record.id}:{code}"
    return [
        Statement(_TAKE_AVAILABLE, (taken, *about, code)),
        Statement(_LEAVE_UNCOLLECTED, (f"{record.id}:uncollected", *about, taken)),
        Statement(_DEBIT_TAKEN, (record.account_id, taken), rows_expected=1),
    ]


def _end(
    statements: list[Statement],
    settlement: Settlement,
    held_nano: int,
    transfers: Sequence[RowValues],
) -> list[Statement]:
    """Add what every settlement ends with."""
    statements += record_statements([_note(settlement, held_nano)])
    if transfers:
        statements.append(TRANSFERS.insert(transfers))
    statements += settlement.extra
    return statements


def _note(settlement: Settlement, held_nano: int) -> Noted:
    cost_nano = None
    for _, amount_nano in settlement.costs:
        cost_nano = (cost_nano or 0) + amount_nano
    return settlement.record, held_nano, cost_nano


def _cost_rows(settlements: Sequence[Settlement]) -> list[RowValues]:
    """One movement for each provider that was paid something, named by the first it was paid for.

    A request is settled in one commit alone, so no other movement has that name.
    """
    count = len(settlements)
    firsts: dict[str, RequestRecord] = {}
    sums: dict[str, int] = {}
    for settlement in settlements:
        for provider, amount_nano in settlement.costs:
            if provider in sums:
                sums[provider] += amount_nano
            else:
                sums[provider] = amount_nano
                firsts[provider] = settlement.record
    rows = []
    for provider, amount_nano in sums.items():
        if amount_nano > 0:
            first = firsts[provider]
            debit, credit = cost_parties(provider)
            rows.append(
                make_row(
                    f"{first.id}:cost:{provider}",
                    first.at_ms,
                    debit,
                    credit,
                    amount_nano,
                    "cost",
                    first.account_id,
                    first.key_id if count == 1 else 0,
                    first.id,
                    None if count == 1 else f"{count} requests",
                )
            )
    return rows
