"""A request's body that is streamed: from the caller's iterator to the socket, no faster than both.

At most one piece and what the transport holds below its high-water mark are in memory. A body
without a declared length is chunked; one with a declared length must keep to it, because a byte
more or less would be read as another request. Must not read from the upstream.
"""

import asyncio
from collections.abc import AsyncIterator

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.bounds import Timeouts
from nagara.upstream.exchange import Exchange


class Gate:
    """Whether the transport takes more bytes; one task at most waits at it."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self.is_shut = False

    def shut(self) -> None:
        """The transport holds enough."""
        self.is_shut = True

    def open(self) -> None:
        """The transport has room again."""
        self.is_shut = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait_open(self) -> None:
        """Return at once, or when there is room."""
        while self.is_shut:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


async def send_body(
    pieces: AsyncIterator[bytes],
    length: int | None,
    transport: asyncio.WriteTransport,
    gate: Gate,
    exchange: Exchange,
    timeouts: Timeouts,
) -> None:
    """Send the whole body; `length` is what the head declared, None if it said chunked.

    Raises `GatewayError` (INVALID_REQUEST) when the body is not as long as declared, and whatever
    the iterator raises. It is cancelled when the exchange ends first.
    """
    sent_bytes = 0
    async for piece in pieces:
        if not piece:
            continue
        sent_bytes += len(piece)
        if length is not None and sent_bytes > length:
            raise _wrong_length()
        transport.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
        if gate.is_shut:
            await _wait_for_room(gate, exchange, timeouts)
    if length is None:
        transport.write(b"0\r\n\r\n")
    elif sent_bytes < length:
        raise _wrong_length()
    if not exchange.status:
        exchange.expect(ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT, timeouts.first_byte_s)


async def _wait_for_room(gate: Gate, exchange: Exchange, timeouts: Timeouts) -> None:
    # After an early answer the time belongs to its reader.
    if not exchange.status:
        exchange.expect(ErrorKind.UPSTREAM_IDLE_TIMEOUT, timeouts.idle_s)
    await gate.wait_open()
    if not exchange.status:
        exchange.expect_nothing()


def _wrong_length() -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST, "The request's body is not as long as its content-length says."
    )
