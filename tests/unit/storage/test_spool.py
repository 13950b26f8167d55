"""Charges on the local disk: what was acknowledged is read back, whatever became of the disk."""

import contextlib
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.books import make_settlement

from nagara.storage.driver import Statement, StorageError
from nagara.storage.ledger_statements import Settlement
from nagara.storage.spool import FOLDER, NUMBER_BYTES, Spool

FULL_AT_BYTES = 100
"""Less than a settlement takes."""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, "run_own")
    yield spool
    spool.close()


def leave_behind(folder: Path, spool: Spool, *settlements: Settlement) -> Path:
    """A file with these of a process that is dead: nobody holds its lock."""
    spool.append(settlements)
    dead = folder / FOLDER / "run_dead.spool"
    shutil.copy(folder / FOLDER / "run_own.spool", dead)
    spool.clear(spool.read())
    return dead


@contextlib.contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file may grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_put_in_comes_out_whole_and_in_order(spool: Spool, tmp_path: Path) -> None:
    extra = (Statement("UPDATE t SET a = $1", (b"\x00\xff", None, 7, "ü"), rows_expected=1),)
    first = make_settlement("r1", 5, costs=(("theirs", 3),), extra=extra)
    rest = [make_settlement("r2"), make_settlement("r3", 2**63 - 1)]
    assert spool.is_empty
    spool.append([first])
    spool.append(rest)
    assert spool.read().settlements == [first, *rest]
    spool.clear(spool.read())
    assert spool.is_empty
    assert not list((tmp_path / FOLDER).iterdir())


def test_file_is_kept_while_it_has_what_was_not_read(spool: Spool) -> None:
    spool.append([make_settlement("r1")])
    found = spool.read()
    spool.append([make_settlement("r2")])
    spool.clear(found)
    assert [each.record.id for each in spool.read().settlements] == ["r1", "r2"]


def test_a_record_that_a_crash_cut_is_skipped(spool: Spool, tmp_path: Path) -> None:
    dead = leave_behind(tmp_path, spool, make_settlement("r1"))
    whole = dead.read_bytes()
    for length in range(1, len(whole)):
        dead.write_bytes(whole + whole[:length])
        (left,) = spool.adopt()
        assert (len(left.settlements), left.problem) == (1, None)
        assert not dead.exists()


def test_a_damaged_record_is_told_and_its_file_kept(spool: Spool, tmp_path: Path) -> None:
    dead = leave_behind(tmp_path, spool, *[make_settlement(f"r{n}") for n in range(3)])
    data = bytearray(dead.read_bytes())
    data[len(data) // 2] ^= 1
    dead.write_bytes(data)
    (left,) = spool.adopt()
    assert [each.record.id for each in left.settlements] == ["r0", "r2"]
    assert left.problem is not None
    assert "1 charges" in left.problem
    assert "run_dead.damaged" in left.problem
    assert dead.with_suffix(".damaged").read_bytes() == bytes(data)
    assert not dead.exists()
    assert not list(spool.adopt())


@pytest.mark.parametrize("length", [0xFFFF_FFFF, 0, 7])
def test_a_length_that_is_damaged_takes_no_other_record_with_it(
    spool: Spool, tmp_path: Path, length: int
) -> None:
    dead = leave_behind(tmp_path, spool, *[make_settlement(f"r{n}") for n in range(3)])
    data = bytearray(dead.read_bytes())
    second = NUMBER_BYTES * 2 + int.from_bytes(data[:NUMBER_BYTES], "big")
    data[second : second + NUMBER_BYTES] = length.to_bytes(NUMBER_BYTES, "big")
    dead.write_bytes(data)
    (left,) = spool.adopt()
    assert [each.record.id for each in left.settlements] == ["r0", "r2"]
    assert left.problem is not None
    assert "1 charges" in left.problem


def test_a_file_that_cannot_be_read_is_told_and_keeps_nobody_waiting(
    spool: Spool, tmp_path: Path
) -> None:
    dead = leave_behind(tmp_path, spool, make_settlement("r1"))
    (dead.parent / "run_a.spool").mkdir()
    unreadable, left = spool.adopt()
    assert "run_a.spool cannot be read (Is a directory): its charges wait" in (
        unreadable.problem or ""
    )
    assert [each.record.id for each in left.settlements] == ["r1"]


def test_a_file_that_cannot_be_put_away_is_told_and_keeps_nobody_waiting(
    spool: Spool, tmp_path: Path
) -> None:
    dead = leave_behind(tmp_path, spool, make_settlement("r1"))
    dead.write_bytes(dead.read_bytes()[:-1] + b"?")
    dead.with_suffix(".damaged").mkdir()
    shutil.copy(dead, dead.with_name("run_later.spool"))
    problems = [left.problem for left in spool.adopt()]
    assert len(problems) == 3
    assert problems[1] is not None
    assert "run_dead.spool cannot be removed" in problems[1]
    assert dead.exists()


def test_the_living_keep_their_files(spool: Spool, tmp_path: Path) -> None:
    spool.append([make_settlement("r1")])
    assert not list(Spool(tmp_path, "run_other").adopt())
    assert [each.record.id for each in spool.read().settlements] == ["r1"]


def test_of_two_who_adopt_one_does(spool: Spool, tmp_path: Path) -> None:
    leave_behind(tmp_path, spool, make_settlement("r1"))
    adopting = spool.adopt()
    assert len(next(adopting).settlements) == 1
    assert not list(Spool(tmp_path, "run_other").adopt())
    assert not list(adopting)


def test_full_disk_is_told_and_harms_nothing_before_or_after(spool: Spool) -> None:
    with full_disk(FULL_AT_BYTES), pytest.raises(StorageError, match="cannot be written"):
        spool.append([make_settlement("r0")])
    assert spool.is_empty
    spool.append([make_settlement("r1")])
    with (
        full_disk(spool.read().size_bytes + FULL_AT_BYTES),
        pytest.raises(StorageError, match="cannot be written"),
    ):
        spool.append([make_settlement("r2"), make_settlement("r3")])
    spool.append([make_settlement("r4")])
    found = spool.read()
    assert [each.record.id for each in found.settlements] == ["r1", "r4"]
    assert found.problem is None


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        Spool(tmp_path, "run_own").append([make_settlement("r1")])
