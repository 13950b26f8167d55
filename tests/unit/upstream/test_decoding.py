"""gzip and deflate in any pieces, and bombs that cost no memory."""

import asyncio
import gzip
import zlib

import pytest

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.decoding import Decoder, choose_decoder
from nagara.upstream.exchange import DECODED_PIECE_BYTES_MAX
from tests.fakes import FakeUpstream, Peer
from tests.unit.upstream.client import Client

TEXT = bytes(range(256)) * 40


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


FORMS = {
    "gzip": (b"gzip", gzip.compress(TEXT)),
    "x-gzip": (b" X-GZip", gzip.compress(TEXT)),
    "two members": (b"gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    "padded": (b"gzip", gzip.compress(TEXT) + b"\0" * 50),
    "padded by one": (b"gzip", gzip.compress(TEXT) + b"\0"),
    "zlib": (b"deflate", zlib.compress(TEXT)),
    "raw": (b"deflate", raw_deflate(TEXT)),
}


def make_decoder(coding: bytes) -> Decoder:
    decoder = choose_decoder(coding)
    assert decoder is not None
    return decoder


def take_all(decoder: Decoder, bytes_max: int) -> bytes:
    pieces = []
    while piece := decoder.take(bytes_max):
        assert len(piece) <= bytes_max
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@pytest.mark.parametrize("form", FORMS)
def test_any_pieces_decode_to_the_same(form: str, size: int) -> None:
    coding, data = FORMS[form]
    decoder = make_decoder(coding)
    decoded = b""
    for at in range(0, len(data), size):
        decoder.feed(data[at : at + size])
        decoded += take_all(decoder, 333)
    decoder.close()
    assert decoded == TEXT


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_no_bytes_at_all_are_an_empty_body(coding: bytes) -> None:
    decoder = make_decoder(coding)
    assert decoder.take(10) == b""
    decoder.close()


@pytest.mark.parametrize("form", ["gzip", "two members", "zlib", "raw"])
def test_input_that_breaks_off_is_a_cut(form: str) -> None:
    coding, data = FORMS[form]
    for length in (1, len(data) // 2, len(data) - 1):
        decoder = make_decoder(coding)
        decoder.feed(data[:length])
        take_all(decoder, 1 << 20)
        with pytest.raises(GatewayError) as caught:
            decoder.close()
        assert caught.value.kind is ErrorKind.UPSTREAM_CUT


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_input_that_is_something_else_is_a_protocol_failure(coding: bytes) -> None:
    decoder = make_decoder(coding)
    decoder.feed(b'{"error": "not compressed at all"}')
    with pytest.raises(GatewayError) as caught:
        take_all(decoder, 100)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL
    assert isinstance(caught.value.__cause__, zlib.error)


def test_a_coding_that_was_not_asked_for_is_refused() -> None:
    for coding in (b"br", b"zstd", b"gzip, gzip"):
        with pytest.raises(GatewayError) as caught:
            choose_decoder(coding)
        assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_identity_needs_no_decoder() -> None:
    assert choose_decoder(b"identity") is None
    assert choose_decoder(b"") is None


async def answer_with(wire: bytes, client: Client, *headers: bytes) -> list[bytes]:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(wire, *headers)

    async with FakeUpstream(script) as upstream:
        answer = await client.ask(upstream.url)
        assert answer.headers == [(b"x-other", b"1")]
        pieces = []
        while piece := await answer.read():
            pieces.append(piece)
        return pieces


@pytest.mark.parametrize("form", ["gzip", "zlib", "raw"])
async def test_an_encoded_answer_is_read_decoded_and_says_nothing_of_it(
    client: Client, form: str
) -> None:
    coding, data = FORMS[form]
    pieces = await answer_with(data, client, b"content-encoding: " + coding, b"x-other: 1")
    assert b"".join(pieces) == TEXT


async def test_a_bomb_is_read_in_pieces_of_bounded_size(client: Client) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    pieces = await answer_with(bomb, client, b"content-encoding: gzip", b"x-other: 1")
    assert sum(map(len, pieces)) == 50_000_000
    assert max(map(len, pieces)) <= DECODED_PIECE_BYTES_MAX


async def test_a_streamed_gzip_answer_is_read_as_it_comes(client: Client) -> None:
    async with FakeUpstream() as upstream:
        asking = asyncio.create_task(client.ask(upstream.url))
        peer = await upstream.accept()
        await peer.read_request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        answer = await asking
        compressor = zlib.compressobj(wbits=31)
        for text in (b"one", b"two"):
            piece = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
            await peer.send_chunks(*(piece[at : at + 1] for at in range(len(piece))))
            assert await answer.read() == text
        await peer.send_chunks(b"")
        with pytest.raises(GatewayError) as caught:
            await answer.read()
        assert caught.value.kind is ErrorKind.UPSTREAM_CUT
