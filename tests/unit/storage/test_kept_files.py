"""Files are kept for a time, under names that nobody guesses, and swept afterwards."""

import os
from pathlib import Path

from tests.fakes import FakeClock

from nagara.storage.kept_files import SWEEP_S, KeptFiles

KEEP_S = 100


def make(folder: Path, clock: FakeClock, bytes_max: int = 1000) -> KeptFiles:
    return KeptFiles(folder, KEEP_S, bytes_max, clock)


async def test_file_is_found_until_it_expires_and_swept_after_that(tmp_path: Path) -> None:
    clock = FakeClock()
    files = make(tmp_path, clock)
    name = await files.keep(b"content", "png")
    assert name is not None
    found = await files.find(name)
    assert found is not None
    assert (found.content, found.ending, found.left_s) == (b"content", "png", KEEP_S)
    clock.advance(KEEP_S + 1)
    files.sweep()
    expired = await files.find(name)
    assert expired is not None
    assert expired.content is None
    clock.advance(SWEEP_S)
    files.sweep()
    assert await files.find(name) is None
    assert os.listdir(tmp_path / "files") == []


async def test_no_more_than_the_bound_is_kept_until_something_expires(tmp_path: Path) -> None:
    clock = FakeClock()
    files = make(tmp_path, clock, bytes_max=10)
    assert await files.keep(b"x" * 8, "png")
    assert await files.keep(b"x" * 8, "png") is None
    clock.advance(KEEP_S + SWEEP_S + 1)
    files.sweep()
    assert await files.keep(b"x" * 8, "png")


async def test_names_lead_nowhere_else_and_a_disk_that_fails_keeps_nothing(tmp_path: Path) -> None:
    files = make(tmp_path, FakeClock())
    (tmp_path / "secret.key").write_bytes(b"secret")
    for name in ("../secret.key", "secret.key", "", "a" * 43 + ".png", "x/../../secret.key"):
        assert await files.find(name) is None
    (tmp_path / "files").write_bytes(b"no folder")
    assert await files.keep(b"x", "png") is None
    files.sweep()
