"""One request and its answer on a connection: uvicorn's, with a cheaper way to write.

uvicorn checks each header with two regular expressions and sends an answer's head apart from its
body. Here the head is checked once, as a whole, and held until the first piece of the body, so that
an answer is one system call. All else, the reading above all, is uvicorn's own.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_BODILESS = frozenset({204, 304})


class GatewayCycle(RequestResponseCycle):
    """Writes ASGI messages. Sending to a client that has gone does nothing."""

    _head = b""

    async def send(self, message: Any) -> None:
        """Take one ASGI message; returns when the transport can take another."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._hold_head(message["status"], message["headers"])
        else:
            self._write_body(message.get("body", b""), message.get("more_body", False))

    def _hold_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self.response_started:
            raise RuntimeError("the head of this answer has been sent")
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        is_framed = self.scope["method"] == "HEAD" or status in _BODILESS
        for name, value in headers:
            if name == b"content-length":
                self.chunked_encoding = False
                self.expected_content_length = int(value)
                is_framed = True
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                continue
            lines.append(name + b": " + value + b"\r\n")
        if not is_framed:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        # A line break inside a value would begin a header, or an answer, of somebody else's choice.
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a response header holds a line break")
        self._head = head + b"\r\n"

    def _write_body(self, body: bytes, more_body: bool) -> None:
        if self.response_complete:
            raise RuntimeError("this answer has ended")
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            data = head
        elif self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            data = head + chunk if more_body else head + chunk + b"0\r\n\r\n"
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more_body):
                self._check_length(more_body)
            data = head + body
        if data:
            self.transport.write(data)
        if not more_body:
            self._complete()

    def _check_length(self, more_body: bool) -> None:
        if self.chunked_encoding is False:
            what = "shorter" if self.expected_content_length > 0 and not more_body else "longer"
            raise RuntimeError(f"the body is {what} than its content-length")

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
