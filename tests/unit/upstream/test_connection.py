"""One connection, driven over a real socket by a scripted upstream."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from tests.fakes import FakeUpstream, Peer
from tests.unit.upstream.client import Client, make_timeouts, read_all
from tests.unit.upstream.conftest import MakeClient

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
OK_HI = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Name: Value\r\n\r\nhi"


def sends(*pieces: bytes, then_close: bool = False) -> FakeUpstream:
    """An upstream that answers every request with these pieces."""

    async def script(peer: Peer) -> None:
        while await peer.read_request():
            await peer.send(*pieces)
            if then_close:
                peer.close()
                return

    return FakeUpstream(script)


async def failure_of(client: Client, url: str, **request: object) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await client.fetch(url, **request)
    return caught.value


async def test_answer_has_status_lower_case_headers_and_body(client: Client) -> None:
    async with sends(OK_HI) as upstream:
        answer = await client.ask(upstream.url)
        assert answer.status == 200
        assert answer.headers == [(b"content-length", b"2"), (b"x-name", b"Value")]
        assert await answer.read() == b"hi"
        assert await answer.read() == b""
        assert await answer.read() == b""


async def test_request_arrives_as_it_was_given(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(
            client.ask(upstream.url, target=b"/v1/x?a=b", headers=[(b"a", b"1")], body=b"body")
        )
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert (request.method, request.target, request.body) == (b"POST", b"/v1/x?a=b", b"body")
        assert request.headers == [
            (b"host", b"127.0.0.1:%d" % upstream.port),
            (b"a", b"1"),
            (b"content-length", b"4"),
        ]
        await peer.answer(b"")
        assert await read_all(await asking) == b""


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_request_without_a_body_has_no_framing(client: Client, method: bytes) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, method=method, body=b""))
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert request.header(b"content-length") is None
        await peer.answer(b"")
        await asking


async def test_a_body_too_long_to_join_arrives_whole(client: Client) -> None:
    body = bytes(range(256)) * 4096
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, body=body))
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert request.body == body
        await peer.answer(b"")
        await asking


WIRE_FORMS = {
    "length": (OK_HI, b"hi"),
    "chunks": (CHUNKED + b"2\r\nhi\r\n3;x=y\r\n yo\r\n0\r\nx-t: 1\r\n\r\n", b"hi yo"),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\n" + OK_HI, b"hi"),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "204": (b"HTTP/1.1 204 No\r\n\r\n", b""),
    "304": (b"HTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n", b""),
}


@pytest.mark.parametrize("form", WIRE_FORMS)
async def test_any_split_of_the_bytes_gives_the_same_answer(client: Client, form: str) -> None:
    wire, expected = WIRE_FORMS[form]
    splits: list[tuple[bytes, ...]] = [(wire[:at], wire[at:]) for at in range(1, len(wire))]
    splits.append(tuple(wire[at : at + 1] for at in range(len(wire))))

    async def script(peer: Peer) -> None:
        for pieces in splits:
            await peer.read_request()
            await peer.send(*pieces)
        await peer.stall()

    async with FakeUpstream(script) as upstream:
        for _ in splits:
            assert await client.fetch(upstream.url) == expected
        assert len(upstream.peers) == 1


async def test_pieces_that_arrived_together_are_read_together(client: Client) -> None:
    chunks = b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n"
    async with sends(CHUNKED + chunks, b"0\r\n\r\n") as upstream:
        answer = await client.ask(upstream.url)
        assert await answer.read() == b"abc"
        assert await answer.read() == b""


async def test_a_chunk_is_read_before_the_next_one_comes(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED)
        answer = await asking
        for text in (b"one", b"two", b"three"):
            await peer.send_chunks(text)
            assert await answer.read() == text
        await peer.send_chunks(b"")
        assert await answer.read() == b""


async def test_a_body_without_framing_ends_with_the_connection(client: Client) -> None:
    async with sends(b"HTTP/1.1 200 OK\r\n\r\nabc", b"def", then_close=True) as upstream:
        assert await client.fetch(upstream.url) == b"abcdef"
        assert await client.fetch(upstream.url) == b"abcdef"
        assert len(upstream.peers) == 2


async def test_a_head_request_has_no_body_and_its_connection_is_not_reused(client: Client) -> None:
    async with sends(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n") as upstream:
        for _ in range(2):
            answer = await client.ask(upstream.url, method=b"HEAD", body=b"")
            assert (answer.status, await answer.read()) == (200, b"")
        assert len(upstream.peers) == 2


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTT",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcd",
        CHUNKED,
        CHUNKED + b"5\r\nab",
        CHUNKED + b"5\r\nabcde\r\n",
        CHUNKED + b"5\r\nabcde\r\n0\r\n",
        CHUNKED + b"5\r\nabcde\r\n0\r\nx-trailer: 1\r\n",
    ],
)
@pytest.mark.parametrize("ending", ["close", "reset", "half close"])
async def test_an_answer_that_breaks_off_is_a_cut(client: Client, wire: bytes, ending: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(wire)
        if ending == "half close":
            peer.half_close()
            await peer.stall()
        elif ending == "reset":
            peer.reset()
        else:
            peer.close()

    async with FakeUpstream(script) as upstream:
        failure = await failure_of(client, upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_CUT
        assert len(upstream.peers) == 1


async def test_what_came_before_the_cut_is_read_first(client: Client) -> None:
    async with sends(CHUNKED + b"3\r\nabc\r\n9\r\nde", then_close=True) as upstream:
        answer = await client.ask(upstream.url)
        assert await answer.read() == b"abcde"
        with pytest.raises(GatewayError):
            await answer.read()
        with pytest.raises(GatewayError):
            await answer.read()


BAD_ANSWERS = {
    "not http": b"SSH-2.0-OpenSSH\r\n",
    "bad chunk size": CHUNKED + b"zz\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n" + CHUNKED[17:],
    "folded header": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
    "nul in header": b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "other transfer coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "unasked content coding": b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n",
    "long header": b"HTTP/1.1 200 OK\r\na: " + b"x" * 20_000 + b"\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\na: " + b"x" * 20_000,
    "endless name": b"HTTP/1.1 200 OK\r\n" + b"x" * 20_000,
    "long head with its body": b"HTTP/1.1 200 OK\r\n"
    + b"a: bcdefghijkl\r\n" * 99
    + b"b: "
    + b"x" * 16_000
    + b"\r\ncontent-length: 1\r\n\r\na",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n",
    "endless interim": b"HTTP/1.1 103 E\r\n\r\n" * 2000,
    "endless trailers": CHUNKED + b"0\r\n" + b"a: b\r\n" * 5000,
    "endless trailer": CHUNKED + b"0\r\na: " + b"x" * 20_000,
    "endless chunk extension": CHUNKED + b"1;" + b"x" * 20_000,
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_is_a_protocol_failure(client: Client, name: str) -> None:
    wire = BAD_ANSWERS[name]

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(*(wire[at : at + 1000] for at in range(0, len(wire), 1000)))
        await peer.stall()

    async with FakeUpstream(script) as upstream:
        failure = await failure_of(client, upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_PROTOCOL
        await upstream.peers[0].closed()


@pytest.mark.parametrize("framing", ["length", "chunked", "gzip"])
async def test_a_body_past_the_limit_is_refused(make_client: MakeClient, framing: str) -> None:
    body = b"x" * 1001
    wire = {
        "length": b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + body,
        "chunked": CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "gzip": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b"
        % (len(gzip.compress(body)), gzip.compress(body)),
    }[framing]
    async with sends(wire) as upstream:
        assert len(await make_client(body_bytes_max=1001).fetch(upstream.url)) == 1001
        failure = await failure_of(make_client(body_bytes_max=1000), upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_TOO_LARGE


async def test_a_body_with_a_limit_is_read_as_it_comes_and_counted_as_a_whole(
    make_client: MakeClient,
) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(make_client(body_bytes_max=5).ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED)
        answer = await asking
        for piece in (b"abc", b"de"):
            reading = asyncio.create_task(answer.read())
            await asyncio.sleep(0)
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert await reading == piece
        await peer.send(b"1\r\nf\r\n")
        with pytest.raises(GatewayError) as caught:
            await read_all(answer)
        assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE
        await peer.closed()


async def test_a_trailer_has_its_limit_while_body_waits_to_be_read(make_client: MakeClient) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(make_client(head_bytes_max=1000).ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED + b"2\r\nhi\r\n")
        answer = await asking
        await peer.send(b"0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                await peer.send(b"x-trailer: %b\r\n" % (b"y" * 100))
        await peer.closed()
        assert await answer.read() == b"hi"
        with pytest.raises(GatewayError) as caught:
            await answer.read()
        assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


async def test_a_body_of_too_great_a_declared_length_is_refused_with_its_head(
    make_client: MakeClient,
) -> None:
    async with sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n") as upstream:
        with pytest.raises(GatewayError) as caught:
            await make_client(body_bytes_max=1000).ask(upstream.url)
        assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE


async def test_a_body_in_the_same_read_does_not_count_as_head(make_client: MakeClient) -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n" + b"x" * 20_000
    async with sends(wire) as upstream:
        assert len(await make_client(head_bytes_max=1000).fetch(upstream.url)) == 20_000


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_streamed_body_is_chunked(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, body=pieces_of(b"ab", b"", b"cde")))
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert request.header(b"transfer-encoding") == b"chunked"
        assert request.body == b"abcde"
        await peer.answer(b"ok")
        assert await read_all(await asking) == b"ok"


async def test_a_streamed_body_of_declared_length_is_not_chunked(client: Client) -> None:
    async with FakeUpstream() as upstream:
        headers = [(b"content-length", b"5")]
        asking = asyncio.create_task(
            client.ask(upstream.url, headers=headers, body=pieces_of(b"ab", b"cde"))
        )
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert request.header(b"transfer-encoding") is None
        assert request.body == b"abcde"
        await peer.answer(b"ok")
        assert await read_all(await asking) == b"ok"


@pytest.mark.parametrize("length", [b"4", b"6"])
async def test_a_streamed_body_of_another_length_is_not_sent_to_its_end(
    client: Client, length: bytes
) -> None:
    async with FakeUpstream() as upstream:
        failure = await failure_of(
            client,
            upstream.url,
            headers=[(b"content-length", length)],
            body=pieces_of(b"ab", b"cde"),
        )
        assert failure.kind is ErrorKind.INVALID_REQUEST
        await upstream.peers[0].closed()


async def test_a_failure_of_the_streamed_body_is_raised_and_closes(client: Client) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise LookupError("the caller has left")

    async with FakeUpstream() as upstream:
        with pytest.raises(LookupError):
            await client.ask(upstream.url, body=broken())
        await (await upstream.accept()).closed()


async def endless(sent: list[int]) -> AsyncIterator[bytes]:
    while True:
        sent.append(1)
        yield b"x" * 10_000


async def test_an_early_error_is_read_and_stops_the_upload(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.answer(b"too much", status=413)
        await peer.stall()

    sent: list[int] = []
    async with FakeUpstream(script) as upstream:
        answer = await client.ask(upstream.url, body=endless(sent))
        count = len(sent)
        assert answer.status == 413
        assert await read_all(answer) == b"too much"
        await upstream.peers[0].closed()
        assert len(sent) <= count + 1


async def test_an_early_success_is_read_while_the_upload_goes_on(client: Client) -> None:
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while piece := await steps.get():
            yield piece

    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, body=body()))
        peer = await upstream.accept()
        await peer.read_head()
        await peer.send(CHUNKED)
        answer = await asking
        for piece in (b"one", b"two"):
            steps.put_nowait(piece)
            assert await peer.reader.readexactly(8) == b"3\r\n%b\r\n" % piece
            await peer.send_chunks(piece)
            assert await answer.read() == piece
        steps.put_nowait(b"")
        await peer.send_chunks(b"")
        assert await answer.read() == b""
        await peer.closed()


@pytest.mark.parametrize("name", [b"a b", b"a:b", b"", b"a\r\n", "ä".encode()])
async def test_a_bad_header_name_is_refused(client: Client, name: bytes) -> None:
    async with sends(OK_HI) as upstream:
        failure = await failure_of(client, upstream.url, headers=[(name, b"x")])
        assert failure.kind is ErrorKind.INVALID_REQUEST
        assert upstream.peers == []


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\n", b"\r", b"\0"])
async def test_a_line_break_in_a_header_value_is_refused(client: Client, value: bytes) -> None:
    async with sends(OK_HI) as upstream:
        failure = await failure_of(client, upstream.url, headers=[(b"x", value)])
        assert failure.kind is ErrorKind.INVALID_REQUEST
        assert "'x'" in failure.message
        assert upstream.peers == []


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b"", "/ä".encode()])
async def test_a_bad_target_is_refused(client: Client, target: bytes) -> None:
    async with sends(OK_HI) as upstream:
        failure = await failure_of(client, upstream.url, target=target)
        assert failure.kind is ErrorKind.INVALID_REQUEST


async def test_headers_of_the_connection_are_the_clients_own(client: Client) -> None:
    theirs = [(b"Connection", b"close"), (b"Transfer-Encoding", b"chunked"), (b"HOST", b"evil")]
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, headers=theirs))
        peer = await upstream.accept()
        request = await peer.read_request()
        assert request is not None
        assert [name for name, _ in request.headers] == [b"host", b"content-length"]
        await peer.answer(b"")
        await asking


async def test_the_four_timeouts_are_told_apart(client: Client) -> None:
    async def script(peer: Peer) -> None:
        request = await peer.read_request()
        assert request is not None
        if request.target != b"/first-byte":
            await peer.send(CHUNKED + b"1\r\na\r\n")
        if request.target == b"/total":
            while True:
                await peer.send_chunks(b"a")
        await peer.stall()

    async with FakeUpstream(script) as upstream:
        for target, limit, kind in (
            (b"/first-byte", "first_byte_s", ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT),
            (b"/idle", "idle_s", ErrorKind.UPSTREAM_IDLE_TIMEOUT),
            (b"/total", "total_s", ErrorKind.UPSTREAM_TOTAL_TIMEOUT),
        ):
            timeouts = make_timeouts(**{limit: 0.03})
            failure = await failure_of(client, upstream.url, target=target, timeouts=timeouts)
            assert failure.kind is kind
            await upstream.peers[-1].closed()


async def test_the_total_limit_counts_while_nobody_reads(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED + b"1\r\na\r\n")

    async with FakeUpstream(script) as upstream:
        answer = await client.ask(upstream.url, timeouts=make_timeouts(total_s=0.03))
        await upstream.peers[0].closed()
        assert await answer.read() == b"a"
        with pytest.raises(GatewayError) as caught:
            await answer.read()
        assert caught.value.kind is ErrorKind.UPSTREAM_TOTAL_TIMEOUT


async def test_an_upstream_that_takes_no_body_times_out_as_idle(client: Client) -> None:
    async with FakeUpstream() as upstream:
        timeouts = make_timeouts(idle_s=0.05, first_byte_s=60.0)
        failure = await failure_of(client, upstream.url, body=endless([]), timeouts=timeouts)
        assert failure.kind is ErrorKind.UPSTREAM_IDLE_TIMEOUT


async def test_a_reader_that_takes_its_time_is_not_an_idle_upstream(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url, timeouts=make_timeouts(idle_s=0.02)))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED)
        answer = await asking
        loop = asyncio.get_running_loop()
        past_the_limit = loop.create_future()
        loop.call_later(0.06, past_the_limit.set_result, None)
        await past_the_limit
        await peer.send_chunks(b"late", b"")
        assert await read_all(answer) == b"late"


async def test_abort_closes_the_upstreams_socket_at_once(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED + b"1\r\na\r\n")
        answer = await asking
        answer.abort()
        answer.abort()
        async with asyncio.timeout(0.05):
            await peer.closed()
        with pytest.raises(GatewayError):
            await answer.read()


async def test_abort_after_the_end_leaves_the_connection_in_use(client: Client) -> None:
    async with sends(OK_HI) as upstream:
        for _ in range(3):
            answer = await client.ask(upstream.url)
            await read_all(answer)
            answer.abort()
        assert len(upstream.peers) == 1


@pytest.mark.parametrize("moment", ["head", "body"])
async def test_cancelling_closes_the_upstreams_socket_at_once(client: Client, moment: str) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.fetch(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        if moment == "body":
            await peer.send(CHUNKED + b"1\r\na\r\n")
        asking.cancel()
        async with asyncio.timeout(0.05):
            await peer.closed()
        with pytest.raises(asyncio.CancelledError):
            await asking
