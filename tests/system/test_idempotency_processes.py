"""A call with an `Idempotency-Key` is made once by all gateways on one database, and survives them.

On SQLite and on PostgreSQL, with gateways that are real processes and are really killed.
"""

import asyncio
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from nagara.storage.data_folder import database_path
from tests.fakes import Peer
from tests.system.caller import Caller, call
from tests.system.gateway import GatewayProcess, name_variables
from tests.system.keyed_calls import asked, count_charges, error_of, is_replay, new_key, play
from tests.system.scripts import (
    CALLER_MODEL,
    CHAT,
    DONE,
    UPSTREAM_MODEL,
    begin_stream,
    give_answer,
    give_stream,
)
from tests.system.stage import CREDENTIAL, TWO_PROVIDERS, Address

LEASE_S = 1
CALLS = 72


class Neighbours:
    """Gateways on one database, and the provider that they share."""

    def __init__(self, folder: Path, stack: ExitStack, database_url: str, **settings: object):
        self._folder = folder
        self.config = folder / "nagara.toml"
        self._stack = stack
        self._environment = name_variables({"hold_lease_s": LEASE_S, **settings})
        self._environment["THEIR_KEY"] = CREDENTIAL
        self.address = Address()
        stack.callback(self.address.close)
        config = TWO_PROVIDERS.format(
            port=self.address.port, caller_model=CALLER_MODEL, upstream_model=UPSTREAM_MODEL
        )
        if database_url:
            config += f'\n[storage]\ndatabase_url = "{database_url}"\n'
        self.config.write_text(config)
        self.first = self.start()

    def start(self) -> GatewayProcess:
        """One more gateway."""
        where = ("--config", str(self.config))
        gateway = GatewayProcess(self._folder / "data", self._environment, *where)
        gateway.__enter__()
        self._stack.callback(gateway.stop)
        gateway.key = gateway.key or self.first.key
        gateway.provisioning_key = gateway.provisioning_key or self.first.provisioning_key
        return gateway


@pytest.fixture(params=["sqlite", "postgres"])
def neighbours(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Neighbours]:
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if is_postgres else ""
    with ExitStack() as stack:
        yield Neighbours(tmp_path, stack, url)


async def test_two_gateways_make_a_call_once(neighbours: Neighbours) -> None:
    gateways, key = (neighbours.first, neighbours.start()), new_key()
    async with neighbours.address.upstream() as upstream:
        calls = [
            asyncio.create_task(
                call(gateways[at % 2], CHAT.path, CHAT.streamed, idempotency_key=key)
            )
            for at in range(20)
        ]
        peer = await upstream.accept()
        assert await peer.read_request()
        await begin_stream(peer, *CHAT.events)
        # It has begun, and both gateways have others waiting.
        other, _ = await call(gateways[0], CHAT.path, CHAT.request, idempotency_key=key)
        second, _ = await call(gateways[1], CHAT.path, CHAT.request, idempotency_key=key)
        assert (other.status, second.status) == (409, 409)
        await peer.send_chunks(CHAT.ending, b"")
        answers = await asyncio.gather(*calls)
        assert asked(upstream) == 1
    assert {head.status for head, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert sum(is_replay(head) for head, _ in answers) == 19
    assert count_charges(gateways[0]) == 1


async def test_call_of_a_process_that_was_killed_is_made_again(neighbours: Neighbours) -> None:
    key = new_key()
    async with neighbours.address.upstream() as upstream:
        async with Caller(neighbours.first) as caller:
            caller.post(CHAT.path, CHAT.streamed, idempotency_key=key)
            peer = await upstream.accept()
            assert await peer.read_request()
            await begin_stream(peer, *CHAT.events)
            await caller.read_head()
            os.kill(neighbours.first.pid, signal.SIGKILL)
            neighbours.first.wait()
        survivor = await asyncio.to_thread(neighbours.start)
        again = asyncio.create_task(call(survivor, CHAT.path, CHAT.streamed, idempotency_key=key))
        peer = await upstream.accept()
        assert await peer.read_request()
        await give_stream(peer, CHAT)
        head, body = await again
        assert asked(upstream) == 2
        assert head.status == 200
        assert not is_replay(head)
        assert body.endswith(DONE)
        head, same = await call(survivor, CHAT.path, CHAT.streamed, idempotency_key=key)
        assert is_replay(head)
        assert same == body
    assert count_charges(survivor) == 1


class Clients:
    """Some who make their calls one after the other, each until it is answered."""

    def __init__(self, neighbours: Neighbours, chance: random.Random) -> None:
        self.gateways = [neighbours.first]
        self.answers: dict[str, bytes] = {}
        self.tries = 0
        self._chance = chance
        self._more = asyncio.Condition()

    async def make_calls(self, count: int) -> None:
        """As many calls, each with a key of its own."""
        for _ in range(count):
            key = new_key()
            self.answers[key] = await self.insist(key)
            async with self._more:
                self._more.notify_all()

    async def insist(self, key: str) -> bytes:
        """Ask whoever is there until there is an answer."""
        while True:
            self.tries += 1
            gateway = self._chance.choice(self.gateways)
            try:
                head, body = await call(gateway, CHAT.path, CHAT.streamed, idempotency_key=key)
            except (OSError, EOFError):
                # It was killed; there is nobody until the next one is ready.
                await asyncio.sleep(0.02)
                continue
            if head.status == 200 and body.endswith(DONE) and b"error" not in body:
                return body

    async def have(self, count: int) -> None:
        """Wait until so many calls were answered."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.answers) >= count)


async def test_each_key_is_charged_once_while_gateways_are_killed(neighbours: Neighbours) -> None:
    chance = random.Random(6)

    async def play_slowly(peer: Peer) -> None:
        while await peer.read_request():
            await begin_stream(peer, *CHAT.events)
            await asyncio.sleep(chance.random() / 20)
            await peer.send_chunks(CHAT.ending, b"")

    clients = Clients(neighbours, chance)
    clients.gateways.append(neighbours.start())
    async with neighbours.address.upstream(play_slowly) as upstream:
        calls = asyncio.gather(*(clients.make_calls(CALLS // 12) for _ in range(12)))
        for at in range(2):
            await clients.have(CALLS * (at + 1) // 4)
            victim = clients.gateways[at]
            os.kill(victim.pid, signal.SIGKILL)
            await asyncio.to_thread(victim.wait)
            clients.gateways[at] = await asyncio.to_thread(neighbours.start)
        await calls
        # Some were in the middle, and were made again.
        assert asked(upstream) > CALLS
    survivor = clients.gateways[0]
    assert count_charges(survivor) == len(clients.answers) == CALLS
    for key, answer in clients.answers.items():
        head, body = await call(survivor, CHAT.path, CHAT.streamed, idempotency_key=key)
        assert is_replay(head)
        assert body == answer
    assert count_charges(survivor) == CALLS
    survivor.run("ledger", "verify", "--config", str(neighbours.config))


async def test_waiting_ends_and_says_so(tmp_path: Path) -> None:
    key = new_key()
    with ExitStack() as stack:
        neighbours = Neighbours(tmp_path, stack, "", idempotency_wait_s=0.3, hold_lease_s=30)
        gateways = (neighbours.first, neighbours.start())
        async with neighbours.address.upstream() as upstream, Caller(gateways[0]) as caller:
            caller.post(CHAT.path, CHAT.request, idempotency_key=key)
            peer = await upstream.accept()
            assert await peer.read_request()
            for gateway in gateways:
                head, body = await call(gateway, CHAT.path, CHAT.request, idempotency_key=key)
                assert head.status == 409
                assert error_of(body)["code"] == "idempotency_key_in_use"
                assert head.header("retry-after") == "1"
            await give_answer(peer, CHAT)
            assert (await caller.read_answer())[0].status == 200


async def test_answer_that_waits_for_the_database_is_given_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    key = new_key()
    with ExitStack() as stack:
        gateway = (neighbours := Neighbours(tmp_path, stack, "", storage_patience_s=0.2)).first
        async with neighbours.address.upstream() as upstream, Caller(gateway) as caller:
            caller.post(CHAT.path, CHAT.streamed, idempotency_key=key)
            peer = await upstream.accept()
            assert await peer.read_request()
            await begin_stream(peer, *CHAT.events)
            await caller.read_head()
            with locked(gateway):
                await peer.send_chunks(CHAT.ending, b"")
                answer = await caller.read_body()
                again = asyncio.create_task(
                    call(gateway, CHAT.path, CHAT.streamed, idempotency_key=key)
                )
                other, _ = await call(gateway, CHAT.path, CHAT.request, idempotency_key=new_key())
                assert other.status == 503
                assert not again.done()
            head, same = await again
            assert asked(upstream) == 1
        assert is_replay(head)
        assert answer.endswith(DONE)
        assert same == answer
        assert count_charges(gateway) == 1


async def test_answer_is_kept_for_its_time_and_then_deleted(tmp_path: Path) -> None:
    key = new_key()
    with ExitStack() as stack:
        neighbours = Neighbours(tmp_path, stack, "", idempotency_keep_s=1)
        gateway = neighbours.first
        async with neighbours.address.upstream(lambda peer: play(peer, CHAT, False)) as upstream:
            await call(gateway, CHAT.path, CHAT.request, idempotency_key=key)
            async with asyncio.timeout(10):
                while count_kept(gateway):  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.05)
            head, _ = await call(gateway, CHAT.path, CHAT.request, idempotency_key=key)
            assert asked(upstream) == 2
        assert head.status == 200
        assert not is_replay(head)


def count_kept(gateway: GatewayProcess) -> int:
    """How many calls are in the store."""
    with closing(sqlite3.connect(database_path(gateway.data))) as store:
        [[count]] = store.execute("SELECT COUNT(*) FROM idempotent_calls").fetchall()
    return int(count)


@contextmanager
def locked(gateway: GatewayProcess) -> Iterator[None]:
    """Nobody can write to the database until the block is left."""
    other = sqlite3.connect(database_path(gateway.data), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
