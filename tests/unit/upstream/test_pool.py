"""The pool over real sockets: reuse, stale connections, the queue, expiry, cancellation."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from tests.fakes import FakeClock, FakeUpstream, Peer
from tests.unit.upstream.client import Client, make_timeouts, read_all
from tests.unit.upstream.conftest import MakeClient

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answers(peer: Peer) -> None:
    """Answer every request, with how many there were on this connection."""
    while await peer.read_request():
        await peer.answer(b"%d" % peer.request_count)


async def turn_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_connection_is_reused(client: Client) -> None:
    async with FakeUpstream(answers) as upstream:
        bodies = [await client.fetch(upstream.url) for _ in range(3)]
        assert bodies == [b"1", b"2", b"3"]


async def test_the_connection_used_last_is_reused_first(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = [asyncio.create_task(client.fetch(upstream.url)) for _ in range(3)]
        peers = [await upstream.accept() for _ in range(3)]
        for peer in (peers[2], peers[0], peers[1]):
            await peer.read_request()
            await peer.send(OK)
        await asyncio.gather(*asking)
        again = asyncio.create_task(client.fetch(upstream.url))
        assert await peers[1].read_request()
        await peers[1].send(OK)
        await again


@pytest.mark.parametrize(
    "wire",
    [
        OK.replace(b"content", b"connection: close\r\ncontent"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        OK + b"garbage",
        OK + b"H",
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_closed_after_its_answer(
    client: Client, wire: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(wire)
        await peer.stall()

    async with FakeUpstream(script) as upstream:
        for _ in range(2):
            assert await client.fetch(upstream.url) == b"ok"
        assert len(upstream.peers) == 2
        await upstream.peers[0].closed()


async def test_bytes_on_an_idle_connection_close_it(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(OK)
        await asking
        await peer.send(b"HTTP/1.1 408 Too late\r\n\r\n")
        await peer.closed()


async def test_an_idle_connection_that_ends_is_closed_and_not_used(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(OK)
        await asking
        peer.half_close()
        await peer.closed()
        asking = asyncio.create_task(client.fetch(upstream.url, body=stream()))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(OK)
        assert await asking == b"ok"


async def test_an_idle_connection_expires(make_client: MakeClient) -> None:
    client = make_client(idle_expiry_s=0.03)
    async with FakeUpstream(answers) as upstream:
        await client.fetch(upstream.url)
        async with asyncio.timeout(5):
            await upstream.peers[0].closed()


async def stream() -> AsyncIterator[bytes]:
    yield b"{}"


async def goes_stale(peer: Peer) -> None:
    """Answer once; close when the second request is here, as if the close had crossed it."""
    await peer.read_request()
    await peer.send(OK)
    await peer.read_head()
    peer.reset()


async def test_a_stale_connection_is_replaced_once(client: Client) -> None:
    async with FakeUpstream(goes_stale) as upstream:
        assert await client.fetch(upstream.url) == b"ok"
        assert await client.fetch(upstream.url) == b"ok"
        assert len(upstream.peers) == 2


async def test_a_stale_connection_is_replaced_when_all_slots_are_taken(
    make_client: MakeClient,
) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream(goes_stale) as upstream:
        for _ in range(3):
            assert await client.fetch(upstream.url) == b"ok"
        assert len(upstream.peers) == 3


async def test_a_connection_that_breaks_late_was_not_stale(make_client: MakeClient) -> None:
    clock = FakeClock()
    client = make_client(clock=clock)
    async with FakeUpstream() as upstream:
        first = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(OK)
        await first
        second = asyncio.create_task(client.fetch(upstream.url))
        await peer.read_request()
        clock.advance(3.0)
        peer.close()
        with pytest.raises(GatewayError) as caught:
            await second
        assert caught.value.kind is ErrorKind.UPSTREAM_CUT
        assert len(upstream.peers) == 1


async def test_a_request_is_sent_twice_at_most(client: Client) -> None:
    async def script(peer: Peer) -> None:
        if len(upstream.peers) == 1:
            await goes_stale(peer)
        else:
            await peer.read_request()
            peer.close()

    async with FakeUpstream(script) as upstream:
        await client.fetch(upstream.url)
        with pytest.raises(GatewayError) as caught:
            await client.fetch(upstream.url)
        assert caught.value.kind is ErrorKind.UPSTREAM_CUT
        assert len(upstream.peers) == 2


async def test_a_request_is_not_repeated_once_a_byte_of_its_answer_came(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await peer.read_request()
        await peer.send(b"H")
        peer.close()

    async with FakeUpstream(script) as upstream:
        await client.fetch(upstream.url)
        with pytest.raises(GatewayError):
            await client.fetch(upstream.url)
        assert len(upstream.peers) == 1


async def test_a_streamed_body_is_not_sent_again(client: Client) -> None:
    async with FakeUpstream(goes_stale) as upstream:
        await client.fetch(upstream.url)
        with pytest.raises(GatewayError):
            await client.fetch(upstream.url, body=stream())
        assert len(upstream.peers) == 1


async def test_a_new_connection_that_closes_is_not_tried_again(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        peer.close()

    async with FakeUpstream(script) as upstream:
        with pytest.raises(GatewayError):
            await client.fetch(upstream.url)
        assert len(upstream.peers) == 1


async def test_requests_over_the_limit_wait_their_turn_in_order(make_client: MakeClient) -> None:
    client = make_client(connections_per_origin_max=2)
    order: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.read_request():
            order.append(request.target)
            await peer.send(OK)

    async with FakeUpstream(script) as upstream:
        targets = [b"/%d" % number for number in range(10)]
        tasks = [asyncio.create_task(client.fetch(upstream.url, target=t)) for t in targets]
        assert await asyncio.gather(*tasks) == [b"ok"] * 10
        assert sorted(order[:2]) == targets[:2]
        assert sorted(order) == targets
        assert all(abs(order.index(t) - targets.index(t)) <= 1 for t in targets)
        assert len(upstream.peers) == 2


async def test_a_full_queue_is_busy(make_client: MakeClient) -> None:
    client = make_client(connections_per_origin_max=1, waiting_max=1)
    async with FakeUpstream() as upstream:
        tasks = [asyncio.create_task(client.fetch(upstream.url)) for _ in range(2)]
        peer = await upstream.accept()
        with pytest.raises(GatewayError) as caught:
            await client.fetch(upstream.url)
        assert caught.value.kind is ErrorKind.UPSTREAM_BUSY
        for _ in tasks:
            await peer.read_request()
            await peer.send(OK)
        assert await asyncio.gather(*tasks) == [b"ok", b"ok"]


async def test_waiting_too_long_is_busy_and_loses_no_connection(make_client: MakeClient) -> None:
    client = make_client(connections_per_origin_max=1, wait_s=0.02)
    async with FakeUpstream() as upstream:
        first = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        with pytest.raises(GatewayError) as caught:
            await client.fetch(upstream.url)
        assert caught.value.kind is ErrorKind.UPSTREAM_BUSY
        await peer.read_request()
        await peer.send(OK)
        assert await first == b"ok"
        second = asyncio.create_task(client.fetch(upstream.url))
        await peer.read_request()
        await peer.send(OK)
        assert await second == b"ok"


async def test_the_total_limit_counts_while_waiting(make_client: MakeClient) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream() as upstream:
        first = asyncio.create_task(client.fetch(upstream.url))
        await upstream.accept()
        with pytest.raises(GatewayError) as caught:
            await client.fetch(upstream.url, timeouts=make_timeouts(total_s=0.02))
        assert caught.value.kind is ErrorKind.UPSTREAM_TOTAL_TIMEOUT
        first.cancel()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_waiter_passes_its_turn_on(make_client: MakeClient, turns: int) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream(answers) as upstream:
        holding = await client.ask(upstream.url)
        tasks = [asyncio.create_task(client.fetch(upstream.url)) for _ in range(3)]
        await turn_the_loop()
        await read_all(holding)
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks[0].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await client.fetch(upstream.url)


async def test_a_cut_connections_slot_goes_to_the_next_in_the_queue(
    make_client: MakeClient,
) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream() as upstream:
        first = asyncio.create_task(client.fetch(upstream.url))
        second = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        peer.reset()
        with pytest.raises(GatewayError):
            await first
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(OK)
        assert await second == b"ok"


async def test_a_refused_connection_is_a_connect_failure_and_frees_its_slot(
    make_client: MakeClient,
) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream() as upstream:
        url = upstream.url
    for _ in range(3):
        with pytest.raises(GatewayError) as caught:
            await client.fetch(url)
        assert caught.value.kind is ErrorKind.UPSTREAM_CONNECT
        assert "127.0.0.1" not in caught.value.message
        assert isinstance(caught.value.__cause__, OSError)


async def test_a_name_that_does_not_resolve_is_a_connect_failure(client: Client) -> None:
    with pytest.raises(GatewayError) as caught:
        await client.fetch("http://" + "a" * 64 + ".invalid")
    assert caught.value.kind is ErrorKind.UPSTREAM_CONNECT
    assert "invalid" not in caught.value.message


async def test_a_slow_handshake_is_a_connect_timeout_and_leaves_no_socket(client: Client) -> None:
    async with FakeUpstream() as upstream:
        url = upstream.url.replace("http:", "https:")
        with pytest.raises(GatewayError) as caught:
            await client.fetch(url, timeouts=make_timeouts(connect_s=0.03))
        assert caught.value.kind is ErrorKind.UPSTREAM_CONNECT_TIMEOUT
        async with asyncio.timeout(1):
            await (await upstream.accept()).closed()


async def test_cancelling_while_connecting_leaves_no_socket(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.fetch(upstream.url.replace("http:", "https:")))
        peer = await upstream.accept()
        await peer.reader.read(1)
        asking.cancel()
        async with asyncio.timeout(0.5):
            await peer.closed()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_closing_the_pool_ends_everything(make_client: MakeClient) -> None:
    client = make_client(connections_per_origin_max=1)
    async with FakeUpstream() as upstream:
        tasks = [asyncio.create_task(client.fetch(upstream.url)) for _ in range(2)]
        peer = await upstream.accept()
        await peer.read_request()
        await client.pool.close()
        await client.pool.close()
        tasks.append(asyncio.create_task(client.fetch(upstream.url)))
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(failure, GatewayError)
            assert failure.kind is ErrorKind.SHUTTING_DOWN
        await peer.closed()
