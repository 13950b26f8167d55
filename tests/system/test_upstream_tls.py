"""Providers behind TLS with a private authority, and behind a proxy."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.fakes import FakeUpstream, Peer
from tests.system.caller import call
from tests.system.gateway import GatewayProcess
from tests.system.scripts import CHAT, give_answer, give_stream
from tests.system.stage import CREDENTIAL, wait_for_line

CONFIG = """
[credentials.theirs]
env = "THEIR_KEY"
[providers.theirs]
kind = "compatible"
base_url = "{base_url}/v1"
credential = "theirs"
[models.house-model]
prices = {{ input_mtok = "1", output_mtok = "2" }}
deployments = [{{ provider = "theirs", model = "their-model-2" }}]
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@contextlib.contextmanager
def gateway_before(folder: Path, base_url: str, **environment: str) -> Iterator[GatewayProcess]:
    """A gateway whose one provider is at `base_url`."""
    file = folder / "nagara.toml"
    file.write_text(CONFIG.format(base_url=base_url))
    environment["THEIR_KEY"] = CREDENTIAL
    with GatewayProcess(folder / "data", environment, "--config", str(file)) as gateway:
        yield gateway
        assert CREDENTIAL not in gateway.output


def bundle_of(authority: trustme.CA, folder: Path) -> str:
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def serve(peer: Peer) -> None:
    while request := await peer.read_request():
        await (give_stream if b'"stream"' in request.body else give_answer)(peer, CHAT)


@pytest.mark.parametrize("body", [CHAT.request, CHAT.streamed], ids=["whole", "streamed"])
async def test_private_authority_is_trusted_through_the_bundle(
    tmp_path: Path, authority: trustme.CA, body: dict[str, object]
) -> None:
    async with FakeUpstream(serve, tls=server_side(authority, "localhost")) as upstream:
        bundle = bundle_of(authority, tmp_path)
        with gateway_before(tmp_path, upstream.url, NAGARA_CA_BUNDLE=bundle) as gateway:
            head, _ = await call(gateway, CHAT.path, body)
    assert head.status == 200


@pytest.mark.parametrize("case", ["wrong host", "unknown authority", "no TLS at all"])
async def test_certificate_that_is_not_good_is_502_and_nothing_is_sent(
    tmp_path: Path, authority: trustme.CA, case: str
) -> None:
    name = "elsewhere.example" if case == "wrong host" else "localhost"
    seen: list[object] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.reader.read(100))
        await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        peer.close()

    tls = None if case == "no TLS at all" else server_side(authority, name)
    trusted = trustme.CA() if case == "unknown authority" else authority
    async with FakeUpstream(script, tls=tls) as upstream:
        url = f"https://localhost:{upstream.port}"
        bundle = bundle_of(trusted, tmp_path)
        with gateway_before(tmp_path, url, NAGARA_CA_BUNDLE=bundle) as gateway:
            head, body = await call(gateway, CHAT.path, CHAT.request)
            line = wait_for_line(gateway, lambda line: line["event"] == "attempt_failed")
    assert head.status == 502
    assert b'"upstream_tls"' in body
    assert b"localhost" not in body
    assert line["error"] == "upstream_tls"
    assert all(CREDENTIAL.encode() not in bytes(part) for part in seen if isinstance(part, bytes))


class ConnectProxy:
    """A proxy that takes CONNECT and nothing else; `targets` is where it was asked to go."""

    def __init__(self) -> None:
        self.targets: list[bytes] = []
        self.authorizations: list[bytes | None] = []

    async def script(self, peer: Peer) -> None:
        request = await peer.read_head()
        assert request is not None
        if request.method != b"CONNECT":
            await peer.answer(b"", status=405)
            return
        self.targets.append(request.target)
        self.authorizations.append(request.header(b"proxy-authorization"))
        port = int(request.target.rpartition(b":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def test_https_proxy_of_the_environment_is_gone_through(
    tmp_path: Path, authority: trustme.CA
) -> None:
    proxy = ConnectProxy()
    async with (
        FakeUpstream(serve, tls=server_side(authority, "localhost")) as upstream,
        FakeUpstream(proxy.script) as front,
    ):
        with gateway_before(
            tmp_path,
            upstream.url,
            NAGARA_CA_BUNDLE=bundle_of(authority, tmp_path),
            HTTPS_PROXY=f"http://user:pass@127.0.0.1:{front.port}",
        ) as gateway:
            head, _ = await call(gateway, CHAT.path, CHAT.streamed)
            assert "user:pass" not in gateway.output
    assert head.status == 200
    assert proxy.targets == [f"localhost:{upstream.port}".encode()]
    assert proxy.authorizations == [b"Basic dXNlcjpwYXNz"]


async def test_no_proxy_goes_straight(tmp_path: Path, authority: trustme.CA) -> None:
    proxy = ConnectProxy()
    async with (
        FakeUpstream(serve, tls=server_side(authority, "localhost")) as upstream,
        FakeUpstream(proxy.script) as front,
    ):
        with gateway_before(
            tmp_path,
            upstream.url,
            NAGARA_CA_BUNDLE=bundle_of(authority, tmp_path),
            HTTPS_PROXY=f"http://127.0.0.1:{front.port}",
            NO_PROXY="localhost",
        ) as gateway:
            head, _ = await call(gateway, CHAT.path, CHAT.request)
    assert head.status == 200
    assert proxy.targets == []


async def test_proxy_that_refuses_is_502_and_not_named(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.read_head()
        await peer.answer(b"", status=407)

    async with FakeUpstream(refuse) as front:
        with gateway_before(
            tmp_path, "https://localhost:9", HTTPS_PROXY=f"http://user:pass@127.0.0.1:{front.port}"
        ) as gateway:
            head, body = await call(gateway, CHAT.path, CHAT.request)
            assert "user:pass" not in gateway.output
    assert head.status == 502
    assert b'"upstream_proxy"' in body
    assert str(front.port).encode() not in body
