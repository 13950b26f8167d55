"""The process that writes to an SQLite file, when it or its gateway dies."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from nagara.storage.driver import Statement, StorageError
from nagara.storage.sqlite import SqliteDriver
from nagara.storage.sqlite_process import CLOSE_TIMEOUT_S, LENGTH_BYTES

INSERT = "INSERT INTO notes (number) VALUES ($1)"
COUNT = "SELECT COUNT(*) FROM notes"
UNREAD = 2000
"""So many answers fill the socket."""


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[SqliteDriver]:
    driver = await SqliteDriver.open(tmp_path / "nagara.db", writes_apart=True)
    await driver.commit([Statement("CREATE TABLE notes (number BIGINT PRIMARY KEY)")])
    yield driver
    await driver.close()


def find_writer() -> psutil.Process:
    # The one before it may be a zombie for a moment yet.
    found = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return next(p for p in found if "nagara.storage.sqlite_writer_main" in p.cmdline())


async def test_killed_writer_is_replaced_and_what_it_confirmed_is_there(
    driver: SqliteDriver,
) -> None:
    await driver.commit([Statement(INSERT, (1,))])
    for number in (2, 3):
        os.kill(find_writer().pid, signal.SIGKILL)
        with pytest.raises(StorageError, match="ended unexpectedly"):
            await driver.commit([Statement(INSERT, (100 + number,))])
        await driver.commit([Statement(INSERT, (number,))])
    assert (await driver.query(f"{COUNT} WHERE number < 100"))[0][0] == 3


async def test_no_writer_is_started_on_another_file(driver: SqliteDriver, tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    writer = find_writer()
    writer.kill()
    with pytest.raises(StorageError, match="ended unexpectedly"):
        await driver.commit([Statement(INSERT, (1,))])
    path.rename(tmp_path / "kept.db")
    with pytest.raises(StorageError, match="is gone"):
        await driver.commit([Statement(INSERT, (2,))])
    path.touch()
    with pytest.raises(StorageError, match="was replaced by another file"):
        await driver.commit([Statement(INSERT, (3,))])
    assert path.stat().st_size == 0
    path.unlink()
    (tmp_path / "kept.db").rename(path)
    await driver.commit([Statement(INSERT, (4,))])
    assert await driver.query("SELECT number FROM notes") == [(4,)]


async def test_what_a_dead_gateway_had_asked_for_is_done_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    await driver.commit([Statement("CREATE TABLE notes (number BIGINT PRIMARY KEY)")])
    process = ask_and_die(path)
    _, said = await asyncio.to_thread(process.communicate)
    assert (process.returncode, said) == (0, b"")
    assert (await driver.query(COUNT))[0][0] == UNREAD
    await driver.close()


def ask_and_die(path: Path) -> "subprocess.Popen[bytes]":
    """Ask a writer for many commits, and be gone before any is answered."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "nagara.storage.sqlite_writer_main", str(path)],
            stdin=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
        for number in range(UNREAD):
            texts = [INSERT] if number == 0 else []
            data = msgspec.msgpack.encode((texts, [(number, True, [(0, (number,), 1)])]))
            ours.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    return process


async def test_value_that_cannot_be_sent_is_its_own_callers_error(driver: SqliteDriver) -> None:
    outcomes = await asyncio.gather(
        driver.commit([Statement("INSERT INTO notes VALUES ($1)", (10**30,))]),
        driver.commit([Statement(INSERT, (1,))]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], OverflowError)
    assert not isinstance(outcomes[1], BaseException)
    assert await driver.query("SELECT number FROM notes") == [(1,)]


async def test_value_that_sqlite_does_not_take_is_no_failure_of_the_store(
    driver: SqliteDriver,
) -> None:
    # Beyond SQLite's 64 bits, and not beyond those of the messages.
    with pytest.raises(ValueError, match="too large"):
        await driver.commit([Statement("INSERT INTO notes VALUES ($1)", (2**63,))])


async def test_machine_without_room_for_a_writer_is_a_failure_of_the_store(
    driver: SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_writer().kill()
    with pytest.raises(StorageError, match="ended unexpectedly"):
        await driver.commit([Statement(INSERT, (1,))])
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(StorageError, match="no process can be started"):
        await driver.commit([Statement(INSERT, (2,))])
    monkeypatch.undo()
    await driver.commit([Statement(INSERT, (3,))])


async def test_writer_that_is_closed_before_it_was_ready_ends(tmp_path: Path) -> None:
    driver = await SqliteDriver.open(tmp_path / "nagara.db", writes_apart=True)
    writer = find_writer()
    # It is waited for, and killed if it does not end.
    async with asyncio.timeout(CLOSE_TIMEOUT_S / 2):
        await driver.close()
    assert not writer.is_running()
