"""HTTP/1.1 by hand: bytes to a socket, and what comes back, exactly.

A client library would refuse to send half of what is sent here, and would mend half of what it
receives. Nothing is retried, and every read has a deadline.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterable
from typing import Any

import msgspec

TIMEOUT_S = 10.0
READ_BYTES = 65_536


class WireAnswer(msgspec.Struct, frozen=True):
    """One answer with its body decoded from its framing. Names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class ConnectionEndedError(Exception):
    """The other side closed, or sent nothing in time, before an answer was whole."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"the connection ended after {received[:200]!r}")
        self.received = received


class WireConnection:
    """One connection to a port of this machine. Use it in a `with` block."""

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> "WireConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Harmless twice."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send it all, or as much as the other side takes before it closes."""
        # An early answer may be waiting to be read all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def read_answer(self, method: str = "POST") -> WireAnswer:
        """The next answer that is not a 1xx. Raises `ConnectionEndedError` if there is none."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            head = self._read_until(b"\r\n\r\n", deadline)
            status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            status = int(status_line.split(" ")[1])
            headers = tuple(_split_header(line) for line in lines)
            if status >= 200:
                return WireAnswer(
                    status, headers, self._read_body(status, headers, method, deadline)
                )

    def read_raw_head(self) -> bytes:
        """The next head as it stands, 1xx or not."""
        return self._read_until(b"\r\n\r\n", time.monotonic() + self._timeout_s)

    def read_to_end(self) -> bytes:
        """Everything until the other side closes. Raises `TimeoutError` if it does not."""
        deadline = time.monotonic() + self._timeout_s
        while self._receive(deadline):
            pass
        data, self._received = self._received, b""
        return data

    def _read_body(
        self, status: int, headers: tuple[tuple[str, str], ...], method: str, deadline: float
    ) -> bytes:
        named = dict(headers)
        if method == "HEAD" or status in (204, 304):
            return b""
        if named.get("transfer-encoding") == "chunked":
            return b"".join(self._read_chunks(deadline))
        if "content-length" in named:
            return self._read_exactly(int(named["content-length"]), deadline)
        while self._receive(deadline):
            pass
        return self._read_exactly(len(self._received), deadline)

    def _read_chunks(self, deadline: float) -> Iterable[bytes]:
        while size := int(self._read_until(b"\r\n", deadline).strip(), 16):
            yield self._read_exactly(size, deadline)
            self._read_exactly(2, deadline)
        self._read_until(b"\r\n", deadline)

    def _read_until(self, end: bytes, deadline: float) -> bytes:
        while (found := self._received.find(end)) < 0:
            self._receive_or_raise(deadline)
        return self._read_exactly(found + len(end), deadline)

    def _read_exactly(self, size: int, deadline: float) -> bytes:
        while len(self._received) < size:
            self._receive_or_raise(deadline)
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _receive_or_raise(self, deadline: float) -> None:
        try:
            if self._receive(deadline):
                return
        except TimeoutError:
            pass
        raise ConnectionEndedError(self._received)

    def _receive(self, deadline: float) -> bool:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self._socket.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        self._received += data
        return bool(data)


def _split_header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def encode_request(
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    host: str = "127.0.0.1",
) -> bytes:
    """A request with a host, and a content-length when there is a body."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
