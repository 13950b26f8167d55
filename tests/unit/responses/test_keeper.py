"""What is kept survives a store that is down, within a bound, and is there before it is written."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.fakes import FakeClock

from nagara.domain.errors import GatewayError
from nagara.observe.observations import Notice, Observation
from nagara.responses.keeper import Keeper, KeeperLimits
from nagara.storage.driver import Result, Statement, StorageError
from nagara.storage.keys import create_account
from nagara.storage.responses import Owner, StoredResponse
from nagara.storage.sqlite import SqliteDriver

OWNER = Owner(1, False)
LIMITS = KeeperLimits(retention_s=100, response_bytes_max=1000, pending_bytes_max=2500)


class FlakyDriver(SqliteDriver):
    """A store that can be told to refuse commits."""

    is_down = False

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        if self.is_down:
            raise StorageError("the disk is full")
        return await super().commit(statements, group=group, is_flushed=is_flushed)


@pytest.fixture(name="driver")
async def open_driver(tmp_path: Path) -> AsyncIterator[FlakyDriver]:
    driver = await FlakyDriver.open(tmp_path / "nagara.db")
    assert isinstance(driver, FlakyDriver)
    await create_account(driver, "default", created_at_s=1, opening_grant_nano=0)
    yield driver
    await driver.close()


class Kept:
    """A keeper and what it observed."""

    def __init__(self, driver: FlakyDriver) -> None:
        self.seen: list[Observation] = []
        self.clock = FakeClock()
        self.keeper = Keeper(driver, self.clock, self.seen.append, LIMITS)

    def keep(self, name: str, size_bytes: int = 10) -> StoredResponse:
        stored = StoredResponse(
            owner=OWNER,
            id=name,
            key_id=1,
            status="completed",
            created_at_s=int(self.clock.now_s()),
            expires_at_s=self.keeper.expiry_s(),
            response=b"x" * size_bytes,
            input=b"",
        )
        self.keeper.keep(stored)
        return stored


@pytest.fixture(name="kept")
async def make_kept(driver: FlakyDriver) -> Kept:
    return Kept(driver)


async def test_response_is_found_before_and_after_it_is_written(kept: Kept) -> None:
    stored = kept.keep("resp_1")
    assert await kept.keeper.find(OWNER, "resp_1") is stored
    await kept.keeper.write_pending()
    assert await kept.keeper.find(OWNER, "resp_1") == stored
    assert await kept.keeper.find(Owner(2, False), "resp_1") is None


async def test_many_are_written_in_more_than_one_commit(kept: Kept) -> None:
    stored = [kept.keep(f"resp_{number}", 1) for number in range(300)]
    await kept.keeper.write_pending()
    for response in stored:
        assert await kept.keeper.find(OWNER, response.id) == response


async def test_what_was_deleted_before_it_was_written_stays_deleted(kept: Kept) -> None:
    kept.keep("resp_1")
    await kept.keeper.delete(OWNER, "resp_1")
    await kept.keeper.write_pending()
    assert await kept.keeper.find(OWNER, "resp_1") is None
    with pytest.raises(GatewayError):
        await kept.keeper.delete(OWNER, "resp_1")


async def test_what_another_process_deleted_is_gone(kept: Kept, driver: FlakyDriver) -> None:
    kept.keep("resp_1")
    await kept.keeper.write_pending()
    await Kept(driver).keeper.delete(OWNER, "resp_1")
    assert await kept.keeper.find(OWNER, "resp_1") is None


async def test_store_that_is_down_loses_nothing_until_the_bound(
    kept: Kept, driver: FlakyDriver
) -> None:
    driver.is_down = True
    for number in range(4):
        kept.keep(f"resp_{number}", 800)
    with pytest.raises(StorageError):
        await kept.keeper.write_pending()
    driver.is_down = False
    await kept.keeper.write_pending()
    found = [await kept.keeper.find(OWNER, f"resp_{number}") for number in range(4)]
    assert [response is not None for response in found] == [False, True, True, True]
    assert [o.message for o in kept.seen if isinstance(o, Notice)] == [
        "response resp_0 is lost: too many wait for the database"
    ]


async def test_too_large_a_response_is_not_kept_and_that_is_said(kept: Kept) -> None:
    kept.keep("resp_1", 1001)
    assert await kept.keeper.find(OWNER, "resp_1") is None
    [notice] = kept.seen
    assert isinstance(notice, Notice)
    assert "stored_response_bytes_max" in notice.message


async def test_expired_response_is_gone(kept: Kept) -> None:
    kept.keep("resp_1")
    await kept.keeper.write_pending()
    kept.clock.advance(LIMITS.retention_s)
    assert await kept.keeper.find(OWNER, "resp_1") is None


async def test_close_writes_what_is_pending(kept: Kept, driver: FlakyDriver) -> None:
    stored = kept.keep("resp_1")
    await kept.keeper.close()
    assert await Kept(driver).keeper.find(OWNER, "resp_1") == stored


async def test_close_says_what_it_lost(kept: Kept, driver: FlakyDriver) -> None:
    kept.keep("resp_1")
    driver.is_down = True
    await kept.keeper.close()
    [notice] = kept.seen
    assert isinstance(notice, Notice)
    assert "1 responses are lost" in notice.message


async def test_replaced_response_counts_once(kept: Kept) -> None:
    for _ in range(10):
        kept.keep("resp_1", 900)
    assert not kept.seen
    found = await kept.keeper.find(OWNER, "resp_1")
    assert found is not None
    assert msgspec.structs.asdict(found)["id"] == "resp_1"
