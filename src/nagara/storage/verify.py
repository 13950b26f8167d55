"""Whether the ledger agrees with itself: every kept sum recomputed from the rows behind it.

Each check is one SELECT, so that it sees one moment and says nothing false while the gateway runs.
The database does the summing; what is recomputed here (charges from their lines) is read in pages.
So memory is bounded whatever the ledger's size. Nothing is changed, and nothing is repaired: a
discrepancy is a defect, or someone else's hand in the database, and its row says where.
"""

import msgspec

from nagara.billing.proof import find_flaws, find_versions
from nagara.domain.money import Charge, sum_up
from nagara.storage.driver import Driver
from nagara.storage.limit_periods import DAY_S
from nagara.storage.rate_cards import StoredCards

SHOWN_MAX = 20
"""Rows that are read of one check, at most."""

PAGE_ROWS = 2000

_CHARGED = "('post', 'overrun', 'late')"


LINES, RATES = "lines of charges", "rates of charges"
"""The checks that are no SELECT."""

UNREADABLE = -1


class Discrepancy(msgspec.Struct, frozen=True):
    """One sum that is not what it should be: `kept` in its row, `computed` from those behind it.

    Nano-dollars, unless the check counts rows or tells what `billing.proof` found.
    """

    check: str
    subject: str
    kept: int
    computed: int


class Verification(msgspec.Struct, frozen=True):
    """What was found: no discrepancies is good. `counts` says how many rows there were."""

    discrepancies: tuple[Discrepancy, ...]
    counts: dict[str, int]


def _sum_of(kind: str, column: str, computed: str) -> str:
    """A check of one kept sum of each account of a kind."""
    return (
        f"SELECT '{kind} ' || owner, {column}, computed FROM (SELECT owner, {column}, "
        f"CAST(COALESCE({computed}, 0) AS BIGINT) AS computed FROM ledger_accounts "
        f"LEFT JOIN (%s) AS summed ON summed.summed_owner = ledger_accounts.owner "
        f"WHERE kind = '{kind}') AS checked WHERE {column} <> computed"
    )


def _grouped(kind: str, column: str, amount: str, rows: str, owner: str) -> str:
    grouped = f"SELECT {owner} AS summed_owner, SUM({amount}) AS summed FROM {rows} GROUP BY 1"
    return _sum_of(kind, column, "summed.summed") % grouped


def _side(side: str) -> str:
    return (
        f"transfers JOIN ledger_accounts AS own ON own.id = transfers.{side} "
        "AND own.kind = 'customer'"
    )


_SIDES = {
    "top_up": ("cash", "customer"),
    "grant": ("promotion", "customer"),
    "grant_expired": ("customer", "promotion"),
    "post": ("customer", "revenue"),
    "overrun": ("customer", "revenue"),
    "late": ("customer", "revenue"),
    "uncollected": ("uncollected", "revenue"),
    "refund": ("revenue", "customer"),
}
_SIDES_SQL = " OR ".join(
    f"(code = '{code}' AND debit.kind = '{debit}' AND credit.kind = '{credit}')"
    for code, (debit, credit) in _SIDES.items()
)

CHECKS: dict[str, str] = {
    "credits of customers": _grouped(
        "customer", "credits_nano", "amount_nano", _side("credit_id"), "own.owner"
    ),
    "debits of customers": _grouped(
        "customer", "debits_nano", "amount_nano", _side("debit_id"), "own.owner"
    ),
    "pending of customers": _grouped(
        "customer", "pending_nano", "amount_nano", "holds", "account_id"
    ),
    "pending of keys": _grouped("key", "pending_nano", "amount_nano", "holds", "key_id"),
    "debits of keys": _grouped("key", "debits_nano", "charge_nano", "activity", "key_id"),
    "credits of keys": _grouped(
        "key", "credits_nano", "amount_nano", "transfers WHERE code = 'refund'", "key_id"
    ),
    "periods of keys": (
        "SELECT 'key ' || owner, period_nano, computed FROM (SELECT owner, period_nano, "
        "CAST(COALESCE((SELECT SUM(charge_nano) FROM activity JOIN keys ON keys.id = owner "
        "WHERE activity.account_id = keys.account_id AND activity.key_id = owner "
        f"AND activity.day >= period_began_s / {DAY_S}), 0) AS BIGINT) AS computed "
        "FROM ledger_accounts WHERE kind = 'key') AS checked WHERE period_nano <> computed"
    ),
    "balances below zero": (
        "SELECT kind || ' ' || owner, credits_nano - debits_nano - pending_nano, 0 "
        "FROM ledger_accounts WHERE (kind = 'customer' "
        "AND credits_nano - debits_nano - pending_nano < 0) OR pending_nano < 0"
    ),
    "accounts of nothing": (
        "SELECT 'holds of account ' || account_id || ', key ' || key_id, COUNT(*), 0 FROM holds "
        "WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts "
        "WHERE kind = 'customer' AND owner = account_id) OR NOT EXISTS "
        "(SELECT 1 FROM ledger_accounts WHERE kind = 'key' AND owner = key_id) "
        "GROUP BY account_id, key_id"
    ),
    "holds of settled requests": (
        "SELECT 'hold ' || id, amount_nano, 0 FROM holds "
        "WHERE EXISTS (SELECT 1 FROM requests WHERE requests.id = holds.id)"
    ),
    "sides of transfers": (
        "SELECT 'transfer ' || transfers.id, amount_nano, 0 FROM transfers "
        "JOIN ledger_accounts AS debit ON debit.id = debit_id "
        "JOIN ledger_accounts AS credit ON credit.id = credit_id "
        f"WHERE NOT ({_SIDES_SQL} "
        "OR (code = 'adjustment' AND debit.kind = 'adjustment' AND credit.kind = 'customer') "
        "OR (code = 'adjustment' AND debit.kind = 'customer' AND credit.kind = 'adjustment') "
        "OR (code = 'cost' AND debit.kind LIKE 'cost:%' AND credit.kind LIKE 'provider:%'))"
    ),
    "charges of requests": (
        "SELECT 'request ' || id, charge_nano, computed FROM (SELECT id, charge_nano, "
        "CAST((SELECT COALESCE(SUM(amount_nano), 0) FROM transfers WHERE transfers.id IN "
        "(requests.id || ':post', requests.id || ':overrun', requests.id || ':late', "
        "requests.id || ':uncollected')) AS BIGINT) AS computed FROM requests) AS checked "
        "WHERE charge_nano <> computed"
    ),
    "transfers without a request": (
        "SELECT 'transfer ' || id, amount_nano, 0 FROM transfers "
        f"WHERE (code IN {_CHARGED} OR code IN ('uncollected', 'refund', 'cost')) "
        "AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.id = transfers.request)"
    ),
    "costs of requests": (
        "SELECT 'account ' || account_id, CAST(SUM(kept) AS BIGINT), "
        "CAST(SUM(computed) AS BIGINT) FROM ("
        "SELECT account_id, SUM(COALESCE(cost_nano, 0)) AS kept, 0 AS computed "
        "FROM requests GROUP BY account_id UNION ALL "
        "SELECT account_id, 0, SUM(amount_nano) FROM transfers WHERE code = 'cost' "
        "GROUP BY account_id) AS sums GROUP BY account_id HAVING SUM(kept) <> SUM(computed)"
    ),
    "refunds of requests": (
        "SELECT 'request ' || request, refunded, collected FROM (SELECT request, "
        "CAST(SUM(amount_nano) AS BIGINT) AS refunded, CAST((SELECT COALESCE(SUM(amount_nano), 0) "
        "FROM transfers WHERE id IN (refunds.request || ':post', refunds.request || ':overrun', "
        "refunds.request || ':late')) AS BIGINT) AS collected FROM transfers AS refunds "
        "WHERE code = 'refund' GROUP BY request) AS checked WHERE refunded > collected"
    ),
    "remainders of grants": (
        "SELECT 'grant ' || grants.id, remaining_nano, grants.amount_nano FROM grants "
        "LEFT JOIN transfers ON transfers.id = grants.transfer AND transfers.code = 'grant' "
        "WHERE remaining_nano < 0 OR remaining_nano > grants.amount_nano "
        "OR transfers.id IS NULL OR transfers.amount_nano <> grants.amount_nano "
        "OR (ended_at_s IS NOT NULL AND remaining_nano > 0)"
    ),
    # What left the grants is what expired, and at most the debits that were taken from them.
    "attribution of grants": (
        "SELECT 'customer ' || owner, attributed_nano, gone FROM (SELECT owner, attributed_nano, "
        "debits_nano, credits_nano, CAST(COALESCE((SELECT SUM(amount_nano - remaining_nano) "
        "FROM grants WHERE account_id = owner), 0) AS BIGINT) AS gone, "
        "CAST(COALESCE((SELECT SUM(remaining_nano) FROM grants WHERE account_id = owner), 0) "
        "AS BIGINT) AS remaining FROM ledger_accounts WHERE kind = 'customer') AS checked "
        "WHERE attributed_nano > debits_nano OR gone > attributed_nano "
        "OR remaining > credits_nano - attributed_nano"
    ),
}


def _activity_check(column: str, of_request: str) -> str:
    """A check of one column of `activity`, rows that only one side has included."""
    own = "account_id, day, key_id, model"
    return (
        "SELECT 'account ' || account_id || ', day ' || day || ', key ' || key_id || ', ' || model,"
        " CAST(SUM(kept) AS BIGINT), CAST(SUM(computed) AS BIGINT) FROM ("
        f"SELECT {own}, {column} AS kept, 0 AS computed FROM activity UNION ALL "
        f"SELECT account_id, at_ms / {1000 * DAY_S}, key_id, model, 0, {of_request} FROM requests "
        f"GROUP BY 1, 2, 3, 4) AS sums GROUP BY {own} HAVING SUM(kept) <> SUM(computed)"
    )


CHECKS |= {
    f"{column} of activity": _activity_check(column, of_request)
    for column, of_request in {
        "requests": "COUNT(*)",
        "charge_nano": "SUM(charge_nano)",
        "cost_nano": "SUM(COALESCE(cost_nano, 0))",
        "input_tokens": "SUM(input_tokens)",
        "output_tokens": "SUM(output_tokens)",
    }.items()
}

_COUNTED = ("accounts", "keys", "holds", "transfers", "requests", "grants")
_LINES = (
    "SELECT seq, id, at_ms, charge_nano, charge FROM requests "
    "WHERE seq > $1 AND (charge_nano <> 0 OR charge IS NOT NULL) ORDER BY seq LIMIT $2"
)
_decode_charge = msgspec.json.Decoder(Charge).decode


async def verify(driver: Driver) -> Verification:
    """Run every check. Raises `StorageError` when the store cannot be read.

    Of each check the first `SHOWN_MAX` discrepancies are told.
    """
    found: list[Discrepancy] = []
    for name, sql in CHECKS.items():
        rows = await driver.query(f"{sql} LIMIT {SHOWN_MAX}")
        found += (Discrepancy(name, *row) for row in rows)
    found += await _check_charges(driver)
    counts = {
        name: int((await driver.query(f"SELECT COUNT(*) FROM {name}"))[0][0]) for name in _COUNTED
    }
    return Verification(tuple(found), counts)


async def _check_charges(driver: Driver) -> list[Discrepancy]:
    """Compute every charge from its lines again, and their rates from the cards it was made by."""
    cards = StoredCards(driver)
    found: dict[str, list[Discrepancy]] = {LINES: [], RATES: []}
    last = 0
    while rows := await driver.query(_LINES, (last, PAGE_ROWS)):
        last = rows[-1][0]
        for _, request, at_ms, charge_nano, text in rows:
            charge = _read_charge(text)
            computed_nano = (
                UNREADABLE if charge is None else sum_up(charge.lines, charge.markup_ppm)
            )
            if computed_nano != charge_nano:
                wrong = Discrepancy(LINES, f"request {request}", charge_nano, computed_nano)
                found[LINES].append(wrong)
            if charge is not None:
                found[RATES] += await _check_rates(request, charge, at_ms, cards)
        if all(len(some) >= SHOWN_MAX for some in found.values()):
            break
        for some in found.values():
            del some[SHOWN_MAX:]
    return [each for some in found.values() for each in some[:SHOWN_MAX]]


def _read_charge(text: str | None) -> Charge | None:
    try:
        return _decode_charge(text or "")
    except msgspec.DecodeError:
        return None


async def _check_rates(
    request: str, charge: Charge, at_ms: int, stored: StoredCards
) -> list[Discrepancy]:
    found = {version: await stored.find(version) for version in find_versions(charge)}
    cards = {version: card for version, card in found.items() if card is not None}
    return [
        Discrepancy(RATES, f"request {request}, {flaw.what}", flaw.kept, flaw.computed)
        for flaw in find_flaws(charge, at_ms // 1000, cards)
    ]
