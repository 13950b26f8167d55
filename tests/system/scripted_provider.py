"""A provider as a real socket that answers every request with the bytes it was last given.

It reads a whole request, plays its script, and closes unless the script holds a whole answer with
a length. One thread a connection; all end with the `with` block.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

READ_BYTES = 65_536


class ScriptedProvider:
    """`script` is what each request is answered with; None keeps silent until the end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connections: list[socket.socket] = []
        self.port: int = listener.getsockname()[1]
        self.script: bytes | None = b""
        self.requests: list[bytes] = []

    def accept_forever(self) -> None:
        """Serve until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Close the listener and every connection."""
        # A blocked accept is woken by the shutdown, not by the close.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self.requests.append(_read_request(connection))
            if self.script is None:
                connection.recv(1)  # until the gateway gives up
            else:
                connection.sendall(self.script)
            connection.close()


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received or len(received) < _whole_bytes(received):
        data = connection.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError
        received += data
    return received


def _whole_bytes(received: bytes) -> int:
    head, _, _ = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + (int(lengths[0].partition(b":")[2]) if lengths else 0)


@contextmanager
def scripted_provider() -> Iterator[ScriptedProvider]:
    """A provider on a free port until the block is left."""
    provider = ScriptedProvider(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=provider.accept_forever)
    thread.start()
    try:
        yield provider
    finally:
        provider.close()
        thread.join()


def encode_answer(status: int, body: bytes, *headers: bytes) -> bytes:
    """A whole JSON answer that ends its connection."""
    lines = [b"HTTP/1.1 %d Scripted" % status, b"content-type: application/json",
             b"content-length: %d" % len(body), b"connection: close", *headers]  # fmt: skip
    return b"\r\n".join([*lines, b"", body])
