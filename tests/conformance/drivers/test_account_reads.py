"""What the account API reads and changes, over each driver: sums, pages, spending, rotation."""

import itertools
import os
from datetime import UTC, datetime

import pytest

from nagara.access import IssuedKey, issue_key
from nagara.domain.catalog import Account, Key, KeyKind, LimitPeriod
from nagara.domain.money import Charge
from nagara.domain.usage import Meter, Usage
from nagara.storage import request_pages, transfer_pages
from nagara.storage.accounts import load_balances, rename_account, set_markup
from nagara.storage.activity import Grouping, Selection, load_activity
from nagara.storage.credits import Movement, refund, top_up
from nagara.storage.driver import Driver
from nagara.storage.journal import RequestRecord
from nagara.storage.keys import (
    KeyChanges,
    change_key,
    create_account,
    create_key,
    delete_key,
    find_account,
    find_key,
    load_keys,
)
from nagara.storage.ledger import Ledger
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.limit_periods import find_period_end
from nagara.storage.opening import KeyTerms
from nagara.storage.request_pages import DAY_MS, Position, RequestFilter, load_requests
from nagara.storage.rotation import RETIRED_MAX, load_retired, rotate_key
from nagara.storage.spending import load_spending
from nagara.storage.transfer_pages import START, Place, TransferRow, TransferType, load_transfers

PEPPER = b"p" * 32
TODAY = 20_000
NOW_MS = TODAY * DAY_MS + 5_000
OPENING_NANO = 1_000_000

_numbers = itertools.count(1)


def issue() -> IssuedKey:
    return issue_key(KeyKind.STANDARD, os.urandom(32), PEPPER)


async def open_account(driver: Driver, name: str = "acme") -> Account:
    account = await create_account(driver, name, created_at_s=5, opening_grant_nano=OPENING_NANO)
    assert account is not None
    return account


async def open_key(driver: Driver, account: Account, name: str = "ci", **terms: object) -> Key:
    issued = issue()
    return await create_key(driver, account, issued, KeyTerms(name=name, **terms), 7)  # type: ignore[arg-type]


async def call(
    driver: Driver,
    key: Key,
    charge_nano: int,
    *,
    model: str = "m",
    at_ms: int = NOW_MS,
    held_nano: int | None = None,
) -> str:
    """A whole request of a key: held, served, settled. Its own id."""
    own_id = f"r{next(_numbers)}"
    hold = Hold(
        id=own_id,
        account_id=key.account_id,
        key_id=key.id,
        amount_nano=charge_nano if held_nano is None else held_nano,
        made_at_ms=at_ms,
    )
    record = RequestRecord(
        id=own_id,
        request_id=f"x-{own_id}",
        account_id=key.account_id,
        key_id=key.id,
        at_ms=at_ms,
        operation="responses",
        model=model,
        provider="sandbox",
        status=200,
        outcome="ok",
        duration_ms=3,
        usage=Usage({Meter.INPUT: 10, Meter.OUTPUT: 2}),
        charge=Charge(amount_nano=charge_nano, rate_card="v1"),
    )
    ledger = Ledger(driver, "runner")
    assert await ledger.hold(hold) is None
    # Each costs the operator something too, which no account may ever read.
    await ledger.settle(Settlement(hold=hold, record=record, costs=(("openai", 1),)))
    return own_id


def month(account: Account, **more: object) -> Selection:
    return Selection(account_id=account.id, first_day=TODAY - 29, last_day=TODAY, **more)  # type: ignore[arg-type]


# sums


async def test_activity_sums_days_models_and_keys_alike(driver: Driver) -> None:
    account = await open_account(driver)
    first, second = await open_key(driver, account), await open_key(driver, account, "web")
    await call(driver, first, 100, model="a", at_ms=NOW_MS - DAY_MS)
    await call(driver, first, 30, model="b")
    await call(driver, second, 7, model="b")
    found = await load_activity(driver, month(account))
    assert [(s.day, s.requests, s.charge_nano) for s in found.days] == [
        (TODAY, 2, 37),
        (TODAY - 1, 1, 100),
    ]
    assert [(s.model, s.charge_nano) for s in found.models] == [("a", 100), ("b", 37)]
    assert [(s.key_name, s.charge_nano, s.input_tokens) for s in found.keys] == [
        ("ci", 130, 20),
        ("web", 7, 10),
    ]
    assert found.groups == []


async def test_activity_is_one_accounts_and_of_the_days_asked_for(driver: Driver) -> None:
    account, other = await open_account(driver), await open_account(driver, "other")
    key, foreign = await open_key(driver, account), await open_key(driver, other)
    await call(driver, foreign, 5)
    for days_ago in (0, 29, 30):
        await call(driver, key, 1, at_ms=NOW_MS - days_ago * DAY_MS)
    found = await load_activity(driver, month(account))
    assert [s.day for s in found.days] == [TODAY, TODAY - 29]
    assert (await load_activity(driver, month(account, key_id=foreign.id))).days == []


async def test_activity_is_filtered_and_grouped_by_any_of_the_three(driver: Driver) -> None:
    account = await open_account(driver)
    key, other = await open_key(driver, account), await open_key(driver, account, "web")
    for model, each in itertools.product("ab", (key, other)):
        await call(driver, each, 1, model=model)
    by = frozenset((Grouping.MODEL, Grouping.API_KEY))
    found = await load_activity(driver, month(account), by)
    assert {(s.model, s.key_id, s.requests) for s in found.groups} == {
        (model, each.id, 1) for model in "ab" for each in (key, other)
    }
    assert all(s.day is None for s in found.groups)
    only = await load_activity(driver, month(account, model="a", key_id=key.id))
    assert [s.requests for s in only.days] == [1]


async def test_deleted_key_keeps_its_name_in_the_sums(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account)
    await call(driver, key, 1)
    assert await delete_key(driver, key.id, now_s=9)
    assert [s.key_name for s in (await load_activity(driver, month(account))).keys] == ["ci"]


# pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_of_requests_have_each_once_newest_first(driver: Driver, limit: int) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account)
    # Two of one millisecond, which a page may end between.
    times = [NOW_MS, NOW_MS, NOW_MS - 5, NOW_MS - DAY_MS, NOW_MS - 2 * DAY_MS, NOW_MS + 9]
    made = [(at_ms, await call(driver, key, 1, at_ms=at_ms)) for at_ms in times]
    wanted = RequestFilter(account_id=account.id, from_ms=0)
    read: list[str] = []
    before: Position | None = Position(2**60, 0)
    while before is not None:
        page = await load_requests(driver, wanted, before, limit)
        read += [row.id for row in page.rows]
        before = page.next
    order = sorted(range(len(made)), key=lambda n: (made[n][0], n), reverse=True)
    assert read == [made[n][1] for n in order]


async def test_filtered_pages_end_after_so_many_rows_and_go_on_from_there(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await open_account(driver)
    busy, rare = await open_key(driver, account), await open_key(driver, account, "rare")
    old = await call(driver, rare, 1, at_ms=NOW_MS - 9 * DAY_MS)
    first = await call(driver, rare, 1, at_ms=NOW_MS - 20)
    for number in range(9):
        await call(driver, busy, 1, at_ms=NOW_MS - number)
        await call(driver, busy, 1, at_ms=NOW_MS - (2 + number % 5) * DAY_MS)
    short = request_pages._END_OF_LOOK.replace(str(request_pages.LOOKED_AT_MAX - 1), "2")
    monkeypatch.setattr(request_pages, "_END_OF_LOOK", short)
    wanted = RequestFilter(account_id=account.id, from_ms=0, key_id=rare.id)
    pages, before = [], Position(2**60, 0)
    while True:
        page = await load_requests(driver, wanted, before, 10)
        pages.append([row.id for row in page.rows])
        if page.next is None:
            break
        before = page.next
    # Three pages of others of today, one with the first; the days between are not looked at.
    assert [page for page in pages if page] == [[first], [old]]
    assert len(pages) <= 6


async def test_pages_of_movements_say_what_there_was_after_each(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account)
    paid = Movement(id="pay", account_id=account.id, amount_nano=500, at_ms=NOW_MS, note="hello")
    await call(driver, key, 100)
    await top_up(driver, paid)
    # More than was held: an over-run, in a movement of its own.
    request = await call(driver, key, 70, held_nano=50)
    back = Movement(id="back", account_id=account.id, amount_nano=20, at_ms=NOW_MS)
    await refund(driver, back, request)
    rows: list[TransferRow] = []
    place: Place | None = START
    while place is not None:
        page = await load_transfers(driver, account.id, place, 2)
        rows += page.rows
        place = page.next
    assert [(row.code, row.amount_nano, row.balance_nano) for row in rows] == [
        ("refund", 20, OPENING_NANO + 350),
        ("post", -50, OPENING_NANO + 330),
        ("overrun", -20, OPENING_NANO + 380),
        ("top_up", 500, OPENING_NANO + 400),
        ("post", -100, OPENING_NANO - 100),
        ("grant", OPENING_NANO, OPENING_NANO),
    ]
    assert [row.request_id for row in rows[:3]] == [f"x-{request}"] * 3
    assert rows[3].note == "hello"


async def test_movements_of_some_types_have_no_sum_that_would_be_wrong(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account)
    for _ in range(5):
        await call(driver, key, 3)
    types = frozenset((TransferType.GRANT, TransferType.TOP_UP))
    page = await load_transfers(driver, account.id, START, 10, types)
    assert [(row.code, row.balance_nano) for row in page.rows] == [("grant", None)]
    assert page.next is None
    posts = await load_transfers(driver, account.id, START, 3, frozenset((TransferType.POST,)))
    assert [row.amount_nano for row in posts.rows] == [-3] * 3
    assert posts.next is not None


async def test_movements_between_costs_are_found_a_bounded_piece_at_a_time(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_pages, "LOOKED_AT_MAX", 2)
    account = await open_account(driver)
    key = await open_key(driver, account)
    for _ in range(4):
        await call(driver, key, 3)
    rows: list[TransferRow] = []
    place: Place | None = START
    while place is not None:
        page = await load_transfers(driver, account.id, place, 10)
        assert len(page.rows) <= 2
        rows += page.rows
        place = page.next
    assert [row.balance_nano for row in rows] == [
        *(OPENING_NANO - 3 * count for count in (4, 3, 2, 1)),
        OPENING_NANO,
    ]


# keys


async def test_what_is_left_of_a_limit_is_what_a_hold_would_get(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account, credit_limit_nano=100, limit_period=LimitPeriod.DAY)
    await call(driver, key, 90, at_ms=NOW_MS - DAY_MS)
    await call(driver, key, 30)
    spending = (await load_spending(driver, account.id, now_ms=NOW_MS))[key.id]
    assert (spending.spent_nano, spending.remaining_nano) == (120, 70)
    tomorrow = await load_spending(driver, account.id, now_ms=NOW_MS + DAY_MS, key_id=key.id)
    assert tomorrow[key.id].remaining_nano == 100
    changes = KeyChanges(credit_limit_nano=10)
    assert await change_key(driver, key.id, changes, account_id=account.id)
    lowered = (await load_spending(driver, account.id, now_ms=NOW_MS))[key.id]
    assert lowered.remaining_nano == 0


async def test_refund_is_taken_off_what_was_spent(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account)
    request = await call(driver, key, 90)
    back = Movement(id="1", account_id=account.id, amount_nano=40, at_ms=NOW_MS)
    await refund(driver, back, request)
    assert (await load_spending(driver, account.id, now_ms=NOW_MS))[key.id].spent_nano == 50


@pytest.mark.parametrize(
    ("period", "end"),
    [
        (LimitPeriod.TOTAL, None),
        (LimitPeriod.DAY, datetime(2024, 10, 5, tzinfo=UTC)),
        # The 4th is a Friday.
        (LimitPeriod.WEEK, datetime(2024, 10, 7, tzinfo=UTC)),
        (LimitPeriod.MONTH, datetime(2024, 11, 1, tzinfo=UTC)),
    ],
)
def test_period_ends_when_the_next_begins(period: LimitPeriod, end: datetime | None) -> None:
    at_ms = int(datetime(2024, 10, 4, 23, 59, tzinfo=UTC).timestamp() * 1000)
    assert find_period_end(period, at_ms) == (None if end is None else int(end.timestamp()))


@pytest.mark.parametrize("month_", range(1, 13))
def test_every_month_ends_with_its_last_day(month_: int) -> None:
    begins = datetime(2027, month_, 1, tzinfo=UTC)
    ends = datetime(2027 + month_ // 12, month_ % 12 + 1, 1, tzinfo=UTC)
    for moment in (begins.timestamp(), ends.timestamp() - 1):
        assert find_period_end(LimitPeriod.MONTH, int(moment * 1000)) == ends.timestamp()


async def test_rotated_key_is_the_same_key_with_two_secrets_for_a_while(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account, expires_at_s=1_000)
    issued = issue()
    assert await rotate_key(driver, key, issued, now_s=100, overlap_s=50)
    rotated = await find_key(driver, key.id)
    assert rotated is not None
    assert (rotated.digest, rotated.hint, rotated.id) == (issued.digest, issued.hint, key.id)
    (old,) = await load_retired(driver, await load_keys(driver))
    assert (old.id, old.digest, old.expires_at_s) == (key.id, key.digest, 150)
    # A key that is not what it was read as is left alone.
    assert not await rotate_key(driver, key, issued, now_s=100, overlap_s=0)
    assert await delete_key(driver, key.id, now_s=120)
    assert await load_retired(driver, [rotated]) == []


async def test_former_secrets_outlive_neither_the_key_nor_their_number(driver: Driver) -> None:
    account = await open_account(driver)
    key = await open_key(driver, account, expires_at_s=1_000)
    for _ in range(RETIRED_MAX):
        issued = issue()
        assert await rotate_key(driver, key, issued, now_s=100, overlap_s=5_000)
        key = await find_key(driver, key.id) or key
    issued = issue()
    assert not await rotate_key(driver, key, issued, now_s=100, overlap_s=5_000)
    assert {old.expires_at_s for old in await load_retired(driver, [key])} == {1_000}
    # Once they have expired they make room.
    assert await rotate_key(driver, key, issued, now_s=6_000, overlap_s=5_000)


# accounts


async def test_account_is_renamed_and_marked_up(driver: Driver) -> None:
    account, other = await open_account(driver), await open_account(driver, "other")
    assert not await rename_account(driver, account.id, "other")
    assert await rename_account(driver, account.id, "beta")
    assert await set_markup(driver, account.id, 125_000)
    renamed = await find_account(driver, "beta")
    assert renamed is not None
    assert (renamed.id, renamed.markup_ppm) == (account.id, 125_000)
    assert not await set_markup(driver, 99, 1)
    assert {own: sums.balance_nano for own, sums in (await load_balances(driver)).items()} == {
        account.id: OPENING_NANO,
        other.id: OPENING_NANO,
    }
