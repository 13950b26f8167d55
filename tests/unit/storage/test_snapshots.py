"""Keys that are read again when they change, and what holds while they cannot be read."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from tests.fakes import FakeClock

from nagara.access import issue_key
from nagara.domain.catalog import KeyKind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Observation, StorageFailed, StorageRecovered
from nagara.storage import snapshots as module
from nagara.storage.driver import Driver, Result, Row, Statement, StorageError, Value
from nagara.storage.snapshots import Snapshots

PEPPER = b"p" * 32
STALE_S = 30.0
KNOWN, LATER = (issue_key(KeyKind.STANDARD, bytes([n]) * 32, PEPPER) for n in (1, 2))


class FakeDriver(Driver):
    """Two tables in memory, and turns that the test gives; an error in place of rows is raised."""

    def __init__(self) -> None:
        self.keys = [KNOWN]
        self.revisions = 1
        self.error: StorageError | None = None
        self.turns: asyncio.Queue[StorageError | None] = asyncio.Queue()

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        if self.error is not None:
            raise self.error
        if "FROM accounts" in sql:
            return [(1, "default", 0, 0, None, None)]
        if "FROM revisions" in sql:
            return [(self.revisions if params == ("keys",) else 0,)]
        if "FROM keys" not in sql:
            return []
        return [
            (
                number,
                1,
                "k",
                "standard",
                key.digest,
                key.hint,
                0,
                None,
                1,
                None,
                "total",
                None,
                None,
            )
            for number, key in enumerate(self.keys)
        ]

    async def commit(
        self, statements: Sequence[Statement], *, group: int = 0, is_flushed: bool = True
    ) -> list[Result]:
        raise StorageError("nothing is written here")

    async def close(self) -> None:
        pass

    async def watch(self) -> AsyncIterator[None]:
        while True:
            turn = await self.turns.get()
            if turn is not None:
                raise turn
            yield


class Watched:
    """Snapshots under watch, and what they said."""

    def __init__(self) -> None:
        self.driver = FakeDriver()
        self.clock = FakeClock()
        self.said: list[Observation] = []
        self.snapshots = Snapshots(self.driver, PEPPER, self.clock, self.said.append, STALE_S)
        self.task = asyncio.create_task(self.snapshots.watch())

    async def turn(self, error: StorageError | None = None) -> None:
        self.driver.turns.put_nowait(error)
        for _ in range(20):
            await asyncio.sleep(0)

    def kind(self, secret: str | None) -> ErrorKind | None:
        headers = [(b"x-api-key", secret.encode())] if secret else []
        try:
            self.snapshots.authenticate(headers)
        except GatewayError as error:
            return error.kind
        return None


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(module, "RETRY_S", 0)
    watched = Watched()
    await watched.turn()
    yield watched
    watched.task.cancel()
    await asyncio.gather(watched.task, return_exceptions=True)


async def test_key_is_known_after_the_turn_that_brought_it(watched: Watched) -> None:
    secret = LATER.secret.reveal()
    assert watched.kind(secret) is ErrorKind.AUTHENTICATION
    before = watched.snapshots.current
    watched.driver.keys.append(LATER)
    watched.driver.revisions += 1
    await watched.turn()
    assert watched.kind(secret) is None
    assert len(before.keys) == 1


async def test_known_key_is_trusted_for_a_while_and_then_nobody_can_tell(watched: Watched) -> None:
    await watched.turn(StorageError("gone"))
    assert not watched.snapshots.is_readable
    watched.clock.advance(STALE_S)
    assert watched.kind(KNOWN.secret.reveal()) is None
    watched.clock.advance(0.1)
    assert watched.kind(KNOWN.secret.reveal()) is ErrorKind.STORAGE_UNAVAILABLE


@pytest.mark.parametrize("secret", [LATER.secret.reveal(), "ng-mistyped", "nonsense"])
async def test_unknown_key_is_503_and_not_401_while_failing(watched: Watched, secret: str) -> None:
    assert watched.kind(secret) is ErrorKind.AUTHENTICATION
    await watched.turn(StorageError("gone"))
    assert watched.kind(secret) is ErrorKind.STORAGE_UNAVAILABLE


async def test_no_key_at_all_is_401_even_while_failing(watched: Watched) -> None:
    await watched.turn(StorageError("gone"))
    assert watched.kind(None) is ErrorKind.AUTHENTICATION


async def test_failure_is_said_once_and_recovery_too(watched: Watched) -> None:
    watched.driver.error = StorageError("gone")
    await watched.turn()
    await watched.turn(StorageError("still gone"))
    await watched.turn()
    watched.clock.advance(3)
    watched.driver.error = None
    await watched.turn()
    assert watched.said == [StorageFailed(reason="gone"), StorageRecovered(after_s=3)]
    assert watched.snapshots.is_readable
    assert watched.kind(KNOWN.secret.reveal()) is None


async def test_failed_reading_leaves_the_snapshot_as_it_is(watched: Watched) -> None:
    before = watched.snapshots.current
    watched.driver.error = StorageError("gone")
    with pytest.raises(StorageError):
        await watched.snapshots.reload_keys()
    assert watched.snapshots.current is before


async def test_new_key_is_read_once_for_all_who_present_it(watched: Watched) -> None:
    await watched.turn()
    watched.driver.keys.append(LATER)
    watched.driver.revisions += 1
    headers = [(b"x-api-key", LATER.secret.reveal().encode())]
    assert watched.kind(LATER.secret.reveal()) is ErrorKind.AUTHENTICATION
    asked = [watched.snapshots.knows_by_now(headers) for _ in range(5)]
    assert await asyncio.gather(*asked) == [True] * 5
    assert watched.kind(LATER.secret.reveal()) is None


@pytest.mark.parametrize(
    ("secret", "is_known"), [(KNOWN.secret.reveal(), True), ("ng-nonsense", False), (None, False)]
)
async def test_store_is_not_read_for_a_key_that_cannot_be_new(
    watched: Watched, secret: str | None, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.turn()

    async def read(sql: str, params: Sequence[Value] = ()) -> list[Row]:
        raise AssertionError("the store was read")

    monkeypatch.setattr(watched.driver, "query", read)
    headers = [(b"x-api-key", secret.encode())] if secret else []
    assert await watched.snapshots.knows_by_now(headers) is is_known


async def test_unknown_key_stays_unknown_while_the_store_cannot_be_read(watched: Watched) -> None:
    await watched.turn()
    watched.driver.error = StorageError("down")
    assert not await watched.snapshots.knows_by_now(
        [(b"x-api-key", LATER.secret.reveal().encode())]
    )
