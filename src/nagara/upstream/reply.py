"""The client's side of one request, as those see it who answer.

An answer is a head, any number of pieces, an end. Nothing here waits: what is written is taken at
once, and `is_full` says when to stop writing for a while, so that a slow client holds its upstream
back and memory stays flat. The server's own answers (`web.cycle`) are of this shape.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.storage.driver import Statement

ResponseHeaders = list[tuple[bytes, bytes]]


class Reply(Protocol):
    """One answer on its way out. Writing to a client that has gone does nothing.

    `has_started` and `is_ended` tell how far it is, so that nobody answers twice. `on_room` is
    called when `is_full` is no longer so; whoever set it takes it back.
    """

    on_room: Callable[[], None] | None

    @property
    def has_started(self) -> bool:
        """Whether the head was taken."""

    @property
    def is_ended(self) -> bool:
        """Whether the last piece was taken."""

    @property
    def is_full(self) -> bool:
        """Whether writing should stop for a while."""

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """Take the head. It goes out with the first piece."""

    def write(self, body: bytes) -> None:
        """Send a piece, which must not be empty. Raises `GatewayError` only as `abandon` says."""

    def end(self, body: bytes = b"") -> None:
        """Send the last piece and end the answer."""

    def break_off(self) -> None:
        """End the answer in the middle, so that nobody can take it for whole."""

    def statements_for(self, last: bytes) -> Sequence[Statement]:
        """What is to be committed with the charge, once `last` is all that is still to be sent."""

    def abandon(self, bytes_max: int) -> None:
        """The client has gone, and its answer is read on for its usage: drop what is written.

        After `bytes_max` more, `write` raises `GatewayError` (CLIENT_LEFT).
        """


async def wait_for_room(reply: Reply) -> None:
    """Return when more should be written."""
    if not reply.is_full:
        return
    room = asyncio.get_running_loop().create_future()
    reply.on_room = lambda: None if room.done() else room.set_result(None)
    try:
        await room
    finally:
        reply.on_room = None


def client_left() -> GatewayError:
    """What a request ends with whose client went away. Only the log will know."""
    return GatewayError(ErrorKind.CLIENT_LEFT, "The client left before the end of its answer.")
