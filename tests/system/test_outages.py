"""A database that is down, slow or full: new paid calls are told so, and what runs is charged once.

Everything here is done to a real database under a real gateway, in the middle of streams: to the
server's processes, or to the file.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from nagara.domain.catalog import Secret
from nagara.storage.database import Database, open_driver
from nagara.storage.driver import Driver
from nagara.storage.spool import FOLDER
from nagara.storage.verify import verify
from tests import postgres
from tests.fakes import FakeUpstream, Peer
from tests.postgres import PostgresServer
from tests.system.caller import Caller, Head, call
from tests.system.commands import run
from tests.system.outages import OUTAGES, Outage
from tests.system.scripts import CHAT, CHAT_USAGE, DONE, begin_stream, chat_chunk
from tests.system.stage import Stage, staged

CHARGE_NANO = 7 * 1000 + 2 * 2000
"""What the usage of `CHAT` costs by the prices of the stage."""

SETTINGS = {
    "storage_patience_s": 0.5,
    "storage_timeout_s": 1,
    "storage_connect_timeout_s": 1,
    "hold_lease_s": 2,
    "log_format": "json",
}
SOON_S = 15.0
CHECK_S = 0.05
ROWS = "SELECT request_id, charge_nano, is_usage_estimated FROM requests ORDER BY request_id"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own: nobody else's may be stopped."""
    with postgres.started() as server:
        yield server


class Scene:
    """A gateway on a database that something happens to."""

    def __init__(self, stage: Stage, outage: Outage, url: str | None) -> None:
        self.stage = stage
        self.outage = outage
        self.url = url

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Driver]:
        """The database, for the test itself."""
        url = None if self.url is None else Secret(self.url)
        driver = await open_driver(Database(folder=self.stage.gateway.data, url=url))
        try:
            yield driver
        finally:
            await driver.close()

    def is_spooled(self) -> bool:
        """Whether charges wait on the disk."""
        return bool(list(self.stage.gateway.data.glob(f"{FOLDER}/*.spool")))


@contextlib.contextmanager
def set_up(
    name: str, request: pytest.FixtureRequest, folder: Path, **settings: object
) -> Iterator[Scene]:
    """A scene; the server is only started where it is needed."""
    settings = SETTINGS | settings
    url = None
    if name.startswith("the server"):
        server: PostgresServer = request.getfixturevalue("server")
        settings["database_url"] = url = server.make_schema()
        outage = OUTAGES[name](server)
    else:
        outage = OUTAGES[name](None)  # type: ignore[arg-type]
    with staged(folder, **settings) as stage:
        yield Scene(stage, outage, url)


class Running:
    """A stream under way: its caller has its beginning."""

    def __init__(self, caller: Caller, peer: Peer, head: Head) -> None:
        self.caller = caller
        self.peer = peer
        self.head = head

    async def finish(self) -> bytes:
        """What comes of it when its provider sends the rest, and takes no other call there."""
        rest = [chat_chunk({"content": "lo."}, "stop"), CHAT_USAGE, DONE, b""]
        await self.peer.send_chunks(*rest)
        self.peer.close()
        return await self.caller.read_body()


async def begin(
    stack: AsyncExitStack, scene: Scene, upstream: FakeUpstream, request_id: str
) -> Running:
    """A stream whose caller has got its first words."""
    caller = await stack.enter_async_context(Caller(scene.stage.gateway))
    caller.post(CHAT.path, CHAT.streamed, x_request_id=request_id)
    peer = await upstream.accept()
    assert await peer.read_request()
    await begin_stream(peer, *CHAT.events)
    head = await caller.read_head()
    await caller.read_until(b"Hel")
    return Running(caller, peer, head)


@pytest.mark.parametrize("name", OUTAGES)
async def test_what_runs_ends_and_is_charged_once_when_the_database_is_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with set_up(name, request, tmp_path) as scene:
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(scene.stage.upstream())
            streams = [await begin(stack, scene, upstream, f"stream-{n}") for n in range(3)]
            leaver = await begin(stack, scene, upstream, "left")
            await asyncio.to_thread(scene.outage.begin, scene.stage.gateway)
            try:
                await check_refused(scene, upstream)
                endings = await asyncio.gather(*(stream.finish() for stream in streams))
                assert all(ending.endswith(DONE) for ending in endings)
                leaver.caller.leave()
                await leaver.peer.closed()
            finally:
                await asyncio.to_thread(scene.outage.end)
            await wait_until_served(scene, upstream)
        await check_books(scene, ["after", "left", "stream-0", "stream-1", "stream-2"])


async def check_refused(scene: Scene, upstream: FakeUpstream) -> None:
    """A new call is told when to come again, and costs no provider anything."""
    asked = len(upstream.peers)
    head, body = await call(scene.stage.gateway, CHAT.path, CHAT.request, x_request_id="refused")
    assert head.status == 503, body
    assert json.loads(body)["error"]["code"] == "storage_unavailable"
    assert int(head.header("retry-after") or 0) > 0
    assert len(upstream.peers) == asked


async def wait_until_served(scene: Scene, upstream: FakeUpstream) -> None:
    """Calls succeed again by themselves."""

    async def answer() -> None:
        while True:
            peer = await upstream.accept()
            if await peer.read_request():
                await peer.answer(json.dumps(CHAT.answer).encode())

    answering = asyncio.create_task(answer())
    try:
        async with asyncio.timeout(SOON_S):
            while True:
                found = await call(
                    scene.stage.gateway, CHAT.path, CHAT.request, x_request_id="after"
                )
                if found[0].status == 200:
                    return
                assert found[0].status == 503, found
    finally:
        answering.cancel()


async def check_books(scene: Scene, expected: list[str]) -> None:
    """Each of these is charged once, nothing else is, and nothing is held any more."""
    async with scene.opened() as driver:
        await wait_for(driver, f"SELECT COUNT(*) >= {len(expected)} FROM requests")
        rows = await driver.query(ROWS)
        assert [row[0] for row in rows] == expected
        for request_id, charge_nano, is_estimated in rows:
            if request_id == "left":
                assert (charge_nano > 0, is_estimated) == (True, 1)
            else:
                assert (charge_nano, is_estimated) == (CHARGE_NANO, 0)
        await wait_for(driver, "SELECT COUNT(*) = 0 FROM holds")
        assert (await verify(driver)).discrepancies == ()
    async with asyncio.timeout(SOON_S):
        while scene.is_spooled():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(CHECK_S)


async def wait_for(driver: Driver, question: str) -> None:
    """Until the database says yes."""
    async with asyncio.timeout(SOON_S):
        while not (await driver.query(question))[0][0]:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(CHECK_S)


@pytest.mark.parametrize("name", ["the server is down", "the file is locked"])
async def test_gateway_killed_with_charges_on_its_disk_books_them_when_it_is_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with set_up(name, request, tmp_path) as scene:
        gateway = scene.stage.gateway
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(scene.stage.upstream())
            streams = [await begin(stack, scene, upstream, f"stream-{n}") for n in range(3)]
            scene.outage.begin(gateway)
            try:
                for stream in streams:
                    assert (await stream.finish()).endswith(DONE)
                assert scene.is_spooled()
                os.kill(gateway.pid, signal.SIGKILL)
                gateway.wait()
            finally:
                scene.outage.end()
        gateway.kill()
        await asyncio.to_thread(gateway.start)
        await check_books(scene, ["stream-0", "stream-1", "stream-2"])


async def test_account_api_and_commands_say_that_the_database_is_away(
    server: PostgresServer, tmp_path: Path
) -> None:
    url = server.make_schema()
    with staged(tmp_path, database_url=url, **SETTINGS) as stage:
        server.kill()
        try:
            async with Caller(stage.gateway) as caller:
                caller.writer.write(
                    b"GET /v1/account/balance HTTP/1.1\r\nhost: a\r\nauthorization: Bearer "
                    + stage.gateway.provisioning_key.encode()
                    + b"\r\n\r\n"
                )
                head, body = await caller.read_answer()
            done = run("credits", "add", "5", environment={"NAGARA_DATABASE_URL": url})
        finally:
            server.start()
    assert head.status == 503, body
    assert head.header("retry-after")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "cannot be reached" in done.stderr
