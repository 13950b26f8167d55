"""What only PostgreSQL can do to us: servers that refuse, go away, say nothing or pick a victim."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from tests.books import open_books
from tests.postgres import PostgresServer, find_port

from nagara.domain.catalog import Secret
from nagara.storage.bounds import PostgresBounds
from nagara.storage.driver import ConflictError, Driver, StorageError
from nagara.storage.driver import Statement as Do
from nagara.storage.keys import KEYS_CHANGED, load_revision
from nagara.storage.ledger_statements import Settlement
from nagara.storage.migrations import load_migrations
from nagara.storage.postgres import PostgresDriver

INSERT = "INSERT INTO meta (name, value) VALUES ($1, $2)"
AWAY = re.compile("cannot be reached|was lost")
DEADLINE_S = 10.0
WAITING = (
    "SELECT COUNT(*) FROM pg_stat_activity "
    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
BOUNDS = PostgresBounds(connect_timeout_s=2.0, timeout_s=0.6)


def keep(name: str) -> Do:
    return Do(INSERT, (name, b""), rows_expected=1)


async def names(driver: Driver) -> list[str]:
    return [row[0] for row in await driver.query("SELECT name FROM meta ORDER BY name")]


@asynccontextmanager
async def opened(url: str, bounds: PostgresBounds = BOUNDS) -> AsyncIterator[PostgresDriver]:
    driver = await PostgresDriver.open(Secret(url), bounds)
    try:
        yield driver
    finally:
        await driver.close()


class Relay:
    """A stretch of network before the server, which can be cut, go silent, or lose an answer."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url).port
        self._url = url
        self._server: asyncio.Server | None = None
        self._port = find_port()
        self._writers: list[asyncio.StreamWriter] = []
        self._serving: set[asyncio.Task[None]] = set()
        self.is_silent = False
        self.loses_answer_of = b""

    @property
    def url(self) -> str:
        return self._url.replace(f":{self._target}/", f":{self._port}/")

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """End every connection, and take no other."""
        assert self._server is not None
        self._server.close()
        self._hang_up()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        await asyncio.gather(
            self._carry(reader, far_writer, is_question=True),
            self._carry(far_reader, writer, is_question=False),
            return_exceptions=True,
        )
        for end in (writer, far_writer):
            end.transport.abort()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_question: bool
    ) -> None:
        while piece := await reader.read(65_536):
            loses = self.loses_answer_of != b"" and self.loses_answer_of in piece
            if not self.is_silent:
                writer.write(piece)
                await writer.drain()
            if loses and is_question:
                self._hang_up()
        writer.close()


@pytest.fixture
async def relay(postgres_url: str) -> AsyncIterator[Relay]:
    relay = Relay(postgres_url)
    await relay.join()
    yield relay
    await relay.cut()


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@[h/d", "hunter2", ""]
)
async def test_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(StorageError, match="no address of a PostgreSQL database") as caught:
        await PostgresDriver.open(Secret(url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


async def refusal(url: str, **options: Any) -> str:
    """What a start on this database is refused with."""
    with pytest.raises(StorageError) as caught:
        await PostgresDriver.open(Secret(url), BOUNDS, **options)
    return str(caught.value)


async def test_server_that_is_not_there_is_named(postgres_server: PostgresServer) -> None:
    port = find_port()
    told = await refusal(f"postgresql://me:hunter2@127.0.0.1:{port}/shop")
    assert f"127.0.0.1:{port}/shop cannot be reached" in told
    assert "hunter2" not in told


async def test_wrong_password_is_told_without_it(postgres_server: PostgresServer) -> None:
    told = await refusal(postgres_server.url("postgres", password="hunter2"))
    assert "refuses the user or the password" in told
    assert "hunter2" not in told


async def test_database_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    assert "make it with CREATE DATABASE" in await refusal(postgres_server.url("nowhere"))


async def test_server_that_does_not_answer_is_given_up(relay: Relay) -> None:
    relay.is_silent = True
    since_s = time.monotonic()
    assert "did not answer in time" in await refusal(relay.url)
    assert time.monotonic() - since_s < 5


async def test_database_of_another_program_is_left_alone(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE shop (id INT)")
    assert "belongs to another program" in await refusal(postgres_url)


async def test_database_of_a_newer_version_is_left_alone(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        newer = len(load_migrations()) + 1
        await driver.commit([Do("INSERT INTO schema_versions VALUES ($1, 'later', 0)", (newer,))])
    assert f"its schema is version {newer}" in await refusal(postgres_url)


async def test_empty_database_is_not_begun_by_whoever_only_looks(postgres_url: str) -> None:
    assert "is empty yet" in await refusal(postgres_url, can_make=False)
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT to_regclass('schema_versions')").fetchone()
    assert found == (None,)


async def test_looking_at_a_schema_tells_its_version_and_changes_nothing(postgres_url: str) -> None:
    with pytest.raises(StorageError, match="is empty yet"):
        await PostgresDriver.examine(Secret(postgres_url), BOUNDS)
    async with opened(postgres_url) as driver:
        known = len(load_migrations())
        await driver.commit([Do("DELETE FROM schema_versions WHERE version = $1", (known,))])
        assert await PostgresDriver.examine(Secret(postgres_url), BOUNDS) == known - 1
        assert await driver.query("SELECT MAX(version) FROM schema_versions") == [(known - 1,)]


async def test_session_that_may_only_read_is_told(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE schema_versions (version BIGINT)")
        connection.execute("REVOKE ALL ON schema_versions FROM CURRENT_USER")
    told = await refusal(postgres_url)
    assert "does not let this user" in told


async def test_user_who_may_only_read_is_told_which_tables(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with opened(postgres_url):
        schema = postgres_url.rpartition("%3D")[2]
    postgres_server.execute(
        f"CREATE ROLE reader_of_{schema} LOGIN PASSWORD 'x'; "
        f"GRANT USAGE ON SCHEMA {schema} TO reader_of_{schema}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_of_{schema}"
    )
    who = postgres_server.url("postgres", user=f"reader_of_{schema}", password="x")
    told = await refusal(f"{who}?options=-csearch_path%3D{schema}")
    assert "does not let this user read and write accounts, " in told
    assert "revisions" in told


async def test_user_who_may_make_no_tables_is_told(postgres_server: PostgresServer) -> None:
    name = postgres_server.make_schema().rpartition("%3D")[2]
    postgres_server.execute(f"CREATE ROLE guest_of_{name} LOGIN PASSWORD 'x'")
    postgres_server.execute(f"GRANT USAGE ON SCHEMA {name} TO guest_of_{name}")
    who = postgres_server.url("postgres", user=f"guest_of_{name}", password="x")
    assert "GRANT them ALL" in await refusal(f"{who}?options=-csearch_path%3D{name}")


async def test_verbs_fail_at_once_while_the_server_is_away_and_work_when_it_is_back(
    relay: Relay,
) -> None:
    async with opened(relay.url) as driver:
        await driver.commit([keep("before")])
        watch = aiter(driver.watch())
        await anext(watch)
        await relay.cut()
        with pytest.raises(StorageError):
            await anext(watch)
        since_s = time.monotonic()
        for _ in range(50):
            with pytest.raises(StorageError, match=AWAY):
                await driver.commit([keep("during")])
            with pytest.raises(StorageError, match=AWAY):
                await names(driver)
        # A hundred of them: none can have waited for anything.
        assert time.monotonic() - since_s < 5
        await relay.join()
        await until_it_works(driver)
        assert set(await names(driver)) == {"before", "after"}
        async with asyncio.timeout(DEADLINE_S):
            await anext(aiter(driver.watch()))


async def until_it_works(driver: Driver) -> None:
    """Commit `after` as soon as the driver can again."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await driver.commit([keep("after")])
            except StorageError:
                await asyncio.sleep(0)
            else:
                return


async def test_server_that_falls_silent_costs_no_more_than_the_timeout(relay: Relay) -> None:
    async with opened(relay.url) as driver:
        await driver.commit([keep("before")])
        relay.is_silent = True
        since_s = time.monotonic()
        results = await asyncio.gather(
            driver.commit([keep("a")]), driver.commit([keep("b")]), return_exceptions=True
        )
        assert time.monotonic() - since_s < 2 * BOUNDS.timeout_s
        assert [str(result) for result in results if isinstance(result, StorageError)] == [
            str(results[0]),
            str(results[0]),
        ]
        assert "no answer for 0.6 s" in str(results[0])


async def test_commit_whose_answer_is_lost_says_that_its_outcome_is_unknown(relay: Relay) -> None:
    async with opened(relay.url) as driver:
        relay.loses_answer_of = b"COMMIT"
        with pytest.raises(StorageError, match="it is not known whether") as caught:
            await driver.commit([keep("perhaps")])
        assert type(caught.value) is StorageError
        relay.loses_answer_of = b""
        await until_it_works(driver)


async def test_lost_before_its_commit_was_sent_nothing_was_done(relay: Relay) -> None:
    async with opened(relay.url) as driver:
        relay.loses_answer_of = b"nothing"
        with pytest.raises(StorageError, match="was lost"):
            await driver.commit([keep("nothing")])
        relay.loses_answer_of = b""
        await until_it_works(driver)
        assert await names(driver) == ["after"]


async def test_free_calls_lock_their_customer_before_their_sums(postgres_url: str) -> None:
    """Or they and a paid call of the same key and model, in two processes, wait in a circle."""
    bounds = msgspec.structs.replace(BOUNDS, timeout_s=DEADLINE_S)
    async with opened(postgres_url, bounds) as driver:
        books = await open_books(driver)
        free = Settlement(hold=None, record=books.record("first"))
        await books.ledger.settle_free([free])
        other = await psycopg.AsyncConnection.connect(postgres_url)
        async with other:
            await other.execute(
                "UPDATE ledger_accounts SET debits_nano = debits_nano WHERE kind = 'customer'"
            )
            again = Settlement(hold=None, record=books.record("second"))
            waiting = asyncio.ensure_future(
                asyncio.gather(
                    books.ledger.settle_free([again]), books.ledger.hold(books.make_hold(1))
                )
            )
            async with asyncio.timeout(DEADLINE_S):
                while not (await driver.query(WAITING))[0][0]:
                    pass
            # Does not wait, since nobody has it.
            await other.execute("SELECT 1 FROM activity FOR UPDATE NOWAIT")
        await waiting


async def test_victim_of_a_deadlock_is_run_again(postgres_url: str) -> None:
    bounds = msgspec.structs.replace(BOUNDS, timeout_s=10.0)
    async with opened(postgres_url, bounds) as one, opened(postgres_url, bounds) as other:
        await one.commit([Do(INSERT, (name, b"")) for name in "ab"])
        # Held up for a moment between its two rows, so that the two surely cross.
        touch = "UPDATE meta SET value = value || 'x' WHERE name = $1"
        hold_up = Do("SELECT pg_sleep(0.2)")
        await asyncio.gather(
            one.commit([Do(touch, ("a",)), hold_up, Do(touch, ("b",))]),
            other.commit([Do(touch, ("b",)), hold_up, Do(touch, ("a",))]),
        )
        assert await one.query("SELECT value FROM meta ORDER BY name") == [(b"xx",), (b"xx",)]


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Nobody else can write `revisions` within."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE revisions")
        yield


async def test_commits_that_wait_are_bounded(postgres_url: str) -> None:
    bounds = msgspec.structs.replace(BOUNDS, commits_waiting_max=3)
    async with opened(postgres_url, bounds) as driver:
        with locked(postgres_url):
            waiting = [asyncio.ensure_future(driver.commit([KEYS_CHANGED])) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(StorageError, match="3 commits wait"):
                await driver.commit([keep("one more")])
            results = await asyncio.gather(*waiting, return_exceptions=True)
        # The lock was not to be had within half of the timeout.
        assert all("for too long" in str(result) for result in results)
        await driver.commit([KEYS_CHANGED])


async def test_reads_that_wait_are_bounded(postgres_url: str) -> None:
    bounds = msgspec.structs.replace(BOUNDS, readers_max=1, reads_waiting_max=2)
    async with opened(postgres_url, bounds) as driver:
        slow = [asyncio.ensure_future(driver.query("SELECT pg_sleep(0.1)")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StorageError, match="2 reads wait"):
            await driver.query("SELECT 1")
        await asyncio.gather(*slow)


async def test_query_cannot_write(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        with pytest.raises(StorageError, match="only lets us read"):
            await driver.query("DELETE FROM meta")


async def test_caller_who_leaves_a_slow_query_leaves_a_working_driver(postgres_url: str) -> None:
    bounds = msgspec.structs.replace(BOUNDS, readers_max=1)
    async with opened(postgres_url, bounds) as driver:
        leaving = asyncio.ensure_future(driver.query("SELECT 'theirs' FROM pg_sleep(0.3)"))
        await driver.commit([keep("meanwhile")])
        leaving.cancel()
        assert await driver.query("SELECT 'mine'") == [("mine",)]


async def test_text_with_a_nul_fails_its_own_commit_alone(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        results = await asyncio.gather(
            driver.commit([keep("good")]), driver.commit([keep("b\0d")]), return_exceptions=True
        )
        assert isinstance(results[1], ValueError)
        assert await names(driver) == ["good"]


async def test_sum_beyond_64_bits_is_refused_and_no_failure_of_the_store(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        await driver.commit([Do("CREATE TABLE sums (n BIGINT)")])
        await driver.commit([Do("INSERT INTO sums VALUES ($1)", (2**63 - 1,))])
        with pytest.raises(ConflictError):
            await driver.commit([Do("UPDATE sums SET n = n + 1")])


async def test_sum_is_a_whole_number_however_large(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        largest = 2**63 - 1
        rows = await driver.query(
            "SELECT SUM(n), SUM(n) > 1, n FROM (SELECT CAST($1 AS BIGINT) AS n UNION ALL SELECT $1)"
            " AS two GROUP BY n",
            (largest,),
        )
        assert rows == [(2 * largest, 1, largest)]


async def test_change_whose_announcement_is_lost_is_noticed_all_the_same(postgres_url: str) -> None:
    async with opened(postgres_url) as driver:
        await driver.commit([Do("DROP TRIGGER nagara_changed ON revisions")])
        watch = aiter(driver.watch())
        await anext(watch)
        before = await load_revision(driver)
        await driver.commit([KEYS_CHANGED])
        async with asyncio.timeout(2):
            await anext(watch)
        assert await load_revision(driver) == before + 1


async def test_schema_that_is_there_needs_no_right_to_make_tables(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with opened(postgres_url):
        schema = postgres_url.rpartition("%3D")[2]
    user = f"user_of_{schema}"
    postgres_server.execute(
        f"CREATE ROLE {user} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO {user}; "
        f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user}"
    )
    who = postgres_server.url("postgres", user=user, password="x")
    async with opened(f"{who}?options=-csearch_path%3D{schema}") as driver:
        await driver.commit([keep("x")])
        assert re.fullmatch("x", (await names(driver))[0])
