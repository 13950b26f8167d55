"""A customer with a key and a ledger over any driver, for tests of money.

books = await open_books(driver, opening_nano=1000)
hold = books.make_hold(600)
assert await books.ledger.hold(hold) is None
await books.ledger.settle(books.settlement(hold, charge_nano=70))
assert await books.available_nano() == 930
"""

import itertools
import os
from collections.abc import AsyncIterator, Sequence

import msgspec

from nagara.access import issue_key
from nagara.domain.catalog import Account, Key, KeyKind, LimitPeriod
from nagara.domain.money import Charge, ChargeLine
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter, Usage
from nagara.storage.credits import Movement
from nagara.storage.driver import Driver, Result, Row, Statement, Value
from nagara.storage.journal import RequestRecord
from nagara.storage.keys import create_account, create_key
from nagara.storage.ledger import Ledger
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.opening import KeyTerms
from nagara.storage.rate_cards import UsedCard
from nagara.storage.verify import verify

PEPPER = b"p" * 32
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 5_000
"""Some seconds into a day."""

_numbers = itertools.count(1)


CARD = UsedCard("m", RateCard(rates_pico={Meter.OUTPUT: 1000}))
"""A token for a nano-dollar."""


def make_charge(amount_nano: int) -> Charge:
    """A charge of one line, by `CARD`, that comes to the amount."""
    line = ChargeLine(Meter.OUTPUT, amount_nano, 1000)
    return Charge(amount_nano=amount_nano, lines=(line,), rate_card=CARD.card.version)


def make_settlement(
    request: str,
    charge_nano: int = 0,
    costs: tuple[tuple[str, int], ...] = (),
    extra: tuple[Statement, ...] = (),
) -> Settlement:
    """The end of a request of nobody in particular, where no ledger looks at it."""
    hold = Hold(id=request, account_id=1, key_id=1, amount_nano=1, made_at_ms=NOW_MS)
    record = RequestRecord(
        id=request,
        request_id=f"req_{request}",
        account_id=1,
        key_id=1,
        at_ms=NOW_MS,
        operation="chat.completions",
        model="m",
        status=200,
        outcome="ok",
        duration_ms=5,
        usage=Usage({Meter.INPUT: 3, Meter.OUTPUT: 4}),
        charge=make_charge(charge_nano) if charge_nano else None,
    )
    cards = (CARD,) if charge_nano else ()
    return Settlement(hold=hold, record=record, costs=costs, cards=cards, extra=extra)


class WrappedDriver(Driver):
    """Another driver, for tests that change what one of its verbs does."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return await self._driver.query(sql, params)

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        return await self._driver.commit(statements, group=group, is_flushed=is_flushed)

    def watch(self) -> AsyncIterator[None]:
        return self._driver.watch()

    async def close(self) -> None:
        await self._driver.close()


class Books:
    """A customer, a key of theirs, and the ledger of one process."""

    def __init__(self, driver: Driver, account: Account, key: Key, runner: str) -> None:
        self.driver = driver
        self.account = account
        self.key = key
        self.ledger = Ledger(driver, runner)
        self.now_ms = NOW_MS
        self.prefix = ""
        """What the ids of its holds begin with."""

    def make_hold(self, amount_nano: int, hold_id: str | None = None) -> Hold:
        """A hold that nobody has asked for yet."""
        return Hold(
            id=self.prefix + (hold_id or f"r{next(_numbers)}"),
            account_id=self.account.id,
            key_id=self.key.id,
            amount_nano=amount_nano,
            made_at_ms=self.now_ms,
        )

    def record(self, request: str, charge_nano: int = 0) -> RequestRecord:
        """The record of a request that ended now."""
        return msgspec.structs.replace(
            make_settlement(request, charge_nano).record,
            account_id=self.account.id,
            key_id=self.key.id,
            at_ms=self.now_ms,
        )

    def settlement(
        self,
        hold: Hold,
        charge_nano: int = 0,
        costs: tuple[tuple[str, int], ...] = (),
        extra: tuple[Statement, ...] = (),
    ) -> Settlement:
        """The end of a request that was held for."""
        record = self.record(hold.id, charge_nano)
        cards = (CARD,) if charge_nano else ()
        return Settlement(hold=hold, record=record, costs=costs, cards=cards, extra=extra)

    def movement(self, amount_nano: int, movement_id: str | None = None) -> Movement:
        """Credit for, or from, this customer."""
        return Movement(
            id=movement_id or f"m{next(_numbers)}",
            account_id=self.account.id,
            amount_nano=amount_nano,
            at_ms=self.now_ms,
        )

    async def spend(self, charge_nano: int) -> str:
        """A whole request; its id."""
        hold = self.make_hold(charge_nano)
        assert await self.ledger.hold(hold) is None
        await self.ledger.settle(self.settlement(hold, charge_nano))
        return hold.id

    async def available_nano(self) -> int:
        """What the customer can still spend."""
        return (await self.ledger.find_balance(self.account.id)).available_nano

    async def codes(self) -> list[tuple[str, int]]:
        """Every transfer of the customer's in order, but the opening grant: code and amount."""
        rows = await self.driver.query(
            "SELECT code, amount_nano FROM transfers WHERE account_id = $1 AND id <> $2 "
            "ORDER BY seq",
            (self.account.id, f"opening:{self.account.id}"),
        )
        return [(row[0], row[1]) for row in rows]

    async def check(self) -> None:
        """Fail unless the whole ledger agrees with itself."""
        assert (await verify(self.driver)).discrepancies == ()


async def open_books(
    driver: Driver,
    opening_nano: int = 1000,
    *,
    limit_nano: int | None = None,
    period: LimitPeriod = LimitPeriod.TOTAL,
    name: str = "acme",
    runner: str = "runner-1",
) -> Books:
    """A new customer with so much credit, and a key that may be limited."""
    account = await create_account(driver, name, created_at_s=5, opening_grant_nano=opening_nano)
    assert account is not None
    issued = issue_key(KeyKind.STANDARD, os.urandom(32), PEPPER)
    terms = KeyTerms(name="k", credit_limit_nano=limit_nano, limit_period=period)
    key = await create_key(driver, account, issued, terms, 7)
    return Books(driver, account, key, runner)
