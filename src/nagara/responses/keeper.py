"""Keeps finished responses: in memory until they are written, in the store until they expire.

Keeping never delays an answer. A finished response is put into `_pending` and written with others
a moment later; until then it is read from there, so whoever has an answer can refer to it at once.
Nothing else is held in memory: a written response is read from the store every time, so that one
which another process deleted is gone here too.

While the store cannot be written, what is pending waits for it, up to a bound; beyond that the
oldest are lost, which is said in the log and fails no request.
"""

import asyncio
import contextlib
import logging

import msgspec

from nagara.observe.observations import Notice, Observe
from nagara.operations.response_state import response_not_found
from nagara.runtime import Clock
from nagara.storage.driver import Driver, StorageError
from nagara.storage.responses import (
    Owner,
    StoredResponse,
    delete_response,
    load_response,
    save_response,
    sweep,
)

GATHER_S = 0.02
"""How long a finished response may wait for others to be written with it."""
RETRY_S = 0.5
SWEEP_EVERY_S = 300.0
COMMIT_ROWS_MAX = 128

PendingKey = tuple[Owner, str]


class KeeperLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much. `retention_s` of zero keeps nothing."""

    retention_s: int
    response_bytes_max: int
    pending_bytes_max: int


class Keeper:
    """The responses that callers may come back for. Its two loops run until they are cancelled."""

    def __init__(
        self, driver: Driver, clock: Clock, observe: Observe, limits: KeeperLimits
    ) -> None:
        self.limits = limits
        self._driver = driver
        self._clock = clock
        self._observe = observe
        self._pending: dict[PendingKey, StoredResponse] = {}
        self._pending_bytes = 0
        self._has_pending = asyncio.Event()
        self._is_failing = False

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self.limits.retention_s > 0

    def expiry_s(self) -> int:
        """When a response that is made now expires, in Unix seconds."""
        return int(self._clock.now_s()) + self.limits.retention_s

    def keep(self, stored: StoredResponse) -> None:
        """Keep a finished response, unless it is too large. Returns at once."""
        if stored.size_bytes > self.limits.response_bytes_max:
            self._notice(
                f"response {stored.id} is not kept: with its conversation it has "
                f"{stored.size_bytes} bytes, and stored_response_bytes_max is "
                f"{self.limits.response_bytes_max}",
                logging.INFO,
            )
            return
        self._forget(stored.owner, stored.id)
        self._pending[stored.owner, stored.id] = stored
        self._pending_bytes += stored.size_bytes
        self._has_pending.set()
        while self._pending_bytes > self.limits.pending_bytes_max:
            owner, lost = next(iter(self._pending))
            self._forget(owner, lost)
            self._notice(f"response {lost} is lost: too many wait for the database")

    async def find(self, owner: Owner, response_id: str) -> StoredResponse | None:
        """A response of the owner's; None when there is none. Raises `StorageError`."""
        found = self._pending.get((owner, response_id))
        if found is not None:
            return found
        return await load_response(self._driver, owner, response_id, int(self._clock.now_s()))

    async def delete(self, owner: Owner, response_id: str) -> None:
        """Delete a response. Raises `GatewayError` (NOT_FOUND), or `StorageError`."""
        was_pending = self._forget(owner, response_id)
        # Even when it was pending: it may be on its way into the store at this moment.
        now_s = int(self._clock.now_s())
        was_stored = await delete_response(self._driver, owner, response_id, now_s)
        if not (was_pending or was_stored):
            raise response_not_found(response_id)

    async def write_forever(self) -> None:
        """Write what is pending, as it comes."""
        while True:
            await self._has_pending.wait()
            await asyncio.sleep(GATHER_S)
            try:
                await self.write_pending()
            except StorageError as error:
                if not self._is_failing:
                    self._notice(f"responses wait to be kept: {error}", logging.ERROR)
                self._is_failing = True
                await asyncio.sleep(RETRY_S)

    async def write_pending(self) -> None:
        """Write all that is pending. Raises `StorageError`; what was not written stays pending."""
        while self._pending:
            batch = list(self._pending.items())[:COMMIT_ROWS_MAX]
            await self._driver.commit([save_response(stored) for _, stored in batch])
            for (owner, response_id), stored in batch:
                # It may have been replaced or deleted while it was written.
                if self._pending.get((owner, response_id)) is stored:
                    self._forget(owner, response_id)
        self._is_failing = False
        self._has_pending.clear()

    async def sweep_forever(self) -> None:
        """Delete what has expired, a little at a time."""
        while True:
            # A store that is down is told of by those who need it now; this can wait.
            with contextlib.suppress(StorageError):
                while await sweep(self._driver, int(self._clock.now_s())):
                    pass
            await asyncio.sleep(SWEEP_EVERY_S)

    async def close(self) -> None:
        """Write what is pending, one last time."""
        try:
            await self.write_pending()
        except StorageError as error:
            self._notice(f"{len(self._pending)} responses are lost: {error}", logging.ERROR)

    def _forget(self, owner: Owner, response_id: str) -> bool:
        stored = self._pending.pop((owner, response_id), None)
        if stored is not None:
            self._pending_bytes -= stored.size_bytes
        return stored is not None

    def _notice(self, message: str, level: int = logging.WARNING) -> None:
        self._observe(Notice(message=message, level=level))
