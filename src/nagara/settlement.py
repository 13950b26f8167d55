"""Holding money before a call, and settling it after: once, whatever happens between.

Theory of operation. A hold is in the database before a provider is asked, or nobody is asked. A
settlement goes one of three ways, and each of them may be gone twice, since the ledger recognises
what it has done:

    settle         awaited before the end of an answer is sent; when it returns the charge is
                   durable, in the database or, while that cannot be reached, in the spool
    settle_later   for those who cannot wait (the client left, the call failed): in the queue
    settle_free    for what nobody pays for: gathered, and in the queue a moment later
    the spool      read back when the database answers again, by this process or the next one

A settlement whose outcome is not known (cancelled, timed out, connection lost) is repeated: the
second time it is recognised. A hold of which nobody knows whether it was made is given back by
`storage.runners` after a while, since its request was refused.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import ParamSpec, TypeVar

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Notice, Observe
from nagara.patience import Patience
from nagara.storage.claims import Claim, ClaimTakenError
from nagara.storage.driver import ConflictError, ExpectationError, StorageError
from nagara.storage.ledger import Ledger, Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.spool import Spool, Spooled

P = ParamSpec("P")
T = TypeVar("T")

NEVER = (ExpectationError, ConflictError, OverflowError, ValueError, TypeError)
"""What settling ends with that will not go better another time: what contradicts the ledger (a
`LedgerError` is a `ValueError`), and values that no database can store."""

RETRY_S = 0.5
GATHER_S = 0.025
TOGETHER_MAX = 128
"""So many are settled side by side. Of what is free, one gather of 5,000 calls a second fits in."""
RETRY_AFTER_S = 2


class Settlements:
    """The money side of the pipeline. `work_forever` must run; `close` leaves nothing undone."""

    def __init__(self, ledger: Ledger, spool: Spool, observe: Observe, patience_s: float) -> None:
        """`patience_s` is how long a call waits for the database before it does without."""
        self._patience = Patience(patience_s)
        self._ledger = ledger
        self._spool = spool
        self._observe = observe
        self._queue: deque[Settlement] = deque()
        self._gathered: deque[Callable[[], Settlement]] = deque()
        self._has_work = asyncio.Event()
        self._is_gathering = False
        self._spool_thread = ThreadPoolExecutor(1, thread_name_prefix="nagara-spool")
        self._is_spool_failing = False
        self._is_failing = False
        self._has_adopted = False

    async def hold(self, hold: Hold, claim: Claim | None = None) -> Shortage | None:
        """Set money aside, and claim a key with it; a `Shortage` when there is not enough.

        Raises `GatewayError` (STORAGE_UNAVAILABLE) when it cannot be known whether it was, and
        `ClaimTakenError` when another request has the key.
        """
        extra = () if claim is None else (claim.opening(),)
        try:
            return await self._patience.wait_for(self._ledger.hold(hold, extra))
        except ExpectationError as error:
            raise ClaimTakenError from error
        except (StorageError, TimeoutError) as error:
            raise money_unavailable() from error

    async def claim(self, claim: Claim) -> None:
        """Claim a key for a request that nothing is held for. Raises as `hold`."""
        try:
            await self._patience.wait_for(self._ledger.claim(claim))
        except ExpectationError as error:
            raise ClaimTakenError from error
        except (StorageError, TimeoutError) as error:
            raise claims_unavailable() from error

    def forget(self, claim: Claim) -> None:
        """Nothing will be settled for a claim: should nobody release it, `storage.runners` does."""
        self._ledger.forget(claim.request)

    async def settle(self, settlement: Settlement) -> None:
        """Make a settlement durable. Never raises, but when cancelled: it is then made later."""
        try:
            try:
                await self._patience.wait_for(self._settle_one(settlement))
            except StorageError as error:
                await self._keep(settlement, error)
            except TimeoutError:
                await self._keep(settlement, self._too_slow())
        except asyncio.CancelledError:
            # Perhaps it was done, or is in the spool: the second time is recognised.
            self.settle_later(settlement)
            raise

    def settle_later(self, settlement: Settlement) -> None:
        """Settle as soon as can be, without waiting for it."""
        self._queue.append(settlement)
        self._has_work.set()

    def settle_free(self, make: Callable[[], Settlement]) -> None:
        """Settle what nobody pays for: it waits a moment for others of its kind.

        Their rows are one commit, and `make` is called then: one after the other they are made in
        half the time.
        """
        self._gathered.append(make)
        if not self._is_gathering:
            self._is_gathering = True
            asyncio.get_running_loop().call_later(GATHER_S, self._has_work.set)

    async def work_forever(self) -> None:
        """Settle what is in the queue and in the spool, also in those of processes that died."""
        while True:
            if not await self._work():
                await asyncio.sleep(RETRY_S)
            if self._spool.is_empty:
                await self._has_work.wait()

    async def close(self) -> None:
        """Settle what is left, or leave it in the spool for the next start."""
        while await self._work() and (self._queue or self._gathered):
            pass
        await self._in_spool(self._spool.close)
        self._spool_thread.shutdown()

    async def _work(self) -> bool:
        """Settle what waits now; whether the database took it. Else it waits on the disk.

        What comes meanwhile is for the next time, so that it gathers too.
        """
        self._has_work.clear()
        self._is_gathering = False
        while self._gathered:
            self._queue.append(self._gathered.popleft()())
        try:
            await self._adopt()
            await self._empty_spool()
            left = len(self._queue)
            while left > 0:
                left -= await self._settle_some(min(left, TOGETHER_MAX))
        except StorageError as error:
            self._tell_failing(error)
            await self._keep_queue()
            self._has_work.set()
            return False
        self._tell_working()
        return True

    async def _settle_some(self, count: int) -> int:
        """Settle the first of the queue side by side, so that they become one commit; how many.

        They leave the queue only when they are done: this may be cancelled.
        """
        first = list(islice(self._queue, count))
        parts = split_up(first)
        outcomes: list[Exception | None]
        if len(parts) == 1:
            outcomes = [await self._try_part(parts[0])]
        else:
            outcomes = await asyncio.gather(*map(self._try_part, parts))
        for part, outcome in zip(parts, outcomes, strict=True):
            for settlement in part:
                self._queue.popleft()
                if outcome is not None:
                    self._queue.append(settlement)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(first)

    async def _try_part(self, part: Sequence[Settlement]) -> Exception | None:
        """What it ends with; None when it is settled."""
        try:
            await self._settle_in_time(part)
        except Exception as error:  # noqa: BLE001 - its caller raises it
            return error
        return None

    async def _keep(self, settlement: Settlement, error: StorageError) -> None:
        """What the database does not take waits on the disk."""
        self._tell_failing(error)
        # Should the disk not take it either, memory has to do.
        if not await self._append([settlement]):
            self.settle_later(settlement)
        self._has_work.set()

    async def _settle_in_time(self, part: Sequence[Settlement]) -> None:
        """Raises `StorageError`, also when it takes too long."""
        together = len(part) > 1
        work = self._settle_together(part) if together else self._settle_one(part[0])
        try:
            await self._patience.wait_for(work)
        except TimeoutError as error:
            raise self._too_slow() from error

    def _too_slow(self) -> StorageError:
        return StorageError(f"no answer from the database for {self._patience.limit_s:g} s")

    async def _settle_together(self, part: Sequence[Settlement]) -> None:
        try:
            await self._ledger.settle_free(part)
        except NEVER:
            # One of them may have been settled already: each by itself tells.
            for settlement in part:
                await self._settle_one(settlement)

    async def _settle_one(self, settlement: Settlement) -> None:
        try:
            await self._ledger.settle(settlement)
        except NEVER as error:
            if settlement.extra:
                await self._settle_alone(settlement, error)
                return
            # It must not hold up the rest, nor keep the money of its hold from the caller.
            self._ledger.forget(settlement.record.id)
            self._tell(f"the request {settlement.record.id} cannot be settled: {error}")

    async def _settle_alone(self, settlement: Settlement, error: Exception) -> None:
        """Give back what was held for a request whose answer the store refuses to keep.

        Its idempotency key is another's by now, because this process was taken for dead. That one
        is charged, and one key is never charged twice.
        """
        self._tell(f"the request {settlement.record.id} is not charged: {error}")
        record = msgspec.structs.replace(settlement.record, charge=None)
        await self._settle_one(msgspec.structs.replace(settlement, record=record, extra=()))

    async def _keep_queue(self) -> None:
        """What the database does not take waits on the disk, where a crash leaves it."""
        while some := list(islice(self._queue, TOGETHER_MAX)):
            if not await self._append(some):
                return
            for _ in some:
                self._queue.popleft()

    async def _append(self, settlements: Sequence[Settlement]) -> bool:
        try:
            await self._in_spool(self._spool.append, settlements)
        except StorageError as error:
            if not self._is_spool_failing:
                self._tell(f"{error}: charges wait in memory, and are lost if we are killed")
            self._is_spool_failing = True
            return False
        self._is_spool_failing = False
        return True

    async def _empty_spool(self) -> None:
        """Settle what is in the spool, and remove it.

        Meanwhile more may be put in: whoever ends an answer waits neither for this nor for the
        database.
        """
        while not self._spool.is_empty:
            found = await self._in_spool(self._spool.read)
            await self._settle_spooled(found)
            await self._in_spool(self._spool.clear, found)

    async def _in_spool(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Off the loop, and one after the other: also where the one who asked was cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._spool_thread, partial(call, *args, **named))

    async def _settle_spooled(self, found: Spooled) -> None:
        for settlement in found.settlements:
            await self._settle_in_time([settlement])
        if found.problem is not None:
            self._tell(found.problem)

    async def _adopt(self) -> None:
        """Settle what earlier processes left, once."""
        if self._has_adopted:
            return
        for left in self._spool.adopt():
            await self._settle_spooled(left)
            if left.settlements:
                count = len(left.settlements)
                notice = f"settled {count} requests that an earlier process could not"
                self._observe(Notice(message=notice))
        self._has_adopted = True

    def _tell(self, message: str) -> None:
        self._observe(Notice(message=message, level=logging.ERROR))

    def _tell_failing(self, error: BaseException) -> None:
        if not self._is_failing:
            self._is_failing = True
            reason = str(error) or type(error).__name__
            self._tell(f"charges cannot be booked and are kept until they can: {reason}")

    def _tell_working(self) -> None:
        if self._is_failing:
            self._is_failing = False
            self._observe(Notice(message="charges are booked again; those kept were made up for"))


def split_up(settlements: Iterable[Settlement]) -> list[list[Settlement]]:
    """Those that can share a commit: of one account, and free. The others are alone."""
    parts: list[list[Settlement]] = []
    free: dict[int, list[Settlement]] = {}
    for settlement in settlements:
        if not settlement.is_free:
            parts.append([settlement])
        else:
            free.setdefault(settlement.record.account_id, []).append(settlement)
    return [*parts, *free.values()]


def money_unavailable() -> GatewayError:
    """The error of a paid call while the ledger cannot be reached."""
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot reserve credit right now, because its database does not answer. "
        "Nothing is wrong with the request and nothing was charged; send it again shortly.",
        retry_after_s=RETRY_AFTER_S,
    )


def claims_unavailable() -> GatewayError:
    """The error of a call with an idempotency key while the store cannot be reached."""
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot look up this Idempotency-Key right now, because its database does not "
        "answer. Nothing is wrong with the request; send it again shortly, with the same key.",
        retry_after_s=RETRY_AFTER_S,
    )
