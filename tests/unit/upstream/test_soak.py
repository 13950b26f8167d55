"""Hundreds of requests that end in every way at once: afterwards no slot is lost and none leaks."""

import asyncio
import random

from nagara.domain.errors import Fault, GatewayError
from nagara.upstream.pool import Line
from tests.fakes import FakeUpstream, Peer
from tests.unit.upstream.client import Client, make_timeouts, read_all
from tests.unit.upstream.conftest import MakeClient

CONNECTIONS_MAX = 4
REQUESTS = 400


async def misbehave(peer: Peer, chance: random.Random) -> None:
    while await peer.read_request():
        match chance.randrange(8):
            case 0:
                peer.reset()
                return
            case 1:
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                peer.close()
                return
            case 2:
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokgarbage")
            case 3:
                await peer.answer(b"ok", b"connection: close")
                peer.close()
                return
            case _:
                await peer.answer(b"ok")


async def use(client: Client, url: str, chance: random.Random) -> None:
    timeouts = make_timeouts(total_s=chance.choice([0.001, 5.0, None]))
    work = asyncio.create_task(client.ask(url, timeouts=timeouts))
    if chance.random() < 0.3:
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        work.cancel()
    try:
        answer = await work
        if chance.random() < 0.2:
            answer.abort()
        else:
            assert await read_all(answer) == b"ok"
    except GatewayError as failure:
        if failure.kind.value.fault is not Fault.UPSTREAM:
            raise
    except asyncio.CancelledError:
        pass


async def test_every_ending_at_once_loses_no_slot(make_client: MakeClient) -> None:
    chance = random.Random(7)
    client = make_client(connections_per_origin_max=CONNECTIONS_MAX, waiting_max=REQUESTS)

    async def script(peer: Peer) -> None:
        await misbehave(peer, chance)

    async with FakeUpstream(script) as upstream:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for _ in range(REQUESTS):
                group.create_task(use(client, upstream.url, chance))
        for _ in range(5):
            await asyncio.sleep(0)
        (line,) = client.pool._lines.values()
        assert isinstance(line, Line)
        assert line.slots.waiting_count == 0
        assert line.slots.idle_count == len(line.slots.connections) <= CONNECTIONS_MAX
        for _ in line.slots.connections:
            line.slots.take_idle()
        free = CONNECTIONS_MAX - len(line.slots.connections)
        assert [line.slots.take_slot() for _ in range(free + 1)] == [True] * free + [False]
