"""What waits for the disk in the kernel's queue is answered once, in order, after its flush."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from nagara.storage.sqlite_kernel_flusher import KernelFlusher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the queue is Linux's")


class Heard:
    """What was answered, and with which error."""

    def __init__(self) -> None:
        self.answers: list[tuple[list[int], OSError | None]] = []
        self._news = asyncio.Event()

    def __call__(self, some: list[int], error: OSError | None) -> None:
        self.answers.append((some, error))
        self._news.set()

    @property
    def numbers(self) -> list[int]:
        return [number for some, _ in self.answers for number in some]

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.numbers) < count:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(name="path")
def make_log(tmp_path: Path) -> Path:
    (tmp_path / "a.db-wal").write_bytes(b"frames")
    return tmp_path / "a.db"


@pytest.fixture
async def flusher(path: Path, heard: Heard) -> AsyncIterator[KernelFlusher[int]]:
    flusher: KernelFlusher[int] = KernelFlusher(path, heard)
    yield flusher
    flusher.close()


async def test_all_are_answered_in_order(flusher: KernelFlusher[int], heard: Heard) -> None:
    for number in range(300):
        flusher.hand_over([number])
        if number % 7 == 0:
            await asyncio.sleep(0)
    await heard.wait_for(300)
    assert heard.numbers == list(range(300))
    assert {error for _, error in heard.answers} == {None}


async def test_one_flush_is_for_all_that_came_before_it(
    flusher: KernelFlusher[int], heard: Heard
) -> None:
    flusher.hand_over([1])
    flusher.hand_over([2])
    flusher.hand_over([3, 4])
    assert heard.answers == []
    await heard.wait_for(4)
    assert heard.answers == [([1], None), ([2, 3, 4], None)]


async def test_flushes_leave_no_descriptor_open(flusher: KernelFlusher[int], heard: Heard) -> None:
    before = psutil.Process().num_fds()
    for number in range(100):
        flusher.hand_over([number])
        await heard.wait_for(number + 1)
    # Fewer, where what a test before this one held was let go of meanwhile.
    assert psutil.Process().num_fds() <= before


async def test_log_that_is_not_there_is_an_error_and_the_next_flush_is_none(
    flusher: KernelFlusher[int], heard: Heard, path: Path
) -> None:
    log = path.with_name("a.db-wal")
    log.unlink()
    flusher.hand_over([1])
    ((some, error),) = heard.answers
    assert some == [1]
    assert isinstance(error, FileNotFoundError)
    log.write_bytes(b"frames")
    flusher.hand_over([2])
    await heard.wait_for(2)
    assert heard.answers[1:] == [([2], None)]


async def test_flush_that_fails_is_an_error_of_those_that_wait(
    flusher: KernelFlusher[int], heard: Heard, path: Path
) -> None:
    log = path.with_name("a.db-wal")
    log.unlink()
    log.symlink_to(os.devnull)  # it cannot be flushed
    flusher.hand_over([1])
    flusher.hand_over([2])
    await heard.wait_for(2)
    assert heard.numbers == [1, 2]
    assert all(isinstance(error, OSError) for _, error in heard.answers)
