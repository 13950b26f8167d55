"""The one task that writes to PostgreSQL, many callers' commits at a time.

How it works. Callers queue. The task takes all that wait, up to a bound, and sends them as one
transaction in one round trip; if every statement did what was expected of it, a second round trip
commits. No savepoints: most groups are good, and a savepoint costs each of them two statements.
When a batch fails, the transaction is rolled back, the batches that failed are set apart and the
rest is run again without them. Those set apart are run last, each in a savepoint, since what failed
them may have been another that failed; what they meet then is the truth.

Within a group the batches are in the order of their accounts, and in each batch the account's row
comes first, so two processes lock rows in the same order. Where they meet in a deadlock all the
same, the one that the server picks runs its group again.

Invariant: a commit that was accepted is answered exactly once. Before COMMIT is sent, a lost
connection means that nothing was done; after it, the error says that it is not known.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from nagara.storage.driver import ExpectationError, Result, Statement, StorageError
from nagara.storage.postgres_connection import (
    Outcome,
    PostgresConnection,
    Query,
    encode_query,
)
from nagara.storage.postgres_dialler import PostgresDialler
from nagara.storage.postgres_errors import ConnectionLostError, ServerError, tell

GROUP_MAX = 128
GROUP_BYTES_MAX = 4 * 2**20
"""What a group may hold on the wire, unless one batch alone is larger."""
TRIES_MAX = 5
TOGETHER_MAX = 4
"""How often what is left of a group is tried together before each is tried on its own."""

_BEGIN, _COMMIT, _ROLLBACK = Query("BEGIN"), Query("COMMIT"), Query("ROLLBACK")
_SAVEPOINT, _RELEASE = Query("SAVEPOINT batch"), Query("RELEASE SAVEPOINT batch")
_ROLLBACK_TO = Query("ROLLBACK TO SAVEPOINT batch")


class Batch:
    """One caller's statements, and what became of them."""

    __slots__ = ("expected", "future", "group", "queries", "size_bytes", "verdict")

    def __init__(
        self, statements: Sequence[Statement], group: int, future: "asyncio.Future[list[Result]]"
    ) -> None:
        """Raises as `encode_params` does for what cannot be stored."""
        self.queries = [encode_query(s.sql, s.params) for s in statements]
        self.expected = [s.rows_expected for s in statements]
        self.group = group
        self.future = future
        self.size_bytes = sum(query.size_bytes for query in self.queries)
        self.verdict: list[Result] | StorageError = []

    def judge(self, outcomes: Sequence[Outcome], where: str) -> None:
        """Take what the server answered as the verdict: as yet, until it is delivered."""
        results: list[Result] = []
        self.verdict = results
        for index, (outcome, expected) in enumerate(zip(outcomes, self.expected, strict=True)):
            if isinstance(outcome, ServerError):
                self.verdict = tell(outcome, where, index)
            elif outcome is not None and expected not in (None, outcome.rows_touched):
                assert expected is not None
                self.verdict = ExpectationError(index, expected, outcome.rows_touched)
            if outcome is None or isinstance(self.verdict, StorageError):
                # Skipped, because this one or one before it failed: there is no more to see.
                return
            assert isinstance(outcome, Result)
            results.append(outcome)

    @property
    def has_failed(self) -> bool:
        """Whether its own statements failed, the last time that it was run."""
        return isinstance(self.verdict, StorageError)

    def deliver(self, error: StorageError | None = None) -> None:
        """Answer the caller, with `error` if given, unless that was done or it has left."""
        verdict = error or self.verdict
        if self.future.done():
            return
        if isinstance(verdict, StorageError):
            self.future.set_exception(verdict)
        else:
            self.future.set_result(verdict)


class PostgresWriter:
    """Takes batches and commits them over a connection of its own, dialled when it is needed."""

    def __init__(self, dialler: PostgresDialler) -> None:
        self._dialler = dialler
        self._connection: PostgresConnection | None = None
        self._queue: deque[Batch] = deque()
        self._has_work = asyncio.Event()
        self._running = 0
        self._is_closing = False
        self._task = asyncio.create_task(self._run(), name="postgres writer")

    async def commit(self, statements: Sequence[Statement], group: int) -> list[Result]:
        """As `Driver.commit`; `StorageError` at once when too many wait already."""
        if self._is_closing:
            raise StorageError(f"the database {self._dialler.where} was closed")
        waiting = len(self._queue) + self._running
        if waiting >= self._dialler.bounds.commits_waiting_max:
            raise StorageError(
                f"{waiting} commits wait for the database {self._dialler.where}: it is too slow"
            )
        batch = Batch(statements, group, asyncio.get_running_loop().create_future())
        self._queue.append(batch)
        self._has_work.set()
        return await batch.future

    async def close(self) -> None:
        """Commit what waits, then end the task and close the connection."""
        self._is_closing = True
        self._has_work.set()
        await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while group := await self._next_group():
                self._running = len(group)
                await self._commit_group(group)
                self._running = 0
        finally:
            self._is_closing = True
            for batch in self._queue:
                batch.deliver(StorageError(f"the database {self._dialler.where} was closed"))
            if self._connection is not None:
                self._connection.close()

    async def _next_group(self) -> list[Batch]:
        """Wait for a batch, and take those behind it along; empty when it is time to end."""
        while not self._queue and not self._is_closing:
            self._has_work.clear()
            await self._has_work.wait()
        group: list[Batch] = []
        size_bytes = 0
        while self._queue and len(group) < GROUP_MAX:
            size_bytes += self._queue[0].size_bytes
            if group and size_bytes > GROUP_BYTES_MAX:
                break
            group.append(self._queue.popleft())
        return group

    async def _commit_group(self, group: list[Batch]) -> None:
        try:
            await self._settle(sorted(group, key=lambda batch: batch.group))
        except StorageError as error:
            for batch in group:
                batch.deliver(error)
        except BaseException:
            for batch in group:
                batch.deliver(StorageError("a commit was cut short; it may have been done"))
            raise

    async def _settle(self, together: list[Batch]) -> None:
        """Commit a group, and answer everyone in it."""
        apart: list[Batch] = []
        for _ in range(TOGETHER_MAX):
            failed = await self._transact(together, self._run_together)
            if failed and len(together) == 1:
                # There was nobody else to fail it.
                together[0].deliver()
                together = []
            else:
                apart += failed
                together = [b for b in together if not b.has_failed] if failed else []
            if not together:
                break
        apart += together
        if apart:
            apart.sort(key=lambda batch: batch.group)
            await self._transact(apart, self._run_apart)

    async def _transact(self, batches: list[Batch], run: "_Run") -> list[Batch]:
        """Run a transaction until it is committed and answered, or these batches failed it."""
        for _ in range(TRIES_MAX):
            try:
                return await run(await self._connect(), batches)
            except _TryAgainError as error:
                reason = error.reason
        raise reason

    async def _connect(self) -> PostgresConnection:
        if self._connection is None or not self._connection.is_open:
            self._connection = await self._dialler.dial()
        return self._connection

    async def _run_together(
        self, connection: PostgresConnection, batches: list[Batch]
    ) -> list[Batch]:
        """All in one transaction, committed if none fails; those that failed."""
        queries = [query for batch in batches for query in batch.queries]
        outcomes = await self._send(connection, [_BEGIN, *queries])
        at = 1
        for batch in batches:
            batch.judge(outcomes[at : at + len(batch.queries)], self._dialler.where)
            at += len(batch.queries)
        if failed := [batch for batch in batches if batch.has_failed]:
            await connection.run([_ROLLBACK])
            return failed
        await self._end(connection, batches)
        return []

    async def _run_apart(self, connection: PostgresConnection, batches: list[Batch]) -> list[Batch]:
        """Each in a savepoint of its own: what fails one is undone, and the rest is committed."""
        queries = [_BEGIN]
        for batch in batches:
            queries.append(_SAVEPOINT)
            outcomes = await self._send(connection, [*queries, *batch.queries])
            batch.judge(outcomes[len(queries) :], self._dialler.where)
            queries = [_ROLLBACK_TO, _RELEASE] if batch.has_failed else [_RELEASE]
        await self._send(connection, queries)
        await self._end(connection, batches)
        return []

    async def _send(self, connection: PostgresConnection, queries: list[Query]) -> list[Outcome]:
        """Run statements of a transaction; raises if the whole of it is to be given up."""
        outcomes = await connection.run(queries)
        for outcome in outcomes:
            if isinstance(outcome, ServerError) and not outcome.is_of_statement:
                await connection.run([_ROLLBACK])
                reason = tell(outcome, self._dialler.where)
                raise _TryAgainError(reason) if outcome.is_worth_another_try else reason
        return outcomes

    async def _end(self, connection: PostgresConnection, batches: list[Batch]) -> None:
        """Commit, and answer the callers."""
        try:
            await self._send(connection, [_COMMIT])
        except ConnectionLostError as error:
            raise StorageError(f"{error}; it is not known whether what waited is stored") from error
        for batch in batches:
            batch.deliver()


_Run = Callable[[PostgresConnection, list[Batch]], Awaitable[list[Batch]]]


class _TryAgainError(Exception):
    """The server asks for the whole transaction once more; nothing of it was done."""

    def __init__(self, reason: StorageError) -> None:
        super().__init__(str(reason))
        self.reason = reason
