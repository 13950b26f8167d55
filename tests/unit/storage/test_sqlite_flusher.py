"""What waits for the disk is answered once, in order, after a flush that began behind it."""

import os
import threading
from pathlib import Path

import pytest

from nagara.storage import sqlite_flusher
from nagara.storage.sqlite_flusher import Flusher


class Heard:
    """What was answered, and with which error."""

    def __init__(self) -> None:
        self.answers: list[tuple[list[int], OSError | None]] = []

    def __call__(self, some: list[int], error: OSError | None) -> None:
        self.answers.append((some, error))

    @property
    def numbers(self) -> list[int]:
        return [number for some, _ in self.answers for number in some]


@pytest.fixture(name="path")
def make_log(tmp_path: Path) -> Path:
    (tmp_path / "a.db-wal").write_bytes(b"frames")
    return tmp_path / "a.db"


def test_all_are_answered_in_order_also_at_the_end(path: Path) -> None:
    heard = Heard()
    flusher = Flusher(path, heard)
    for number in range(1000):
        flusher.hand_over([number])
    flusher.close()
    assert heard.numbers == list(range(1000))
    assert {error for _, error in heard.answers} == {None}


def test_one_flush_is_for_all_that_came_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, flushed = threading.Event(), threading.Event(), list[int]()

    def flush(handle: int) -> None:
        flushed.append(os.fstat(handle).st_size)
        began.set()
        assert go_on.wait(10)

    monkeypatch.setattr(sqlite_flusher, "_flush", flush)
    heard = Heard()
    flusher = Flusher(path, heard)
    flusher.hand_over([1])
    assert began.wait(10)
    flusher.hand_over([2])
    flusher.hand_over([3, 4])
    assert heard.answers == []
    go_on.set()
    flusher.close()
    assert heard.answers == [([1], None), ([2, 3, 4], None)]
    assert flushed == [6, 6]


def test_log_that_is_not_there_is_an_error_of_those_that_wait(tmp_path: Path) -> None:
    heard = Heard()
    flusher = Flusher(tmp_path / "a.db", heard)
    flusher.hand_over([1])
    flusher.close()
    ((some, error),) = heard.answers
    assert some == [1]
    assert isinstance(error, FileNotFoundError)
