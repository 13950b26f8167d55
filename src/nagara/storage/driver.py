"""What a database must be able to do for us: four verbs that every driver has alike.

Transactions are not interactive: a list of statements, each with what is expected of it, commits
whole or not at all. That lets one driver commit many callers' lists together and costs another a
single round trip. SQL is the part that SQLite and PostgreSQL share, with `$1` placeholders.

When the database is down, every verb raises `StorageError`, whose message is for the operator: it
may name files and addresses, and must not reach a caller. Nothing here retries.

    StorageError            cannot be read or written: says why, and what to do
    +-- ExpectationError    a statement did not touch as many rows as it should have
    +-- ConflictError       a constraint (unique, foreign key, 64 bits) refused a statement
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol

import msgspec

Value = int | str | bytes | None
Row = tuple[Any, ...]

LARGE_BYTES = 64 * 1024


class StorageError(Exception):
    """The store could not do as asked. The message says why and what to do about it."""


class ExpectationError(StorageError):
    """Statement `index` of a commit touched `rows` rows, which was not what it expected."""

    def __init__(self, index: int, rows_expected: int, rows: int) -> None:
        super().__init__(f"statement {index} touched {rows} rows instead of {rows_expected}")
        self.index = index
        self.rows_expected = rows_expected
        self.rows = rows


class ConflictError(StorageError):
    """Statement `index` of a commit was refused by a constraint of the schema."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"statement {index} was refused: {reason}")
        self.index = index


class Statement(msgspec.Struct, frozen=True):
    """One statement of a commit. `rows_expected` is compared with the rows touched or returned.

    `is_long` says that it may take more than a moment, because of many rows or large values.
    """

    sql: str
    params: tuple[Value, ...] = ()
    rows_expected: int | None = None
    is_long: bool = False


def is_large(*values: bytes) -> bool:
    """Whether to write these takes more than a moment."""
    return sum(map(len, values)) > LARGE_BYTES


class Result(msgspec.Struct, frozen=True):
    """What a statement did: the rows of its RETURNING clause, and how many rows it touched."""

    rows: list[Row]
    rows_touched: int


class Driver(Protocol):
    """A database. It belongs to the event loop that opened it; all verbs may run concurrently."""

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """All rows of one SELECT. It sees every commit that was delivered before the call."""

    def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> Awaitable[list[Result]]:
        """Run all statements in order, durably, or none: one result for each.

        Each is one that writes: what a SELECT did not find, no result tells.

        Without `is_flushed` a driver whose store lives on this machine need not wait for the disk:
        what was done then outlives every process, and not the machine. `group` says whose they are
        (an account's id): a driver may put what it commits together in the order of their groups,
        so that everyone locks the same rows in the same order.

        Raises `ExpectationError` and `ConflictError` with the statement's index, and then nothing
        was changed. A caller that is cancelled while it waits does not know which it was.
        """

    def watch(self) -> AsyncIterator[None]:
        """Yield once at first, and again whenever anyone, in any process, counted up a revision.

        At most 250 ms after the change; many changes may be one turn, and a driver may yield for
        changes that count up none. Whoever reads the store at every turn therefore misses nothing.
        Ends when the driver is closed; raises `StorageError`
        when the store cannot be read, and may then be called again.
        """

    async def close(self) -> None:
        """Finish the commits that were asked for, then let go of the database. May be repeated."""
