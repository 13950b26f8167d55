"""The client's side of one request, as those see it who answer.

An answer is a head, any number of pieces, an end. Nothing here waits: what is written is taken at
once, and `is_full` says when to stop writing for a while, so that a slow client holds its upstream
back and memory stays flat. The server's own answers (`web.cycle`) are of this shape.
"""

from collections.abc import Callable
from typing import Protocol

from nagara.domain.errors import ErrorKind, GatewayError

ResponseHeaders = list[tuple[bytes, bytes]]


class Reply(Protocol):
    """One answer on its way out. Writing to a client that has gone does nothing.

    `has_started` and `is_ended` tell how far it is, so that nobody answers twice. `on_room` is
    called when `is_full` is no longer so; whoever set it takes it back.
    """

    has_started: bool
    is_ended: bool
    is_full: bool
    on_room: Callable[[], None] | None

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """Take the head. It goes out with the first piece."""

    def write(self, body: bytes) -> None:
        """Send a piece, which must not be empty. Raises `GatewayError` only as `abandon` says."""

    def end(self, body: bytes = b"") -> None:
        """Send the last piece and end the answer."""

    def abandon(self, bytes_max: int) -> None:
        """The client has gone, and its answer is read on for its usage: drop what is written.

        After `bytes_max` more, `write` raises `GatewayError` (CLIENT_LEFT).
        """


def client_left() -> GatewayError:
    """What a request ends with whose client went away. Only the log will know."""
    return GatewayError(ErrorKind.CLIENT_LEFT, "The client left before the end of its answer.")
