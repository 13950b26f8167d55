"""Holding money before a call, and settling it after: once, whatever happens between.

Theory of operation. A hold is in the database before a provider is asked, or nobody is asked. A
settlement goes one of three ways, and each of them may be gone twice, since the ledger recognises
what it has done:

    settle         awaited before the end of an answer is sent; when it returns the charge is
                   durable, in the database or, while that cannot be reached, in the spool
    settle_later   for those who cannot wait (the client left, the call failed): in the queue
    the spool      read back when the database answers again, by this process or the next one

A settlement whose outcome is not known (cancelled, timed out, connection lost) is repeated: the
second time it is recognised. A hold of which nobody knows whether it was made is given back by
`storage.runners` after a while, since its request was refused.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Notice, Observe
from nagara.storage.driver import ConflictError, ExpectationError, Statement, StorageError
from nagara.storage.ledger import Ledger, LedgerError, Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.spool import Spool

RETRY_S = 0.5
TOGETHER_MAX = 64
RETRY_AFTER_S = 2


class Settlements:
    """The money side of the pipeline. `work_forever` must run; `close` leaves nothing undone."""

    def __init__(self, ledger: Ledger, spool: Spool, observe: Observe, patience_s: float) -> None:
        """`patience_s` is how long a call waits for the database before it does without."""
        self.patience_s = patience_s
        self._ledger = ledger
        self._spool = spool
        self._observe = observe
        self._queue: deque[Settlement] = deque()
        self._has_work = asyncio.Event()
        self._spooling = asyncio.Lock()
        self._is_spooled = False
        self._is_failing = False

    async def hold(self, hold: Hold, extra: Sequence[Statement] = ()) -> Shortage | None:
        """Set money aside; a `Shortage` when there is not enough.

        Raises `GatewayError` (STORAGE_UNAVAILABLE) when it cannot be known whether it was.
        """
        try:
            async with asyncio.timeout(self.patience_s):
                return await self._ledger.hold(hold, extra)
        except (StorageError, TimeoutError) as error:
            raise money_unavailable() from error

    async def settle(self, settlement: Settlement) -> None:
        """Make a settlement durable. Never raises, but when cancelled: it is then made later."""
        try:
            async with asyncio.timeout(self.patience_s):
                await self._settle_one(settlement)
        except (StorageError, TimeoutError) as error:
            self._tell_failing(error)
            await self._keep(settlement)
        except asyncio.CancelledError:
            self.settle_later(settlement)
            raise

    def settle_later(self, settlement: Settlement) -> None:
        """Settle as soon as can be, without waiting for it."""
        self._queue.append(settlement)
        self._has_work.set()

    async def work_forever(self) -> None:
        """Settle what is in the queue and in the spool, also in those of processes that died."""
        await self._adopt()
        while True:
            if not self._is_spooled:
                await self._has_work.wait()
            if not await self._work():
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Settle what is left, or leave it in the spool for the next start."""
        if not await self._work():
            for settlement in self._queue:
                await self._append(settlement)

    async def _work(self) -> bool:
        """Settle all that waits; whether the database took it."""
        self._has_work.clear()
        try:
            if self._is_spooled:
                await self._empty_spool()
            while self._queue:
                await self._settle_some()
        except StorageError as error:
            self._tell_failing(error)
            self._has_work.set()
            return False
        self._tell_working()
        return True

    async def _settle_some(self) -> None:
        """Settle the first of the queue side by side, so that they become one commit.

        They leave the queue only when they are done: this may be cancelled.
        """
        some = [self._queue[at] for at in range(min(len(self._queue), TOGETHER_MAX))]
        outcomes = await asyncio.gather(*map(self._settle_one, some), return_exceptions=True)
        for settlement, outcome in zip(some, outcomes, strict=True):
            self._queue.popleft()
            if outcome is not None:
                self._queue.append(settlement)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _settle_one(self, settlement: Settlement) -> None:
        try:
            await self._ledger.settle(settlement)
        except (LedgerError, ExpectationError, ConflictError) as error:
            # It will never be otherwise, and must not hold up the rest.
            message = f"the request {settlement.record.id} cannot be settled: {error}"
            self._observe(Notice(message=message, level=logging.ERROR))

    async def _keep(self, settlement: Settlement) -> None:
        """Into the spool; or, should the disk not take that either, into the queue."""
        if not await self._append(settlement):
            self.settle_later(settlement)
        self._has_work.set()

    async def _append(self, settlement: Settlement) -> bool:
        async with self._spooling:
            try:
                await asyncio.to_thread(self._spool.append, settlement)
            except StorageError as error:
                self._observe(Notice(message=str(error), level=logging.ERROR))
                return False
            self._is_spooled = True
            return True

    async def _empty_spool(self) -> None:
        async with self._spooling:
            for settlement in await asyncio.to_thread(self._spool.read):
                await self._settle_one(settlement)
            await asyncio.to_thread(self._spool.clear)
            self._is_spooled = False

    async def _adopt(self) -> None:
        for left in self._spool.adopt():
            for settlement in left:
                await self._settle_one(settlement)
            notice = f"settled {len(left)} requests that an earlier process could not"
            self._observe(Notice(message=notice))

    def _tell_failing(self, error: BaseException) -> None:
        if not self._is_failing:
            self._is_failing = True
            reason = str(error) or type(error).__name__
            message = f"charges cannot be booked and are kept until they can: {reason}"
            self._observe(Notice(message=message, level=logging.ERROR))

    def _tell_working(self) -> None:
        if self._is_failing:
            self._is_failing = False
            self._observe(Notice(message="charges are booked again; those kept were made up for"))


def money_unavailable() -> GatewayError:
    """The error of a paid call while the ledger cannot be reached."""
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot reserve credit right now, because its database does not answer. "
        "Nothing is wrong with the request and nothing was charged; send it again shortly.",
        retry_after_s=RETRY_AFTER_S,
    )
