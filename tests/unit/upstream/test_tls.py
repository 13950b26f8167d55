"""TLS over real sockets: whom we trust, and that a broken connection is still told apart."""

import asyncio
from pathlib import Path

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.tls import TlsSettings, make_tls_context
from tests.fakes import FakeUpstream, Peer
from tests.unit.upstream.certificates import Certificates
from tests.unit.upstream.client import Client
from tests.unit.upstream.conftest import MakeClient

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def answers(peer: Peer) -> None:
    while await peer.read_request():
        await peer.answer(b"%d" % peer.request_count)


async def failure_of(client: Client, url: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await client.fetch(url)
    assert "localhost" not in caught.value.message
    return caught.value


async def test_a_certificate_of_the_given_bundle_is_trusted(
    make_client: MakeClient, certificates: Certificates
) -> None:
    client = make_client(tls=certificates.settings)
    async with FakeUpstream(answers, tls=certificates.server("localhost")) as upstream:
        assert await client.fetch(upstream.url) == b"1"
        assert await client.fetch(upstream.url) == b"2"
        chosen = upstream.peers[0].writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert chosen == "http/1.1"


async def test_a_certificate_for_an_address_is_trusted(
    make_client: MakeClient, certificates: Certificates
) -> None:
    client = make_client(tls=certificates.settings)
    async with FakeUpstream(answers, tls=certificates.server("127.0.0.1")) as upstream:
        assert await client.fetch(f"https://127.0.0.1:{upstream.port}") == b"1"


async def test_a_certificate_for_another_name_is_refused(
    make_client: MakeClient, certificates: Certificates
) -> None:
    client = make_client(tls=certificates.settings)
    async with FakeUpstream(answers, tls=certificates.server("other.test")) as upstream:
        failure = await failure_of(client, upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_TLS


async def test_a_certificate_of_an_unknown_authority_is_refused(
    client: Client, certificates: Certificates
) -> None:
    async with FakeUpstream(answers, tls=certificates.server("localhost")) as upstream:
        failure = await failure_of(client, upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_TLS


async def test_an_upstream_that_does_not_speak_tls_is_a_tls_failure(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.stall()

    async with FakeUpstream(script) as upstream:
        failure = await failure_of(client, upstream.url.replace("http:", "https:"))
        assert failure.kind is ErrorKind.UPSTREAM_TLS


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_an_answer_that_breaks_off_under_tls_is_a_cut(
    make_client: MakeClient, certificates: Certificates, ending: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED + b"5\r\nab")
        if ending == "close":
            peer.close()
        else:
            peer.writer.transport.abort()

    client = make_client(tls=certificates.settings)
    async with FakeUpstream(script, tls=certificates.server("localhost")) as upstream:
        failure = await failure_of(client, upstream.url)
        assert failure.kind is ErrorKind.UPSTREAM_CUT


async def test_abort_closes_a_tls_connection_at_once(
    make_client: MakeClient, certificates: Certificates
) -> None:
    client = make_client(tls=certificates.settings)
    async with FakeUpstream(tls=certificates.server("localhost")) as upstream:
        asking = asyncio.create_task(client.ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(CHUNKED)
        answer = await asking
        answer.abort()
        async with asyncio.timeout(0.05):
            await peer.closed()


def test_the_context_is_made_once(certificates: Certificates) -> None:
    assert make_tls_context(certificates.settings) is make_tls_context(certificates.settings)


@pytest.mark.parametrize("content", [None, b"", b"not pem"])
def test_a_bundle_that_cannot_be_used_is_refused_with_its_name(
    tmp_path: Path, content: bytes | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(ValueError, match=r"bundle\.pem"):
        make_tls_context(TlsSettings(str(bundle)))
