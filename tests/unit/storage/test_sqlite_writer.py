"""The writer of an SQLite file on the loop's thread: together, bounded, and never waiting there."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from nagara.storage import sqlite_flusher, sqlite_writer
from nagara.storage.driver import Statement, StorageError
from nagara.storage.sqlite import SqliteDriver
from nagara.storage.sqlite_checkpointer import COMMITS, LOG_PAGES_MAX
from nagara.storage.sqlite_connection import PAGE_BYTES, open_connection
from nagara.storage.sqlite_writer import SqliteWriter

TURN_MAX_S = 0.2
"""A loop that waited for a lock or a disk here would be away for longer."""


def insert(name: str, value: bytes = b"", *, is_long: bool = False) -> Statement:
    sql = "INSERT INTO meta (name, value) VALUES ($1, $2)"
    return Statement(sql, (name, value), is_long=is_long)


@pytest.fixture(name="path")
async def make_database(tmp_path: Path) -> Path:
    path = tmp_path / "nagara.db"
    await (await SqliteDriver.open(path)).close()
    return path


@pytest.fixture(name="connection")
def open_traced(path: Path) -> apsw.Connection:
    """The writer's connection, which the test may look at while that is open."""
    return open_connection(path)


@pytest.fixture
async def writer(connection: apsw.Connection, path: Path) -> AsyncIterator[SqliteWriter]:
    writer = SqliteWriter(connection, path, queue_max=200)
    yield writer
    await writer.close()


@pytest.fixture
def threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a queue for the disk: a thread flushes, which a test can hold up."""

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(sqlite_writer, "KernelFlusher", refuse)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes."""
    with closing(open_connection(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def trace(connection: apsw.Connection) -> list[str]:
    """What is run over it from now on."""
    statements: list[str] = []

    def note(_cursor: apsw.Cursor, sql: str, _params: object) -> bool:
        statements.append(sql)
        return True

    connection.exec_trace = note
    return statements


def count(path: Path) -> int:
    with closing(open_connection(path)) as other:
        return int(other.execute("SELECT COUNT(*) FROM meta").get)


async def find_longest_turn_s(until: "asyncio.Future[Any]") -> float:
    """How long the loop was away at most."""
    longest_s = 0.0
    while not until.done():
        before_s = time.monotonic()
        await asyncio.sleep(0.001)
        longest_s = max(longest_s, time.monotonic() - before_s)
    return longest_s


async def test_all_commits_of_one_turn_but_the_first_share_one_transaction(
    writer: SqliteWriter, connection: apsw.Connection, path: Path
) -> None:
    statements = trace(connection)
    await asyncio.gather(*(writer.commit([insert(f"{n}")]) for n in range(50)))
    assert statements.count("COMMIT") == 2
    assert count(path) == 50


async def test_first_commit_of_a_turn_is_answered_without_a_turn_between(
    writer: SqliteWriter, path: Path
) -> None:
    assert writer.commit([insert("1")], is_flushed=False).done()
    assert not writer.commit([insert("2")], is_flushed=False).done()
    await asyncio.sleep(0.01)
    assert count(path) == 2
    assert writer.commit([insert("3")], is_flushed=False).done()


async def test_others_have_their_turn_between_many_commits(writer: SqliteWriter) -> None:
    turns = 0
    all_of_them = asyncio.gather(*(writer.commit([insert(f"{n}")]) for n in range(200)))
    while not all_of_them.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 3


async def test_too_long_a_queue_is_refused_at_once(writer: SqliteWriter) -> None:
    commits = [writer.commit([insert(f"{n}")]) for n in range(200)]
    with pytest.raises(StorageError, match="200 commits wait"):
        writer.commit([insert("one more")])
    await asyncio.gather(*commits)
    await writer.commit([insert("later")])


async def test_lock_of_another_program_is_not_waited_for_on_the_loop(
    writer: SqliteWriter, connection: apsw.Connection, path: Path
) -> None:
    with locked(path):
        commits = asyncio.gather(*(writer.commit([insert(f"{n}")]) for n in range(10)))
        waiting = asyncio.ensure_future(find_longest_turn_s(commits))
        await asyncio.sleep(0.3)
        assert not commits.done()
        # What comes meanwhile goes with the others.
        statements = trace(connection)
        later = writer.commit([insert("later")])
    await asyncio.gather(commits, later)
    assert await waiting < TURN_MAX_S
    assert statements.count("COMMIT") == 1
    assert count(path) == 11


async def test_lock_that_is_never_let_go_is_an_error_of_those_that_wait(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nagara.storage.sqlite_connection.BUSY_TIMEOUT_S", 0.05)
    with locked(path):
        outcomes = await asyncio.gather(
            writer.commit([insert("1")]), writer.commit([insert("2")]), return_exceptions=True
        )
        assert [str(each).count("locked by another program") for each in outcomes] == [1, 1]
    await writer.commit([insert("1")])
    assert count(path) == 1


@pytest.mark.usefixtures("threaded")
async def test_disk_is_waited_for_by_those_alone_who_asked_for_it(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_slow = threading.Event()

    def flush(_handle: int) -> None:
        assert is_slow.wait(10)

    monkeypatch.setattr(sqlite_flusher, "_flush", flush)
    flushed = writer.commit([insert("flushed")])
    waiting = asyncio.ensure_future(find_longest_turn_s(flushed))
    await writer.commit([insert("hold")], is_flushed=False)
    # It is there for everybody, and not yet said to be.
    assert count(path) == 2
    assert not flushed.done()
    is_slow.set()
    await flushed
    assert await waiting < TURN_MAX_S


@pytest.mark.usefixtures("threaded")
async def test_disk_that_fails_is_an_error_of_those_that_wait_for_it(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sqlite_flusher, "_flush", flush)
    await writer.commit([insert("hold")], is_flushed=False)
    with pytest.raises(StorageError, match="Input/output error"):
        await writer.commit([insert("charge")])


async def test_what_may_take_long_is_done_beside_the_loop(writer: SqliteWriter, path: Path) -> None:
    slow = Statement(
        "INSERT INTO meta (name, value) SELECT 'n' || value, x'' FROM "
        "(WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c "
        "WHERE value < 300000) SELECT value FROM c)",
        is_long=True,
    )
    long = writer.commit([slow])
    brief = [writer.commit([insert("brief")])]
    assert await find_longest_turn_s(long) < TURN_MAX_S
    await asyncio.gather(long, *brief)
    assert count(path) == 300_001


async def test_long_commit_fails_as_others_do(writer: SqliteWriter, path: Path) -> None:
    await writer.commit([insert("1")])
    with pytest.raises(StorageError, match="UNIQUE"):
        await writer.commit([insert("2", is_long=True), insert("1")])
    assert count(path) == 1


async def test_log_stays_short_while_it_is_written_to(path: Path) -> None:
    writer = SqliteWriter(open_connection(path), path)
    log = path.with_name(f"{path.name}-wal")
    largest_bytes = 0
    for number in range(60 * COMMITS):
        # Some six pages each: by themselves they would be many times what is allowed.
        commit = writer.commit([insert(f"{number}", os.urandom(10_000))], is_flushed=False)
        await commit
        largest_bytes = max(largest_bytes, log.stat().st_size)
    await writer.close()
    assert largest_bytes < 5 * LOG_PAGES_MAX * PAGE_BYTES


async def test_what_waits_is_done_before_it_is_closed(path: Path) -> None:
    writer = SqliteWriter(open_connection(path), path)
    commits = [writer.commit([insert(f"{n}")]) for n in range(100)]
    commits.append(writer.commit([insert("long", is_long=True)]))
    await writer.close()
    assert all(each.done() and each.exception() is None for each in commits)
    with pytest.raises(StorageError, match="was closed"):
        writer.commit([insert("late")])
    assert count(path) == 101


async def test_value_that_sqlite_does_not_take_is_its_own_callers_error(
    writer: SqliteWriter, path: Path
) -> None:
    outcomes = await asyncio.gather(
        writer.commit([Statement("INSERT INTO meta (name, value) VALUES ('n', $1)", (10**30,))]),
        writer.commit([insert("1")]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], OverflowError)
    assert not isinstance(outcomes[1], BaseException)
    assert count(path) == 1
