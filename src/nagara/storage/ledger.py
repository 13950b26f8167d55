"""The ledger: money is held before a request, and posted or given back exactly once after it.

Whoever is told that something was done has it on the disk. Everything here is named by its
caller's id and may be repeated: a repetition changes nothing. No balance ever goes below zero,
because the check is part of the write.

When the database is down, every method raises `StorageError`. After that from `hold` it is unknown
whether the money is held: the caller refuses its request and forgets it, and `Reaper` gives the
money back. After that from `settle` the caller must come again, with the same settlement.
"""

from collections.abc import Sequence

import msgspec

from nagara.domain.money import AMOUNT_NANO_MAX, format_dollars
from nagara.storage.claims import Claim
from nagara.storage.driver import ConflictError, Driver, ExpectationError, Statement
from nagara.storage.ledger_statements import (
    Hold,
    Settlement,
    find_key_room,
    free_statements,
    hold_statements,
    late_statements,
    settle_statements,
)
from nagara.storage.rate_cards import store_card
from nagara.storage.transfers import cost_parties

HOLD_TRIES = 5
_IS_SETTLED = 2
"""The statement of a hold that expects its request not to be settled."""

_OPEN_HOUSE = (
    "INSERT INTO ledger_accounts (kind, owner) VALUES ($1, 0) ON CONFLICT (kind, owner) DO NOTHING"
)
_SUMS = (
    "SELECT credits_nano, debits_nano, pending_nano FROM ledger_accounts "
    "WHERE kind = 'customer' AND owner = $1"
)


class LedgerError(ValueError):
    """What was asked for cannot be: says which amount or id, and why. Nothing was changed."""


class Shortage(msgspec.Struct, frozen=True):
    """Why a hold was refused: what the account, and the key's limit, have left just after.

    Where many holds come and go at once, that may be enough again; then trying again helps.
    `key_available_nano` of None: the key has no limit.
    """

    available_nano: int
    key_available_nano: int | None

    @property
    def is_of_key(self) -> bool:
        """Whether it is the key's limit that leaves the least."""
        return self.key_available_nano is not None and self.key_available_nano < self.available_nano

    @property
    def least_nano(self) -> int:
        """What a hold could be at the most."""
        room_nano = self.key_available_nano
        return self.available_nano if room_nano is None else min(room_nano, self.available_nano)


class Balance(msgspec.Struct, frozen=True):
    """A customer's sums: all it ever got, all it ever spent, and what is held at present."""

    credits_nano: int
    debits_nano: int
    pending_nano: int

    @property
    def balance_nano(self) -> int:
        """What came less what went: what is held has not gone yet."""
        return self.credits_nano - self.debits_nano

    @property
    def available_nano(self) -> int:
        """What can be held now."""
        return self.credits_nano - self.debits_nano - self.pending_nano


class Ledger:
    """The ledger as one process uses it, over a driver that is the caller's to close."""

    def __init__(self, driver: Driver, runner: str) -> None:
        """`runner` names this process, and no other that ever was."""
        self.runner = runner
        self._driver = driver
        self._open: set[str] = set()
        # What is known to be in the store, so that nobody asks again: see `_make_ready`.
        self._providers: set[str] = set()
        self._cards: set[str] = set()
        # Accounts that were refused last time. They are asked what they have before a commit is
        # tried: one that fails holds up all who commit with it, and who has no credit comes often.
        self._short: set[int] = set()

    def is_open(self, request: str) -> bool:
        """Whether this process still has to settle what was held or claimed for that request."""
        return request in self._open

    async def claim(self, claim: Claim) -> None:
        """Claim an idempotency key for a request that nothing is held for.

        Raises `ExpectationError` when another request has it.
        """
        group = claim.scope.account_id
        await self._driver.commit([claim.opening()], group=group, is_flushed=False)
        self._open.add(claim.request)

    def forget(self, hold_id: str) -> None:
        """Settle that hold no more: what it holds is given back as a dead process's is."""
        self._open.discard(hold_id)

    async def hold(self, hold: Hold, extra: Sequence[Statement] = ()) -> Shortage | None:
        """Set money aside; None when it is, and otherwise why not.

        `extra` is committed with it, and its errors are raised as the driver raises them. Raises
        `LedgerError` for an amount below zero or beyond 64 bits, an account or key that is not
        there, and an id that was settled.
        """
        check_amount(hold.amount_nano, "a hold")
        shortage: Shortage | None = None
        for _ in range(HOLD_TRIES):
            if hold.account_id not in self._short:
                if await self._try_hold(hold, extra):
                    break
                self._short.add(hold.account_id)
            shortage = await find_shortage(self._driver, hold)
            if not _would_fit(shortage, hold.amount_nano):
                if await self._has_hold(hold):
                    break
                return shortage
            # Somebody else's hold may have ended between the refusal and the question why.
            self._short.discard(hold.account_id)
        else:
            return shortage
        self._open.add(hold.id)
        return None

    async def _try_hold(self, hold: Hold, extra: Sequence[Statement]) -> bool:
        own = hold_statements(hold, self.runner)
        try:
            # Where the machine dies, so does whoever holds, and the hold would only be given back.
            await self._driver.commit([*own, *extra], group=hold.account_id, is_flushed=False)
        except (ExpectationError, ConflictError) as error:
            # A repetition meets its own first time: as a conflict, or as credit that is taken.
            if await self._has_hold(hold):
                return True
            if error.index == _IS_SETTLED and isinstance(error, ExpectationError):
                raise LedgerError(f"the request {hold.id!r} was settled already") from error
            if isinstance(error, ConflictError) or error.index >= len(own):
                raise
            return False
        return True

    async def settle(self, settlement: Settlement) -> None:
        """Post the charge of a request, or void its hold when there is none; record it.

        What is charged beyond the hold, or without one, is taken as far as the
        balance has it; the rest is recorded as uncollected. Raises `LedgerError` when the
        settlement contradicts its hold, or an amount is not one.
        """
        _check_settlement(settlement)
        if not self._is_ready(settlement):
            await self._make_ready((settlement,))
        hold = settlement.hold
        if hold is None:
            is_free = settlement.is_free
            own = free_statements((settlement,)) if is_free else late_statements(settlement)
            await self._settle_once(settlement, own)
            self._open.discard(settlement.record.id)
            return
        statements = settle_statements(settlement, hold)
        try:
            await self._driver.commit(statements, group=hold.account_id)
        except (ExpectationError, ConflictError) as error:
            await self._settle_again(settlement, hold, error)
        self._open.discard(hold.id)

    async def settle_free(self, settlements: Sequence[Settlement]) -> None:
        """Record requests of one account that no money moves for, in one commit.

        Raises as `settle`; `ConflictError` too where one of them was recorded already. Then none
        was.
        """
        for settlement in settlements:
            _check_settlement(settlement)
        await self._make_ready(settlements)
        group = settlements[0].record.account_id
        # Nobody waits for these, and no money hangs on them.
        await self._driver.commit(free_statements(settlements), group=group, is_flushed=False)
        self._open.difference_update(each.record.id for each in settlements)

    async def _settle_again(
        self, settlement: Settlement, hold: Hold, error: ExpectationError | ConflictError
    ) -> None:
        """What was refused was done already, or comes late, or cannot be."""
        if await self._is_settled(settlement.record.id):
            return
        rows = await self._driver.query("SELECT 1 FROM holds WHERE id = $1", (hold.id,))
        if rows:
            raise error
        await self._settle_once(settlement, late_statements(settlement))

    async def _settle_once(self, settlement: Settlement, statements: list[Statement]) -> None:
        """Commit what the journal's unique id lets happen once."""
        try:
            await self._driver.commit(statements, group=settlement.record.account_id)
        except (ExpectationError, ConflictError):
            if not await self._is_settled(settlement.record.id):
                raise

    async def find_balance(self, account_id: int) -> Balance:
        """As the function of that name."""
        return await find_balance(self._driver, account_id)

    async def _has_hold(self, hold: Hold) -> bool:
        rows = await self._driver.query(
            "SELECT account_id, key_id, amount_nano FROM holds WHERE id = $1", (hold.id,)
        )
        if rows and rows[0] != (hold.account_id, hold.key_id, hold.amount_nano):
            raise LedgerError(f"the id {hold.id!r} is another hold's")
        return bool(rows)

    async def _is_settled(self, request: str) -> bool:
        rows = await self._driver.query("SELECT 1 FROM requests WHERE id = $1", (request,))
        return bool(rows)

    def _is_ready(self, settlement: Settlement) -> bool:
        """Whether all that it names is in the store: as that of nearly every one is."""
        for used in settlement.cards:
            if used.card.version not in self._cards:
                return False
        for name, _ in settlement.costs:  # noqa: SIM110 - a generator, for every paid request
            if name not in self._providers:
                return False
        return True

    async def _make_ready(self, settlements: Sequence[Settlement]) -> None:
        """Make what settlements name, in a commit of its own: rate cards, providers' accounts.

        In the commit of a settlement they would be locked after a customer's row, and two
        processes that meet a new provider or price together could wait for each other.
        """
        cards: dict[str, Statement] = {}
        kinds: dict[str, Statement] = {}
        for each in settlements:
            for used in each.cards:
                if used.card.version not in self._cards:
                    cards[used.card.version] = store_card(used, each.record.at_ms // 1000)
            for name, _ in each.costs:
                if name not in self._providers:
                    for party in cost_parties(name):
                        kinds[party.kind] = Statement(_OPEN_HOUSE, (party.kind,))
        if cards or kinds:
            # In one order for everyone.
            ordered = [made[name] for made in (cards, kinds) for name in sorted(made)]
            await self._driver.commit(ordered)
            self._cards.update(cards)
            self._providers.update(name for each in settlements for name, _ in each.costs)


async def find_balance(driver: Driver, account_id: int) -> Balance:
    """A customer's sums now. Raises `LedgerError` when there is no such account."""
    rows = await driver.query(_SUMS, (account_id,))
    if not rows:
        raise LedgerError(f"there is no account {account_id!r} in the ledger")
    return Balance(*rows[0])


async def find_shortage(driver: Driver, hold: Hold) -> Shortage:
    """What there is for a hold now. Raises `LedgerError` for no such account or key."""
    customers = await driver.query(_SUMS, (hold.account_id,))
    keys = await driver.query(*find_key_room(hold))
    if not customers or not keys:
        missing = f"key {hold.key_id!r}" if customers else f"account {hold.account_id!r}"
        raise LedgerError(f"there is no {missing} in the ledger")
    room_nano = keys[0][0]
    return Shortage(
        max(0, Balance(*customers[0]).available_nano),
        None if room_nano is None else max(0, room_nano),
    )


def check_amount(amount_nano: int, what: str, *, minimum: int = 0) -> None:
    """Raise `LedgerError` unless the amount is one that the ledger can move."""
    if not minimum <= amount_nano <= AMOUNT_NANO_MAX:
        least, most = format_dollars(minimum), format_dollars(AMOUNT_NANO_MAX)
        raise LedgerError(
            f"{what} must be from ${least} to ${most}, not ${format_dollars(amount_nano)}"
        )


def _would_fit(shortage: Shortage, amount_nano: int) -> bool:
    room_nano = shortage.key_available_nano
    is_in_limit = room_nano is None or amount_nano <= room_nano
    return is_in_limit and amount_nano <= shortage.available_nano


def _check_settlement(settlement: Settlement) -> None:
    record, hold = settlement.record, settlement.hold
    charge = record.charge
    if charge is not None:
        check_amount(charge.amount_nano, "a charge")
    total_nano = 0
    for _, amount_nano in settlement.costs:
        total_nano += amount_nano
        # None below zero and the sum within bounds: then so is each.
        if amount_nano < 0:
            check_amount(amount_nano, "a cost")
    if total_nano > AMOUNT_NANO_MAX:
        check_amount(total_nano, "the cost of a request")
    if hold is not None and (
        hold.id != record.id or hold.account_id != record.account_id or hold.key_id != record.key_id
    ):
        raise LedgerError(f"the hold {hold.id!r} is not of the request {record.id!r}")
