"""Kept responses and the events of background ones, over each driver."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from nagara.operations.kept_items import Maker
from nagara.storage.driver import Driver, ExpectationError
from nagara.storage.keys import create_account
from nagara.storage.responses import (
    EventBlock,
    Owner,
    StoredResponse,
    add_events,
    delete_response,
    end_for_runner,
    load_events,
    load_lapsed,
    load_response,
    record_end,
    record_progress,
    save_response,
    sweep,
)

Opener = Callable[[], Awaitable[Driver]]
NOW_S = 1_000
EXPIRY_S = 2_000
OWNER = Owner(1, False)
STORED = StoredResponse(
    owner=OWNER,
    id="resp_1",
    key_id=7,
    status="completed",
    created_at_s=NOW_S,
    expires_at_s=EXPIRY_S,
    response=b'{"id":"resp_1","text":"\xc3\xbc\\u0000"}',
    input=b'"Hi."',
    history=b"[]",
    maker=Maker("mine", "openai"),
)
RUNNING = msgspec.structs.replace(
    STORED,
    status="queued",
    is_background=True,
    runner="run_1",
    lease_until_s=NOW_S + 10,
    maker=None,
)


@pytest.fixture(name="store")
async def make_store(driver: Driver) -> Driver:
    """A driver whose database has two accounts."""
    for name in ("one", "two"):
        await create_account(driver, name, created_at_s=1, opening_grant_nano=0)
    return driver


async def find(store: Driver, owner: Owner = OWNER, now_s: int = NOW_S) -> StoredResponse | None:
    return await load_response(store, owner, "resp_1", now_s)


@pytest.mark.parametrize("stored", [STORED, RUNNING], ids=["finished", "running"])
async def test_response_is_found_as_it_was_kept(store: Driver, stored: StoredResponse) -> None:
    await store.commit([save_response(stored)])
    assert await find(store) == stored


async def test_later_response_of_the_same_id_replaces_the_earlier(store: Driver) -> None:
    later = msgspec.structs.replace(STORED, response=b"{}", key_id=8)
    await store.commit([save_response(STORED), save_response(later)])
    assert await find(store) == later


@pytest.mark.parametrize("stranger", [Owner(2, False), Owner(1, True)])
async def test_another_owner_finds_and_deletes_nothing(store: Driver, stranger: Owner) -> None:
    await store.commit([save_response(STORED)])
    assert await find(store, stranger) is None
    assert not await delete_response(store, stranger, "resp_1", NOW_S)
    assert await find(store) == STORED


async def test_owners_may_have_responses_of_the_same_id(store: Driver) -> None:
    theirs = msgspec.structs.replace(STORED, owner=Owner(2, False), response=b"{}")
    await store.commit([save_response(STORED), save_response(theirs)])
    assert await find(store) == STORED
    assert await find(store, theirs.owner) == theirs


async def test_expired_response_is_absent_before_it_is_swept(store: Driver) -> None:
    await store.commit([save_response(STORED)])
    assert await find(store, now_s=EXPIRY_S) is None
    assert not await delete_response(store, OWNER, "resp_1", EXPIRY_S)
    assert await sweep(store, EXPIRY_S - 1) == 0
    assert await find(store) == STORED
    assert await sweep(store, EXPIRY_S) == 1
    assert await sweep(store, EXPIRY_S) == 0
    assert await find(store) is None


async def test_deleted_response_takes_its_events_along(store: Driver) -> None:
    await store.commit([save_response(RUNNING), add_events(RUNNING, block(0, 3))])
    assert await delete_response(store, OWNER, "resp_1", NOW_S)
    assert await find(store) is None
    assert await load_events(store, OWNER, "resp_1", -1) == []
    assert not await delete_response(store, OWNER, "resp_1", NOW_S)


def block(first: int, count: int) -> EventBlock:
    numbers = range(first, first + count)
    return EventBlock(first, tuple(b"event: e\ndata: %d\n\n" % number for number in numbers))


async def test_events_are_given_from_any_number_on(store: Driver) -> None:
    blocks = [block(0, 3), block(3, 1), block(4, 5)]
    await store.commit([save_response(RUNNING), *(add_events(RUNNING, b) for b in blocks)])
    assert await load_events(store, OWNER, "resp_1", -1) == blocks
    assert await load_events(store, OWNER, "resp_1", 1) == blocks
    assert await load_events(store, OWNER, "resp_1", 2) == blocks[1:]
    assert await load_events(store, OWNER, "resp_1", 8) == []
    assert await load_events(store, OWNER, "resp_1", -1, blocks_max=1) == blocks[:1]
    assert await load_events(store, Owner(2, False), "resp_1", -1) == []


async def test_block_that_is_written_again_replaces_itself(store: Driver) -> None:
    await store.commit([save_response(RUNNING), add_events(RUNNING, block(0, 2))])
    await store.commit([add_events(RUNNING, block(0, 5))])
    assert await load_events(store, OWNER, "resp_1", -1) == [block(0, 5)]


async def test_events_expire_with_their_response(store: Driver) -> None:
    await store.commit([save_response(RUNNING), add_events(RUNNING, block(0, 1))])
    assert await sweep(store, EXPIRY_S) == 2
    assert await load_events(store, OWNER, "resp_1", -1) == []


async def test_runner_records_its_progress_and_its_end(store: Driver) -> None:
    await store.commit([save_response(RUNNING)])
    begun = msgspec.structs.replace(RUNNING, status="in_progress", response=b"{}")
    await store.commit([record_progress(begun, NOW_S + 20), add_events(begun, block(0, 2))])
    assert await find(store) == msgspec.structs.replace(begun, lease_until_s=NOW_S + 20)
    ended = msgspec.structs.replace(begun, status="completed", maker=STORED.maker)
    await store.commit([record_end(ended)])
    assert await find(store) == msgspec.structs.replace(ended, runner=None, lease_until_s=None)


async def test_runner_that_lost_its_response_changes_nothing_any_more(store: Driver) -> None:
    await store.commit([save_response(RUNNING)])
    cancelled = msgspec.structs.replace(RUNNING, status="cancelled", response=b"{}")
    assert await end_for_runner(store, RUNNING, cancelled)
    assert not await end_for_runner(store, RUNNING, cancelled)
    begun = msgspec.structs.replace(RUNNING, status="in_progress")
    for statement in (record_progress(begun, NOW_S + 20), record_end(begun)):
        with pytest.raises(ExpectationError):
            await store.commit([statement, add_events(begun, block(0, 1))])
    found = await find(store)
    assert found is not None
    assert (found.status, found.runner, found.lease_until_s) == ("cancelled", None, None)
    assert await load_events(store, OWNER, "resp_1", -1) == []


async def test_of_many_who_end_a_response_one_does(open_driver: Opener, store: Driver) -> None:
    await store.commit([save_response(RUNNING)])
    drivers = [await open_driver() for _ in range(4)]
    ended = msgspec.structs.replace(RUNNING, status="failed")
    won = await asyncio.gather(*(end_for_runner(driver, RUNNING, ended) for driver in drivers))
    assert sum(won) == 1
    for driver in drivers:
        await driver.close()


async def test_only_leases_in_the_past_have_lapsed(store: Driver) -> None:
    await store.commit([save_response(RUNNING)])
    assert await load_lapsed(store, NOW_S + 10) == []
    assert await load_lapsed(store, NOW_S + 11) == [RUNNING]
    await store.commit([save_response(STORED)])
    assert await load_lapsed(store, NOW_S + 11) == []
