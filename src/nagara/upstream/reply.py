"""The client's side of one request: how far its answer has gone.

A thin cover over ASGI's `send` that remembers whether the head went out, and whether the answer has
ended, so that nobody answers twice and a client that leaves after its answer is told from one that
leaves before. Sending to a client that has gone does nothing.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nagara.domain.errors import ErrorKind, GatewayError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""ASGI's send."""

ResponseHeaders = list[tuple[bytes, bytes]]


class Reply:
    """One answer on its way out: `start`, any number of `write`, `end`."""

    __slots__ = ("_send", "has_started", "is_ended")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False
        self.is_ended = False

    # These hand ASGI's own awaitable on: a coroutine around it would cost every chunk of a stream.

    def start(self, status: int, headers: ResponseHeaders) -> Awaitable[None]:
        """Send the head."""
        self.has_started = True
        return self._send({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, body: bytes) -> Awaitable[None]:
        """Send a piece; done when the server can take another."""
        return self._send({"type": "http.response.body", "body": body, "more_body": True})

    def end(self, body: bytes = b"") -> Awaitable[None]:
        """Send the last piece and end the answer."""
        self.is_ended = True
        return self._send({"type": "http.response.body", "body": body, "more_body": False})

    def abandon(self, bytes_max: int) -> None:
        """The client has gone, and its answer is read on for its usage: drop what is written.

        After `bytes_max` more, `write` raises `GatewayError` (CLIENT_LEFT).
        """
        dropped_bytes = 0

        async def drop(message: MutableMapping[str, Any]) -> None:
            nonlocal dropped_bytes
            dropped_bytes += len(message.get("body", b""))
            if dropped_bytes > bytes_max and message.get("more_body"):
                raise client_left()

        self._send = drop


def client_left() -> GatewayError:
    """What a request ends with whose client went away. Only the log will know."""
    return GatewayError(ErrorKind.CLIENT_LEFT, "The client left before the end of its answer.")
