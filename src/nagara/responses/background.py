"""The background responses of this process: started, stored as they go, followed, ended.

Each runs in a task of its own that no client can end by leaving. Twice a second what is new of all
of them is written to the store, with a lease that says this process is still there; a lease that
has lapsed means that its process died, and whoever notices first fails the response. So nothing
needs to be known of the other processes that share the store, nor of the one before a restart.

A response that another process cancels or deletes loses its runner in the store; this one learns
of it at its next write, and stops. While the store is down the runs go on, and hold back their
provider when too much is unwritten.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Notice, Observe
from nagara.operations.response_state import ACTIVE, end_response
from nagara.responses.run import Run
from nagara.runtime import Clock, Tasks, make_id
from nagara.storage.driver import Driver, ExpectationError, StorageError
from nagara.storage.responses import (
    Owner,
    StoredResponse,
    add_events,
    end_for_runner,
    load_lapsed,
    load_response,
    record_end,
    record_progress,
    save_response,
)

WRITE_EVERY_S = 0.5
LEASE_S = 15
RENEW_EVERY_S = 2.0
LAPSE_CHECK_S = 5.0
END_TRIES = 20
END_WAIT_S = 5.0
"""How long whoever cancels a response waits for its task."""

Work = Callable[[Run], Awaitable[None]]
"""Makes the response of a run; returns when it has ended, and raises nothing."""


class BackgroundLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many at once, and how large the stream of one may be."""

    runs_max: int
    event_bytes_max: int
    events_bytes_max: int


class Background:
    """What runs. `write_forever` and `watch_leases` must run beside it."""

    def __init__(
        self, driver: Driver, clock: Clock, observe: Observe, limits: BackgroundLimits
    ) -> None:
        self.limits = limits
        self.on_task: Callable[[asyncio.Task[None]], None] = lambda _: None
        """Called with the task of each run, for a server that waits for what runs."""
        self.runner = make_id("run_")
        self._driver = driver
        self._clock = clock
        self._observe = observe
        self._tasks = Tasks()
        self._runs: dict[tuple[Owner, str], Run] = {}
        self._has_runs = asyncio.Event()
        self._is_full = asyncio.Event()
        self._renewed_s = 0.0
        self._is_failing = False

    def __len__(self) -> int:
        return len(self._runs)

    def check_room(self) -> None:
        """Raise `GatewayError` (OVERLOADED) when no more may be started."""
        if len(self._runs) >= self.limits.runs_max:
            raise GatewayError(
                ErrorKind.OVERLOADED,
                f"{self.limits.runs_max} background responses are running, which is as many as "
                "this gateway runs at once. Send this one again shortly.",
            )

    def hurry(self) -> None:
        """Write what is new soon: the provider of a run waits for it."""
        self._is_full.set()

    def lease_until_s(self) -> int:
        """When the lease of what runs here must have been renewed."""
        return int(self._clock.now_s()) + LEASE_S

    async def start(self, run: Run, work: Work) -> None:
        """Store a new response, then begin to make it. Raises `StorageError`, and nothing began."""
        await self._driver.commit([save_response(run.stored)])
        self._runs[run.stored.owner, run.stored.id] = run
        self._has_runs.set()
        run.task = self._tasks.spawn(f"background response {run.stored.id}", self._make(run, work))
        self.on_task(run.task)
        # A task that is cancelled before its first step never gets to store its end.
        await asyncio.sleep(0)

    def find(self, owner: Owner, response_id: str) -> Run | None:
        """The run of a response that is made in this process."""
        return self._runs.get((owner, response_id))

    async def cancel(self, stored: StoredResponse) -> StoredResponse:
        """End a background response, wherever it runs; one that has ended stays as it is.

        Raises `StorageError`. Gives the response as it then is.
        """
        run = self.find(stored.owner, stored.id)
        if run is not None:
            await self._stop(run)
            return run.stored
        if stored.status not in ACTIVE:
            return stored
        return await self._end_elsewhere(stored, "cancelled", None)

    async def drop(self, owner: Owner, response_id: str) -> None:
        """Stop making a response that is about to be deleted."""
        run = self.find(owner, response_id)
        if run is not None:
            run.is_lost = True
            await self._stop(run)

    async def check_lease(self, stored: StoredResponse) -> StoredResponse:
        """The response, failed if it runs nowhere any more. Raises `StorageError`."""
        lapsed = (stored.lease_until_s or 0) < self._clock.now_s()
        if stored.status not in ACTIVE or not lapsed:
            return stored
        return await self._end_elsewhere(stored, "failed", _process_gone())

    async def watch_leases(self) -> None:
        """Fail, from time to time, what nobody asks for and nobody runs any more."""
        while True:
            with contextlib.suppress(StorageError):
                for stored in await load_lapsed(self._driver, int(self._clock.now_s())):
                    await self.check_lease(stored)
            await asyncio.sleep(LAPSE_CHECK_S)

    async def write_forever(self) -> None:
        """Store what is new of all that runs, and renew the leases."""
        while True:
            await self._has_runs.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY_S):
                    await self._is_full.wait()
            self._is_full.clear()
            is_due = self._clock.monotonic_s() - self._renewed_s >= RENEW_EVERY_S
            if is_due:
                self._renewed_s = self._clock.monotonic_s()
            runs = [r for r in self._runs.values() if is_due or r.unwritten() is not None]
            # Together, so that the driver can commit them as one.
            await asyncio.gather(*(self.write(run) for run in runs))

    async def write(self, run: Run) -> None:
        """Store what is new of one run. A store that is down is tried again at the next turn."""
        async with run.writing:
            if run.is_recorded or run.is_lost or not run.is_active:
                return
            block, stored = run.unwritten(), run.stored
            statements = [record_progress(stored, self.lease_until_s())]
            if block is not None:
                statements.append(add_events(stored, block))
            try:
                await self._driver.commit(statements)
            except ExpectationError:
                await self._lose(run)
            except StorageError as error:
                self._tell(error)
            else:
                self._is_failing = False
                if block is not None:
                    run.mark_written(block.first_number + len(block.events) - 1)

    async def close(self, grace_s: float) -> None:
        """Wait so long for what runs, then end it as failed, and store that."""
        await self._tasks.close(grace_s)

    async def _make(self, run: Run, work: Work) -> None:
        try:
            await work(run)
        finally:
            await self._record_end(run)
            del self._runs[run.stored.owner, run.stored.id]
            if not self._runs:
                self._has_runs.clear()

    async def _record_end(self, run: Run) -> None:
        """Store how a run ended, with its last events. Given up in the end: the lease lapses."""
        async with run.writing:
            for _ in range(END_TRIES):
                if run.is_lost:
                    return
                block = run.unwritten()
                statements = [record_end(run.stored)]
                if block is not None:
                    statements.append(add_events(run.stored, block))
                try:
                    await self._driver.commit(statements)
                except ExpectationError:
                    run.is_lost = True
                except StorageError as error:
                    self._tell(error)
                    await asyncio.sleep(WRITE_EVERY_S)
                else:
                    self._is_failing = False
                    run.mark_written(run.last)
                    run.is_recorded = True
                    return

    async def _stop(self, run: Run) -> None:
        run.give_up()
        run.end("cancelled")
        if run.task is not None and not run.task.done():
            run.task.cancel()
            # Its end is in the store when its task is done; what is asked next must see it.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_WAIT_S):
                    await asyncio.wait([run.task])

    async def _lose(self, run: Run) -> None:
        """Stop making what another process has ended: its caller wished so, or we had died."""
        run.is_lost = True
        if await self._was_given_up(run.stored):
            run.give_up()
        run.end("cancelled")
        if run.task is not None:
            run.task.cancel()

    async def _was_given_up(self, stored: StoredResponse) -> bool:
        now_s = int(self._clock.now_s())
        try:
            found = await load_response(self._driver, stored.owner, stored.id, now_s)
        except StorageError:
            # It answered a moment ago, and said that the response is ours no more.
            return True
        return found is None or found.status == "cancelled"

    async def _end_elsewhere(
        self, stored: StoredResponse, status: str, error: GatewayError | None
    ) -> StoredResponse:
        response = end_response(stored.response, status, error)
        ended = msgspec.structs.replace(
            stored, status=status, response=response, runner=None, lease_until_s=None
        )
        if await end_for_runner(self._driver, stored, ended):
            return ended
        # It ended by itself in this moment.
        now_s = int(self._clock.now_s())
        return await load_response(self._driver, stored.owner, stored.id, now_s) or ended

    def _tell(self, error: StorageError) -> None:
        """Say once that the store fails, until it does not."""
        if not self._is_failing:
            message = f"background responses wait to be stored: {error}"
            self._observe(Notice(message=message, level=logging.ERROR))
        self._is_failing = True


def _process_gone() -> GatewayError:
    return GatewayError(
        ErrorKind.INTERNAL,
        "The gateway process that made this response ended before it was done. "
        "What it had written is in the response's events; send the request again.",
        code="server_error",
    )
