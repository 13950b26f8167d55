"""A `Driver` over SQLite in memory, whose every step is the scheduler's to order, fail or end.

It pauses before each step, so that anything may come between any two. A commit may fail before it
was done or after, and the process that asked for it may end in that moment.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import apsw

from nagara.storage.driver import (
    Driver,
    ExpectationError,
    Result,
    Row,
    Statement,
    StorageError,
    Value,
)
from nagara.storage.sqlite import migrate
from nagara.storage.sqlite_connection import execute, tell

_PATH = Path(":memory:")
_BELOW_ZERO = (
    "SELECT kind, owner FROM ledger_accounts WHERE pending_nano < 0 "
    "OR (kind = 'customer' AND credits_nano - debits_nano - pending_nano < 0)"
)

# Of the latest alone: the earlier ones were looked at when they were that.
_WITHOUT_CARD = (
    "SELECT id FROM (SELECT id, rate_card FROM requests ORDER BY seq DESC LIMIT 5) AS latest "
    "WHERE rate_card IS NOT NULL AND rate_card NOT IN (SELECT version FROM rate_cards)"
)


class Crash(BaseException):
    """The process that is running ends here and now."""


class Faults:
    """What goes wrong, by chance: shares of all steps. All zero: nothing does."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_on = True

    def strike(self, share: float) -> bool:
        """Whether it happens now."""
        return self.is_on and self.chance.random() < share


class MemoryDriver(Driver):
    """One database for all processes of a simulation."""

    def __init__(self, faults: Faults, pause: Callable[[], Awaitable[None]]) -> None:
        self._connection = apsw.Connection(":memory:")
        migrate(self._connection, _PATH)
        self._faults = faults
        self._pause = pause
        self.expired: set[str] = set()
        """Ids of the holds that were given back by a reaper."""

    def select(self, sql: str, *params: Value) -> list[Row]:
        """Read at once, without pause or fault: for the observer."""
        return execute(self._connection, sql, params).fetchall()

    def put(self, sql: str, *params: Value) -> None:
        """Write at once, without pause or fault: for how it all begins."""
        execute(self._connection, sql, params)

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await self._pause()
        if self._faults.strike(0.004):
            raise StorageError("a read that failed")
        return execute(self._connection, sql, params).fetchall()

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        await self._pause()
        if self._faults.strike(0.01):
            raise StorageError("a commit that was not done")
        self._connection.execute("BEGIN")
        try:
            results = [self._run(index, each) for index, each in enumerate(statements)]
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._observe(statements)
        if self._faults.strike(0.0005):
            raise Crash
        if self._faults.strike(0.01):
            raise StorageError("a commit that was done, and nobody heard")
        return results

    def _run(self, index: int, statement: Statement) -> Result:
        try:
            rows = execute(self._connection, statement.sql, statement.params).fetchall()
        except apsw.Error as error:
            raise tell(error, _PATH, index) from error
        touched = len(rows) or self._connection.changes()
        if statement.rows_expected is not None and touched != statement.rows_expected:
            raise ExpectationError(index, statement.rows_expected, touched)
        return Result(rows, touched)

    def _observe(self, statements: Sequence[Statement]) -> None:
        """What must hold after every single commit, and which holds a reaper ended."""
        assert not self.select(_BELOW_ZERO), "a balance is below zero"
        assert not self.select(_WITHOUT_CARD), "a charge names a card that is not stored"
        last = statements[-1]
        if last.sql.startswith("DELETE FROM holds"):
            self.expired.add(str(last.params[0]))

    async def watch(self) -> AsyncIterator[None]:
        yield

    async def close(self) -> None:
        self._connection.close()
