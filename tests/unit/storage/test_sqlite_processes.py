"""Several processes on one SQLite file: they see each other, and a killed one harms nobody."""

import asyncio
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nagara.storage.driver import Statement
from nagara.storage.first_start import open_first_account
from nagara.storage.keys import load_accounts, load_keys
from nagara.storage.sqlite import SqliteDriver
from nagara.storage.sqlite_connection import open_connection

# Commits pairs whose values sum to zero, and says which are on the disk.
WRITE_PAIRS = """
import asyncio, sys
from pathlib import Path
from nagara.storage.driver import Statement
from nagara.storage.sqlite import SqliteDriver

INSERT = "INSERT INTO pairs (number, amount) VALUES ($1, $2)"

async def write(driver, number):
    await driver.commit([Statement(INSERT, (number, 1)), Statement(INSERT, (number, -1))])
    print(number, flush=True)

async def main():
    driver = await SqliteDriver.open(Path(sys.argv[1]))
    for start in range(0, 10**6, 20):
        await asyncio.gather(*(write(driver, n) for n in range(start, start + 20)))

asyncio.run(main())
"""

# Commits one row for each line that it reads.
WRITE_ON_DEMAND = """
import asyncio, sys
from pathlib import Path
from nagara.storage.driver import Statement
from nagara.storage.sqlite import SqliteDriver

async def main():
    driver = await SqliteDriver.open(Path(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        statement = Statement("INSERT INTO meta (name, value) VALUES ($1, $2)", (line, b""))
        await driver.commit([statement])
        print("done", flush=True)
    await driver.close()

asyncio.run(main())
"""

FIRST_START = """
import asyncio, sys
from pathlib import Path
from nagara.storage.data_folder import database_path
from nagara.storage.first_start import open_first_account
from nagara.storage.secret import open_pepper
from nagara.storage.sqlite import SqliteDriver

async def main():
    folder = Path(sys.argv[1])
    driver = await SqliteDriver.open(database_path(folder))
    pepper = await open_pepper(driver, folder)
    first = await open_first_account(driver, pepper, now_s=1, opening_grant_nano=10**11)
    print(pepper.hex(), first is not None)
    await driver.close()

asyncio.run(main())
"""


def spawn(script: str, target: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("lines_before_kill", [1, 25, 300])
async def test_killed_writer_leaves_whole_commits_and_all_that_it_confirmed(
    tmp_path: Path, lines_before_kill: int
) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    await driver.commit([Statement("CREATE TABLE pairs (number BIGINT, amount BIGINT)")])
    with spawn(WRITE_PAIRS, path) as child:
        assert child.stdout is not None
        confirmed = [int(child.stdout.readline()) for _ in range(lines_before_kill)]
        child.kill()
        confirmed += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    await driver.close()
    with closing(open_connection(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sums = dict(connection.execute("SELECT number, SUM(amount) FROM pairs GROUP BY number"))
        counts = connection.execute(
            "SELECT DISTINCT COUNT(*) FROM pairs GROUP BY number"
        ).fetchall()
    assert set(confirmed) <= set(sums)
    assert set(sums.values()) == {0}
    assert counts == [(2,)]


async def test_watch_notices_another_process_within_250_ms(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    watch = aiter(driver.watch())
    await anext(watch)
    with spawn(WRITE_ON_DEMAND, path) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert await asyncio.to_thread(child.stdout.readline) == "ready\n"
        for number in range(3):
            turn = asyncio.ensure_future(anext(watch))
            child.stdin.write(f"{number}\n")
            child.stdin.flush()
            assert await asyncio.to_thread(child.stdout.readline) == "done\n"
            async with asyncio.timeout(1):
                await turn
            assert await driver.query("SELECT COUNT(*) FROM meta") == [(number + 1,)]
        child.stdin.close()
    await driver.close()


async def test_process_that_closes_leaves_the_log_to_those_that_go_on(tmp_path: Path) -> None:
    path = tmp_path / "nagara.db"
    driver = await SqliteDriver.open(path)
    await driver.query("SELECT 1")
    watch = aiter(driver.watch())
    await anext(watch)
    for number in range(3):
        with spawn(WRITE_ON_DEMAND, path) as child:
            child.communicate(f"{number}\n")
        assert "nagara.db-wal" in os.listdir(tmp_path)
        async with asyncio.timeout(1):
            await anext(watch)
        await driver.commit([Statement("UPDATE meta SET value = $1", (b"x",), number + 1)])
    await driver.close()
    with closing(open_connection(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM meta WHERE value = x'78'").get == 3


async def test_processes_that_start_together_make_one_account_and_one_pepper(
    tmp_path: Path,
) -> None:
    children = [spawn(FIRST_START, tmp_path) for _ in range(4)]
    answers = [child.communicate()[0].split() for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert len({pepper for pepper, _ in answers}) == 1
    assert sorted(is_first for _, is_first in answers) == ["False"] * 3 + ["True"]
    driver = await SqliteDriver.open(tmp_path / "nagara.db")
    assert len(await load_accounts(driver)) == 1
    assert len(await load_keys(driver)) == 2
    pepper = bytes.fromhex(answers[0][0])
    assert await open_first_account(driver, pepper, now_s=1, opening_grant_nano=10**11) is None
    await driver.close()


CANCEL_WATCHES = """
import asyncio, random, sys
from pathlib import Path

from nagara.storage.sqlite import SqliteDriver


async def watch(driver):
    async for _ in driver.watch():
        pass


async def main():
    driver = await SqliteDriver.open(Path(sys.argv[1]) / "nagara.db", poll_s=0.0001)
    chance = random.Random(1)
    for _ in range(400):
        task = asyncio.create_task(watch(driver))
        await asyncio.sleep(chance.random() * 0.004)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await driver.close()


asyncio.run(main())
"""


def test_watch_that_is_cancelled_while_it_reads_does_not_crash_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CANCEL_WATCHES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
