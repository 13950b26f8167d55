"""Tasks that the gateway owns: what becomes of those that fail."""

import asyncio
import logging
import subprocess
import sys

import pytest

import nagara.runtime
from nagara.runtime import Tasks


def test_task_that_must_not_end_is_started_again_and_told_once_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nagara.runtime, "RESTART_S", 0.0)
    starts: list[int] = []

    async def work() -> None:
        starts.append(1)
        if len(starts) < 4:
            raise KeyError("secret")

    async def scenario() -> None:
        tasks = Tasks()
        tasks.keep_running("watch keys", work)
        assert len(tasks) == 1
        assert await tasks.close(5.0) == 0

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert len(starts) == 4
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]
    assert "watch keys failed (KeyError)" in caplog.messages[0]


def test_task_that_is_kept_running_can_be_cancelled() -> None:
    async def scenario() -> int:
        tasks = Tasks()
        tasks.keep_running("wait", asyncio.Event().wait)
        await asyncio.sleep(0)
        return await tasks.close(0)

    assert asyncio.run(scenario()) == 1


FORKS = """
import os
from nagara.runtime import make_id
for _ in range(3):
    if os.fork() == 0:
        os.write(1, make_id("").encode() + b"\\n")
        os._exit(0)
    os.wait()
"""


def test_forked_processes_make_different_ids() -> None:
    """Those of one millisecond differ only in what is random about them."""
    # Not of this process, which has threads.
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    ids = done.stdout.split()
    assert len(ids) == 3
    assert len({id_[12:] for id_ in ids}) == 3
