"""Content codings of answers: gzip and deflate, undone piece by piece.

A decoder gives at most as many bytes as it is asked for and keeps the rest compressed, so that a
decompression bomb costs the memory of one piece, however far it would unfold. It never reads ahead.
A coding that we do not know is refused: handing on bytes that cannot be metered would be worse.
"""

import zlib
from typing import Final

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.failures import CUT_MESSAGE, EXCHANGING, map_failure

ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32
RAW_DEFLATE: Final = -zlib.MAX_WBITS
GZIP_MAGIC: Final = b"\x1f\x8b"


class Decoder:
    """Undoes one content coding. Feed it compressed bytes, take decoded ones while it has any."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._pending = b""
        self._stream: zlib._Decompress | None = None
        self._has_member = False
        self._is_finished = False

    def feed(self, data: bytes) -> None:
        """Add compressed bytes. The caller bounds how many it adds before it takes."""
        self._pending += data

    def take(self, bytes_max: int) -> bytes:
        """Up to `bytes_max` decoded bytes; empty when more input is needed.

        Raises `GatewayError` (UPSTREAM_PROTOCOL) when the input is not what it should be.
        """
        while stream := self._stream or self._open():
            try:
                piece = stream.decompress(self._pending, bytes_max)
            except zlib.error as error:
                raise map_failure(error, EXCHANGING) from error
            self._pending = stream.unconsumed_tail
            if stream.eof:
                self._stream, self._pending = None, stream.unused_data
            if piece or not self._pending:
                return piece
        return b""

    def close(self) -> None:
        """Say that no more input comes. Raises `GatewayError` (UPSTREAM_CUT) if some is missing."""
        # An empty body with a content-encoding header is common for errors, and means empty.
        if self._stream is not None or (self._pending and not self._has_member):
            raise GatewayError(ErrorKind.UPSTREAM_CUT, CUT_MESSAGE)

    def _open(self) -> "zlib._Decompress | None":
        """Begin the first member, or the next; None while two bytes are not there to tell."""
        start = self._pending[:2]
        if len(start) < 2:
            return None
        if self._has_member:
            # A gzip body may be several members in a row (RFC 1952, section 2.2). Whatever else
            # follows is padding, which every client ignores.
            self._is_finished = self._is_finished or not self._is_gzip or start != GZIP_MAGIC
            if self._is_finished:
                self._pending = b""
                return None
        has_header = self._is_gzip or _has_zlib_header(start)
        self._stream = zlib.decompressobj(ZLIB_OR_GZIP if has_header else RAW_DEFLATE)
        self._has_member = True
        return self._stream


def _has_zlib_header(data: bytes) -> bool:
    # "deflate" means zlib (RFC 9110, section 8.4.1.2), but some servers send the bare stream. The
    # zlib header's first two bytes are a multiple of 31 with 8 in the low half of the first.
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def choose_decoder(coding: bytes) -> Decoder | None:
    """The decoder for a content-encoding header's value; None when there is nothing to undo.

    Raises `GatewayError` (UPSTREAM_PROTOCOL) for a coding that we did not ask for.
    """
    match coding.strip().lower():
        case b"" | b"identity":
            return None
        case b"gzip" | b"x-gzip":
            return Decoder(is_gzip=True)
        case b"deflate":
            return Decoder(is_gzip=False)
    raise GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        "The provider's answer has a content coding other than gzip and deflate.",
    )
