"""What is SQLite's own: the file and its failures."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from nagara.storage.data_folder import prepare_data_folder
from nagara.storage.driver import Statement, StorageError
from nagara.storage.migrations import load_migrations
from nagara.storage.sqlite import SqliteDriver
from nagara.storage.sqlite_connection import number_placeholders, open_connection

COUNT = "SELECT COUNT(*) FROM meta"


def insert(name: str, value: bytes = b"") -> Statement:
    return Statement("INSERT INTO meta (name, value) VALUES ($1, $2)", (name, value))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions do not bind root, so root steps down for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


async def make_database(path: Path) -> None:
    await (await SqliteDriver.open(path)).close()


async def open_error(path: Path) -> str:
    with pytest.raises(StorageError) as caught:
        await SqliteDriver.open(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_placeholders_are_numbered_outside_literals_and_comments_only() -> None:
    sql = """SELECT $2, '$1 '' $3', "$4", $1 -- $5\n, $2 /* $6\n */"""
    assert number_placeholders(sql) == (
        """SELECT ?2, '$1 '' $3', "$4", ?1 -- $5\n, ?2 /* $6\n */"""
    )


def test_migrations_are_numbered_without_gaps() -> None:
    versions = [migration.version for migration in load_migrations()]
    assert versions == list(range(1, len(versions) + 1))
    assert all(migration.statements for migration in load_migrations())


async def test_file_is_private_durable_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    await make_database(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(open_connection(path)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").get
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


async def test_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    path.write_text("these are my notes, not a database " * 100)
    assert "is not an SQLite database: move it away" in await open_error(path)
    assert path.read_text().startswith("these are my notes")


async def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE songs (id)")
    assert "belongs to another program" in await open_error(path)
    with closing(apsw.Connection(str(path))) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("songs",)]


async def test_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    await make_database(path)
    with closing(open_connection(path)) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (999, 'later', 0)")
    message = await open_error(path)
    assert "newer nagara" in message
    assert "999" in message
    assert "upgrade nagara" in message


async def test_failed_migration_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nagara.db"
    broken = (*load_migrations()[0].statements[:2], "CREATE NONSENSE")
    first = type(load_migrations()[0])(1, "broken", broken)
    with monkeypatch.context() as patch:
        patch.setattr("nagara.storage.sqlite.load_migrations", lambda: (first,))
        await open_error(path)
    await make_database(path)


async def test_read_only_file_is_told_with_the_way_out(open_folder: Path) -> None:
    path = open_folder / "nagara.db"
    await make_database(path)
    path.chmod(0o444)
    with as_nobody():
        message = await open_error(path)
    assert "cannot be written: make the file and its folder writable" in message


async def test_read_only_folder_is_told_with_the_way_out(open_folder: Path) -> None:
    os.chmod(open_folder, 0o555)
    with as_nobody():
        message = await open_error(open_folder / "nagara.db")
        with pytest.raises(StorageError, match=r"not writable.*--data"):
            prepare_data_folder(open_folder)
        with pytest.raises(StorageError, match=r"cannot be made.*--data"):
            prepare_data_folder(open_folder / "deeper")
    assert "this user may write there" in message


async def test_data_folder_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare_data_folder(folder)
    prepare_data_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_missing_folder_is_told(tmp_path: Path) -> None:
    assert "make sure that its folder exists" in await open_error(tmp_path / "no" / "nagara.db")


async def test_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    await open_error(tmp_path)


async def test_removed_file_is_not_written_to_and_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    watch = aiter(driver.watch())
    await anext(watch)
    os.rename(path, tmp_path / "elsewhere.db")
    with pytest.raises(StorageError, match=r"is gone.*put it back"):
        await driver.commit([insert("x")])
    with pytest.raises(StorageError, match="is gone"):
        await anext(watch)
    with pytest.raises(StorageError, match="is gone"):
        await anext(aiter(driver.watch()))
    with pytest.raises(StorageError, match="is gone"):
        await driver.query(COUNT)
    os.rename(tmp_path / "elsewhere.db", path)
    await driver.commit([insert("x")])
    assert await driver.query(COUNT) == [(1,)]
    await driver.close()


async def test_replaced_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    await make_database(tmp_path / "other.db")
    os.replace(tmp_path / "other.db", path)
    with pytest.raises(StorageError, match="replaced by another file"):
        await driver.commit([insert("x")])
    with pytest.raises(StorageError, match="replaced by another file"):
        await anext(aiter(driver.watch()))
    await driver.close()


async def test_full_disk_fails_whole_commits_and_the_driver_recovers(tmp_path: Path) -> None:
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    await driver.commit([Statement("PRAGMA max_page_count = 40")])
    results = await asyncio.gather(
        *(
            driver.commit([insert(f"{n}"), insert(f"{n} too", bytes(50_000 if n == 5 else 10))])
            for n in range(10)
        ),
        driver.commit([insert("big", bytes(500_000))]),
        return_exceptions=True,
    )
    assert isinstance(results[-1], StorageError)
    assert "the disk is full" in str(results[-1])
    kept = sum(not isinstance(result, Exception) for result in results)
    assert await driver.query(COUNT) == [(2 * kept,)]
    await driver.commit([Statement("PRAGMA max_page_count = 100000")])
    await driver.commit([insert("big", bytes(500_000))])
    await driver.close()


async def test_file_locked_by_another_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nagara.storage.sqlite_connection.BUSY_TIMEOUT_S", 0.05)
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    with closing(apsw.Connection(str(tmp_path / "nagara.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked by another program"):
            await driver.commit([insert("x")])
        assert await driver.query(COUNT) == [(0,)]
        other.execute("ROLLBACK")
        await driver.commit([insert("x")])
    await driver.close()


async def test_query_cannot_write(tmp_path: Path) -> None:
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    with pytest.raises(StorageError):
        await driver.query("DELETE FROM meta")
    await driver.close()
