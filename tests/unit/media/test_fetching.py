"""Files by their addresses, from real servers that mean well or do not."""

import asyncio
import base64
import contextlib
import gzip
import itertools
import os
import re
import socket
import struct
import tempfile
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.fakes import FakeUpstream, Peer
from tests.unit.upstream.certificates import Certificates
from tests.unit.upstream.client import make_limits

from nagara.dialects.addresses import FetchedFile, Wanted
from nagara.dialects.media_types import FileType
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import MediaKind
from nagara.media.fetching import Fetcher, FetchLimits
from nagara.runtime import SystemClock
from nagara.upstream.bounds import Timeouts
from nagara.upstream.one_off import (
    LOOKUPS_AT_ONCE_MAX,
    OneOffClient,
    OneOffLimits,
    SystemResolver,
)
from nagara.upstream.proxy import ProxySettings, read_proxy_settings
from nagara.upstream.public_addresses import read_networks

HOST = "files.example"
PARAM = "messages[0].content[1].image_url.url"
MIB = 2**20
LIMITS = {
    "files_max": 5,
    "file_bytes_max": MIB,
    "files_bytes_max": 2 * MIB,
    "redirects_max": 3,
    "timeout_s": 5.0,
    "at_once_max": 2,
}


def png(width: int = 1, height: int = 1, data: bytes = b"\0\0\0\0\0") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


PNG = png()
NO_PROXIES = ProxySettings()
Get = Callable[[Peer, bytes], Awaitable[None]]


class Names:
    """A resolver that says, look-up by look-up, what it was told to."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answer = next(self.answers)
        if not answer:
            raise OSError("no such name")
        return answer


class Web:
    """A server with files behind TLS, and a fetcher that finds it by its name."""

    def __init__(self, certificates: Certificates, get: Get) -> None:
        self.certificates = certificates
        self.requests: list[tuple[bytes, list[tuple[bytes, bytes]]]] = []
        self.upstream = FakeUpstream(self._serve, tls=certificates.server(HOST))
        self._get = get

    async def _serve(self, peer: Peer) -> None:
        while request := await peer.read_request():
            self.requests.append((request.target, request.headers))
            await self._get(peer, request.target)

    def url(self, path: str = "/a.png", host: str = HOST) -> str:
        return f"https://{host}:{self.upstream.port}{path}"

    def fetcher(
        self,
        names: Names | None = None,
        allowed: Sequence[str] = ("127.0.0.1",),
        proxies: ProxySettings = NO_PROXIES,
        **limits: Any,
    ) -> Fetcher:
        bounds = FetchLimits(**{**LIMITS, **limits})
        timeouts = Timeouts(connect_s=2.0, first_byte_s=5.0, idle_s=5.0, total_s=5.0)
        client = OneOffClient(
            OneOffLimits(
                pool=make_limits(body_bytes_max=bounds.file_bytes_max),
                timeouts=timeouts,
                networks_allowed=read_networks(allowed),
            ),
            self.certificates.settings,
            proxies,
            SystemClock(),
            b"nagara/test",
            names or Names(["127.0.0.1"]),
        )
        return Fetcher(client, bounds)

    async def fetch(self, path: str = "/a.png", **fetcher: Any) -> FetchedFile:
        return await fetch_one(self.fetcher(**fetcher), self.url(path))


async def fetch_one(fetcher: Fetcher, url: str, kind: MediaKind = MediaKind.IMAGE) -> FetchedFile:
    return (await fetcher.fetch([Wanted(url, kind, PARAM)], {}))[url]


async def refusal(work: Awaitable[object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await work
    error = caught.value
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.param == PARAM
    # Their own address may be repeated, and no other be told.
    told = re.sub("at '.*?'", "", error.message)
    for secret in ("127.0.0", "10.0.0", "169.254", "localhost", "::1"):
        assert secret not in told
    return error


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def serve(certificates: Certificates) -> AsyncIterator[Callable[[Get], Awaitable[Web]]]:
    webs: list[Web] = []

    async def begin(get: Get) -> Web:
        web = Web(certificates, get)
        await web.upstream.__aenter__()
        webs.append(web)
        return web

    yield begin
    for web in webs:
        await web.upstream.__aexit__(None, None, None)


Serve = Callable[[Get], Awaitable[Web]]


async def give_png(peer: Peer, target: bytes) -> None:
    await peer.answer(PNG, b"content-type: text/html")


def answering(body: bytes, *headers: bytes, status: int = 200) -> Get:
    async def get(peer: Peer, target: bytes) -> None:
        await peer.answer(body, *headers, status=status)

    return get


async def test_file_is_the_bytes_that_the_server_gave(serve: Serve) -> None:
    web = await serve(give_png)
    names = Names(["127.0.0.1"])
    file = await web.fetch("/a b/%20c/é.png?q=ö&sig=a%2Fb#here".replace(" ", "%20"), names=names)
    assert base64.b64decode(file.data) == PNG
    assert file.type == FileType(MediaKind.IMAGE, "image/png")
    [(target, headers)] = web.requests
    assert target == b"/a%20b/%20c/%C3%A9.png?q=%C3%B6&sig=a%2Fb"
    assert dict(headers)[b"host"] == f"{HOST}:{web.upstream.port}".encode()
    assert {name for name, _ in headers} == {
        b"host", b"accept", b"accept-encoding", b"user-agent", b"connection",
    }  # fmt: skip
    assert names.asked == [HOST]


async def test_name_is_resolved_once_and_never_again(serve: Serve) -> None:
    """A second look-up (DNS rebinding) would lead to where nothing may be fetched from."""
    web = await serve(give_png)
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    await refusal(web.fetch(names=names, allowed=["127.0.0.2"]))
    assert names.asked == [HOST]
    assert not web.upstream.peers


async def test_only_those_of_a_hosts_addresses_are_tried_that_may_be(serve: Serve) -> None:
    web = await serve(give_png)
    names = Names(["10.0.0.1", "169.254.169.254", "::1", "127.0.0.1"])
    assert (await web.fetch(names=names)).data
    assert len(web.upstream.peers) == 1


async def test_second_address_is_tried_where_the_first_does_not_answer(serve: Serve) -> None:
    web = await serve(give_png)
    names = Names(["127.0.0.3", "127.0.0.1"])
    assert (await web.fetch(names=names, allowed=["127.0.0.0/8"])).data


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::ffff:127.0.0.1"], ["::1"], ["10.0.0.1"], ["169.254.169.254"], ["0.0.0.0"],
     ["fd00:ec2::254"], ["100.64.0.1"], [], ["not an address"]],
)  # fmt: skip
async def test_host_that_is_not_public_is_one_error_with_one_that_is_not_there(
    serve: Serve, addresses: list[str]
) -> None:
    web = await serve(give_png)
    error = await refusal(web.fetch(names=Names(addresses), allowed=()))
    assert not web.upstream.peers
    missing = await refusal(web.fetch(names=Names([]), allowed=()))
    assert error.message == missing.message
    assert f"'https://{HOST}:{web.upstream.port}/a.png'" in error.message


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "2130706433", "0x7f000001",
     "0177.0.0.1", "127.1", "0", "127.0.0.1.", "[fe80::1%251]", "[64:ff9b::7f00:1]",
     "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"],
)  # fmt: skip
async def test_this_machine_is_not_asked_however_it_is_written(serve: Serve, host: str) -> None:
    web = await serve(give_png)
    # What the system would make of these names, if it were asked.
    names = Names(["127.0.0.1"])
    await refusal(fetch_one(web.fetcher(names=names, allowed=()), web.url(host=host)))
    assert not web.upstream.peers


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://files.example/a.png", "must begin with https://"),
        ("ftp://files.example/a.png", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https://user:pw@files.example/a.png", "user name or password"),
        ("https://@files.example/a.png", "user name or password"),
        ("https://files.example/a\r\nhost: b", "control characters"),
        ("https://files.example/a b", "blanks"),
        ("https://", "not well-formed"),
        ("https://files.example:99999/", "not well-formed"),
        ("https://[::1/", "not well-formed"),
        ("https://exa mple/", "blanks"),
        ("https://a..b/", "not well-formed"),
        ("https://files.example/" + "a" * 9000, "characters"),
    ],
)
async def test_address_that_is_not_fetched_is_refused_before_anything_is_done(
    serve: Serve, url: str, why: str
) -> None:
    web = await serve(give_png)
    names = Names(["127.0.0.1"])
    error = await refusal(fetch_one(web.fetcher(names=names), url))
    assert why in error.message
    assert "pw" not in error.message
    assert not names.asked


def redirecting(where: Callable[[bytes], bytes], status: int = 302) -> Get:
    async def get(peer: Peer, target: bytes) -> None:
        if target == b"/there.png":
            await peer.answer(PNG)
            return
        await peer.answer(b"see there", b"location: " + where(target), status=status)

    return get


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_followed(serve: Serve, status: int) -> None:
    web = await serve(redirecting(lambda _: b"/there.png", status))
    names = Names(["127.0.0.1"])
    assert (await web.fetch("/here/a.png", names=names)).data
    assert [target for target, _ in web.requests] == [b"/here/a.png", b"/there.png"]
    # Each is looked up and checked like the first.
    assert names.asked == [HOST, HOST]


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.2:{port}/there.png", "https://localhost:{port}/there.png",
     "https://2130706434:{port}/there.png", "https://[::ffff:127.0.0.2]:{port}/there.png",
     "http://files.example:{port}/there.png", "http://169.254.169.254/latest/meta-data",
     "https://u:p@files.example:{port}/there.png", "file:///etc/passwd", "gopher://x", "//",
     "https://[", "\xff\xfe", "data:image/png;base64,AAAA"],
)  # fmt: skip
async def test_redirect_to_where_nothing_is_fetched_from_is_refused(
    serve: Serve, location: str
) -> None:
    web = await serve(lambda peer, target: peer.answer(
        b"", b"location: " + location.format(port=web.upstream.port).encode("latin-1"), status=302
    ))  # fmt: skip
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    await refusal(web.fetch(names=names))
    assert [target for target, _ in web.requests] == [b"/a.png"]


async def test_redirect_by_a_name_that_has_moved_to_loopback_is_refused(serve: Serve) -> None:
    web = await serve(redirecting(lambda _: b"/there.png"))
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    await refusal(web.fetch(names=names))
    assert names.asked == [HOST, HOST]
    assert len(web.requests) == 1


async def test_redirects_are_bounded(serve: Serve) -> None:
    web = await serve(redirecting(lambda target: target + b"1"))
    error = await refusal(web.fetch("/"))
    assert "redirects more than 3 times" in error.message
    assert len(web.requests) == 4


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
        (b"<!doctype html><script>", "a page of HTML"),
        (b"MZ\x90\0" + bytes(100), "of a type that is not known"),
        (b"", "empty"),
    ],
)
async def test_what_no_model_reads_is_refused_whatever_its_server_calls_it(
    serve: Serve, body: bytes, told: str
) -> None:
    web = await serve(answering(body, b"content-type: image/png"))
    error = await refusal(web.fetch())
    assert told in error.message


async def test_image_is_no_pdf(serve: Serve) -> None:
    web = await serve(answering(b"%PDF-1.7\n" + bytes(2000), b"content-type: image/png"))
    error = await refusal(web.fetch())
    assert "must be an image file" in error.message
    file = await fetch_one(web.fetcher(), web.url(), MediaKind.DOCUMENT)
    assert file.type.media_type == "application/pdf"


@pytest.mark.parametrize("status", [204, 206, 304, 400, 404, 500])
async def test_answer_other_than_200_is_refused(serve: Serve, status: int) -> None:
    web = await serve(answering(b"" if status in (204, 304) else PNG, status=status))
    assert f"answers {status}" in (await refusal(web.fetch())).message


async def test_declared_length_beyond_the_bound_is_not_read(serve: Serve) -> None:
    async def get(peer: Peer, target: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n" + PNG)
        await peer.closed()
        closed.set()

    closed = asyncio.Event()
    web = await serve(get)
    error = await refusal(web.fetch())
    assert f"more than {MIB} bytes" in error.message
    await asyncio.wait_for(closed.wait(), 5)


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


@contextmanager
def pouring(certificates: Certificates) -> Iterator[int]:
    """A thread whose every answer is endless; its port. It keeps nothing of a connection."""
    context = certificates.server(HOST)
    beginning = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    beginning += b"%x\r\n%b\r\n" % (len(PNG), PNG)
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"

    def run() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(20)
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as peer:
                peer.recv(65536)
                peer.sendall(beginning)
                while True:
                    peer.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_endless_body_ends_at_the_bound_and_memory_stays_flat(
    certificates: Certificates,
) -> None:
    web = Web(certificates, give_png)
    before = 0
    with pouring(certificates) as web.upstream.port:
        for i in range(150):
            error = await refusal(web.fetch())
            assert f"more than {MIB} bytes" in error.message
            # By now as many wait for the collector of cycles as ever will.
            before = resident_bytes() if i == 30 else before
    assert resident_bytes() - before < 16 * MIB


async def test_answer_that_unpacks_to_gigabytes_ends_at_the_bound(serve: Serve) -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = squeeze.compress(PNG) + b"".join(squeeze.compress(bytes(MIB)) for _ in range(900))
    bomb += squeeze.flush()
    assert len(bomb) < MIB
    web = await serve(answering(bomb, b"content-encoding: gzip"))
    before = resident_bytes()
    error = await refusal(web.fetch())
    assert f"more than {MIB} bytes" in error.message
    assert resident_bytes() - before < 16 * MIB


async def test_packed_answer_that_is_small_is_a_file_like_any_other(serve: Serve) -> None:
    web = await serve(answering(gzip.compress(PNG), b"content-encoding: gzip"))
    assert base64.b64decode((await web.fetch()).data) == PNG


async def test_picture_that_would_unpack_to_gigabytes_is_bytes_here(serve: Serve) -> None:
    # 60,000 by 60,000 pixels of four bytes: 14 GB for whoever decodes it.
    picture = png(60_000, 60_000, bytes(64 * MIB))
    assert len(picture) < MIB
    web = await serve(answering(picture))
    await web.fetch()
    before = resident_bytes()
    file = await web.fetch()
    assert base64.b64decode(file.data) == picture
    assert resident_bytes() - before < 8 * MIB


async def test_nothing_is_put_on_the_disk(
    serve: Serve, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    descriptors = len(os.listdir("/proc/self/fd"))
    web = Web(certificates, give_png)
    with pouring(certificates) as web.upstream.port:
        await refusal(web.fetch())
    fine = await serve(give_png)
    await fine.fetch()
    assert not os.listdir(tmp_path)
    for _ in range(10):
        # An aborted socket is closed by the loop, a turn or two later.
        await asyncio.sleep(0)
    # The listening socket, and the server's end until it notices.
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2


@pytest.mark.parametrize("where", ["head", "body", "handshake"])
async def test_server_that_is_slow_is_given_up(
    serve: Serve, certificates: Certificates, where: str
) -> None:
    async def get(peer: Peer, target: bytes) -> None:
        if where == "body":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + PNG)
        await peer.stall()

    web = await serve(get)
    if where == "handshake":
        async with FakeUpstream(lambda peer: peer.stall()) as plain:
            web.upstream.port = plain.port
            error = await refusal(web.fetch(timeout_s=0.2))
    else:
        error = await refusal(web.fetch(timeout_s=0.2))
    assert "took more than 0.2 s" in error.message


async def test_drop_by_drop_is_no_way_around_the_time(serve: Serve) -> None:
    async def get(peer: Peer, target: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" + PNG)
        while True:
            await peer.send(b"\0")
            await asyncio.sleep(0.01)

    web = await serve(get)
    assert "took more than 0.3 s" in (await refusal(web.fetch(timeout_s=0.3))).message


async def test_file_that_breaks_off_is_no_file(serve: Serve) -> None:
    async def get(peer: Peer, target: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + PNG)
        peer.close()

    web = await serve(get)
    assert "broke off" in (await refusal(web.fetch())).message


async def test_certificate_has_to_be_the_names(serve: Serve, certificates: Certificates) -> None:
    web = await serve(give_png)
    error = await refusal(fetch_one(web.fetcher(), web.url(host="other.example")))
    assert "certificate" in error.message
    assert not web.requests


async def test_noise_is_no_answer(serve: Serve) -> None:
    async def get(peer: Peer, target: bytes) -> None:
        await peer.send(b"SSH-2.0-OpenSSH_9.7\r\n")

    web = await serve(get)
    error = await refusal(web.fetch())
    assert "HTTP/1.1" in error.message
    assert "SSH-" not in error.message


async def test_plain_http_is_fetched_where_the_operator_allows_it(
    certificates: Certificates,
) -> None:
    web = Web(certificates, give_png)
    web.upstream = FakeUpstream(web._serve)
    async with web.upstream:
        url = f"http://{HOST}:{web.upstream.port}/a.png"
        assert (await fetch_one(web.fetcher(allows_http=True), url)).data
        await refusal(fetch_one(web.fetcher(), url))


async def test_same_address_is_fetched_once_and_others_beside_it(serve: Serve) -> None:
    running = most = 0

    async def get(peer: Peer, target: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        await peer.answer(PNG + target)

    web = await serve(get)
    fetcher = web.fetcher()
    urls = [web.url(f"/{i}") for i in range(4)]
    wanted = [Wanted(url, MediaKind.IMAGE, PARAM) for url in (*urls, *urls)]
    wanted.append(Wanted(urls[0], MediaKind.DOCUMENT, PARAM))
    files = await fetcher.fetch(wanted, {})
    assert list(files) == urls
    assert base64.b64decode(files[urls[3]].data).endswith(b"/3")
    assert len(web.requests) == 4
    assert most == 2
    # What is known already is not asked for again.
    assert (await fetcher.fetch(wanted, files)) == files
    assert len(web.requests) == 4


async def test_number_of_files_is_bounded_for_the_request(serve: Serve) -> None:
    web = await serve(give_png)
    fetcher = web.fetcher(files_max=2)
    wanted = [Wanted(web.url(f"/{i}"), MediaKind.IMAGE, PARAM) for i in range(3)]
    assert "At most 2 files" in (await refusal(fetcher.fetch(wanted, {}))).message
    assert not web.requests
    known = await fetcher.fetch(wanted[:2], {})
    assert "At most 2 files" in (await refusal(fetcher.fetch(wanted, known))).message


async def test_bytes_of_all_files_together_are_bounded(serve: Serve) -> None:
    web = await serve(answering(PNG + bytes(900_000)))
    wanted = [Wanted(web.url(f"/{i}"), MediaKind.IMAGE, PARAM) for i in range(3)]
    error = await refusal(web.fetcher().fetch(wanted, {}))
    assert f"more than {2 * MIB} bytes" in error.message
    fetcher = web.fetcher()
    known = await fetcher.fetch(wanted[:2], {})
    error = await refusal(fetcher.fetch(wanted, known))
    assert f"more than {2 * MIB} bytes" in error.message


async def test_one_that_fails_stops_the_others(serve: Serve) -> None:
    left = asyncio.Event()

    async def get(peer: Peer, target: bytes) -> None:
        if target == b"/bad":
            await peer.answer(b"no", status=404)
            return
        await peer.closed()
        left.set()

    web = await serve(get)
    wanted = [Wanted(web.url(path), MediaKind.IMAGE, PARAM) for path in ("/slow", "/bad")]
    assert "answers 404" in (await refusal(web.fetcher().fetch(wanted, {}))).message
    await asyncio.wait_for(left.wait(), 5)


async def test_cancelling_closes_every_connection(serve: Serve) -> None:
    left = asyncio.Event()
    came = asyncio.Event()

    async def get(peer: Peer, target: bytes) -> None:
        came.set()
        await peer.closed()
        left.set()

    web = await serve(get)
    task = asyncio.ensure_future(web.fetch())
    await asyncio.wait_for(came.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(left.wait(), 5)


async def tunnel(peer: Peer, port: int) -> None:
    """What a proxy does once it has been asked for a way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(copy(peer.reader, writer), copy(reader, peer.writer))


async def test_proxy_is_asked_for_the_address_that_was_checked(serve: Serve) -> None:
    asked: list[bytes] = []

    async def proxy(peer: Peer) -> None:
        request = await peer.read_head()
        assert request is not None
        asked.append(request.method + b" " + request.target)
        await tunnel(peer, web.upstream.port)

    web = await serve(give_png)
    async with FakeUpstream(proxy) as front:
        proxies = read_proxy_settings({"https_proxy": front.url})
        # No connection is made to it from here, so any public address will do.
        names = Names(["10.0.0.1", "93.184.215.14"])
        assert (await web.fetch(names=names, allowed=(), proxies=proxies)).data
        await refusal(web.fetch(names=Names(["10.0.0.1"]), allowed=(), proxies=proxies))
    assert asked == [f"CONNECT 93.184.215.14:{web.upstream.port}".encode()]
    [(_, headers)] = web.requests
    assert dict(headers)[b"host"] == f"{HOST}:{web.upstream.port}".encode()


async def test_public_address_of_this_machine_is_not_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall before the machine does not stand between it and itself."""
    web = await serve(give_png)
    monkeypatch.setattr("nagara.upstream.one_off.may_connect", lambda *_: True)
    await refusal(web.fetch(allowed=()))
    assert not web.upstream.peers


async def test_system_is_asked_for_names_from_threads_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(host: str, *args: Any, **kinds: Any) -> list[Any]:
        threads.add(threading.current_thread().name)
        assert let_go.wait(10)
        return [(2, 1, 6, "", ("9.9.9.9", 443)), (2, 1, 6, "", ("9.9.9.9", 443))]

    threads: set[str] = set()
    let_go = threading.Event()
    resolve = SystemResolver()
    assert "127.0.0.1" in await resolve("localhost", 443)
    with pytest.raises(socket.gaierror):
        await resolve("no-such-name.invalid", 443)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    looking = [asyncio.ensure_future(resolve("slow.example", 443)) for _ in range(20)]
    # The loop's own threads are free all the while.
    assert await asyncio.to_thread(lambda: "free") == "free"
    let_go.set()
    assert await asyncio.gather(*looking) == [["9.9.9.9"]] * 20
    assert len(threads) <= LOOKUPS_AT_ONCE_MAX


def test_nothing_is_fetched_of_none(certificates: Certificates) -> None:
    web = Web(certificates, give_png)
    assert web.fetcher().is_enabled
    assert not web.fetcher(files_max=0).is_enabled
