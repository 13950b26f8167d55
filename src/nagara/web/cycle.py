"""One request of a client and its answer: what a handler reads from, and what it writes to.

Theory of operation. The connection puts pieces of body in and says when they are all there; the
handler's task takes them out with `read`. Writing never waits: the transport takes what is written,
and says through the connection when it holds enough (`is_full`) and when there is room (`on_room`).
The head of an answer is held until its first piece, so that a short answer is one system call.

    written so far    has_started  is_ended    a client that leaves then
    ----------------  -----------  ----------  ---------------------------------------
    nothing           no           no          is noted: nobody reads what is written
    head, pieces      yes          no          the same
    all of it         yes          yes         has had its answer

Must not parse, and must not decide what an answer says.
"""

import asyncio
import http
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.storage.driver import Statement
from nagara.upstream.reply import ResponseHeaders, client_left
from nagara.web.request_head import RequestHead

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}
_BODILESS = frozenset({204, 304})
_FORMS_KEPT_MAX = 256
_CLOSE = (b"connection", b"close")


class _Form(msgspec.Struct, frozen=True, gc=False):
    """What the heads of all answers with one status and the same names of headers have in common.

    `template` takes a value for each header. `length_at` is which of them is the body's length,
    `is_framed` whether there is one or there can be no body. `has_connection` where a header may
    say that the connection ends, which is the cycle's to say.
    """

    template: bytes
    length_at: int | None
    is_framed: bool
    has_connection: bool


forms: dict[tuple[int, tuple[bytes, ...]], _Form] = {}
"""Those that were met: the gateway's answers have a few."""


def _make_form(status: int, names: tuple[bytes, ...]) -> _Form:
    """A new form, kept for the next. Raises `RuntimeError` for a name with a line break."""
    _check_for_breaks(b"".join(names))
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
    lines = [name.replace(b"%", b"%%") + b": %b\r\n" for name in names]
    length_at = names.index(b"content-length") if b"content-length" in names else None
    is_framed = length_at is not None or status in _BODILESS
    form = _Form(line + b"".join(lines), length_at, is_framed, b"connection" in names)
    if len(forms) >= _FORMS_KEPT_MAX:
        forms.clear()
    forms[status, names] = form
    return form


def _check_for_breaks(text: bytes) -> None:
    """A line break inside would begin a header, or an answer, of somebody else's choice."""
    # By their numbers: bytes that are looked for in bytes cost five times as much.
    if 10 in text or 13 in text:
        raise RuntimeError("a response header holds a line break")


class Connection(Protocol):
    """What a cycle needs of its connection, and those who answer may."""

    task: asyncio.Task[None]
    """The task that serves the request."""
    on_lost: Callable[[], None] | None
    """Called once when the client has gone before its answer has ended."""
    send: Callable[[bytes], None]
    """Writes to the socket, as much as it takes now and the rest later."""

    peername: object
    """Who is at the other end, as the transport says it."""

    def resume_body(self) -> None:
        """Take more of the body from the socket again, if that was paused."""

    def finish(self, cycle: "Cycle") -> None:
        """The answer has ended."""

    def reset(self) -> None:
        """Close at once, so that the other end sees an error and no end."""


class Cycle:
    """One request and its answer; a `Reply`. The connection that made it sets what has come."""

    __slots__ = (
        "_dropped_bytes_max",
        "_held_head",
        "_is_chunked",
        "_left_bytes",
        "_news",
        "_pieces",
        "_was_waited_for",
        "connection",
        "extra_headers",
        "has_started",
        "head",
        "is_body_late",
        "is_body_whole",
        "is_ended",
        "is_full",
        "is_gone",
        "keeps_alive",
        "on_end",
        "on_room",
        "unread_bytes",
    )

    def __init__(
        self,
        head: RequestHead,
        connection: Connection,
        keeps_alive: bool,
        is_full: bool,
    ) -> None:
        self.head = head
        self.connection = connection
        self.keeps_alive = keeps_alive
        self.extra_headers: ResponseHeaders = []
        """Headers that the answer gets beside its own."""
        self.is_body_whole = self.is_body_late = self.is_gone = False
        self.unread_bytes = 0
        self.has_started = self.is_ended = False
        self.is_full = is_full
        self.on_room: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        """Called before the end of the answer is sent, once the client has all but that."""
        self._was_waited_for = False
        self._pieces: list[bytes] = []
        self._news: asyncio.Future[None] | None = None
        self._held_head = b""
        self._is_chunked = False
        self._left_bytes = 0
        self._dropped_bytes_max: int | None = None

    # The request's side.

    def take_whole(self) -> bytes | None:
        """The body if it is here, all of it and in one piece, as it mostly is; else None."""
        if not self.is_body_whole or self.is_gone or len(self._pieces) != 1:
            return None
        self.unread_bytes = 0
        return self._pieces.pop()

    async def read(self) -> bytes:
        """All of the body that has come since the last time; `b""` at its end.

        Raises `GatewayError`: CLIENT_LEFT, or REQUEST_TIMEOUT when the rest takes too long.
        """
        while not self._pieces:
            if self.is_gone:
                raise GatewayError(ErrorKind.CLIENT_LEFT, "The client left before its body ended.")
            if self.is_body_whole:
                return b""
            if self.is_body_late:
                raise GatewayError(
                    ErrorKind.REQUEST_TIMEOUT, "The request's body took too long to arrive."
                )
            if not self._was_waited_for:
                self._was_waited_for = True
                if self.head.named.get(b"expect", b"").lower() == b"100-continue":
                    # RFC 9110, section 10.1.1: it waits for this before it sends its body.
                    self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.connection.resume_body()
            await self._wait_for_news()
        pieces, self._pieces, self.unread_bytes = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def wait_until_over(self) -> None:
        """Return when the client has gone or its answer has ended."""
        while not (self.is_gone or self.is_ended):
            await self._wait_for_news()

    # The connection's side.

    def take_body(self, data: bytes) -> None:
        """A piece of body."""
        self._pieces.append(data)
        self.unread_bytes += len(data)
        if self._news is not None:
            self.tell()

    def tell(self) -> None:
        """Something changed that a reader may wait for."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def lose(self) -> None:
        """The client has gone: from now on what is written is dropped."""
        self.is_gone = True
        self.make_room()
        self.tell()

    def make_room(self) -> None:
        """The transport takes more again."""
        self.is_full = False
        if self.on_room is not None:
            self.on_room()

    # The answer's side; see `upstream.reply.Reply`.

    def start(self, status: int, headers: ResponseHeaders) -> None:
        """Take the head. It goes out with the first piece."""
        if self.has_started:
            raise RuntimeError("the head of this answer has been sent")
        self.has_started = True
        if self.extra_headers:
            headers = [*headers, *self.extra_headers]
        names, values = zip(*headers) if headers else ((), ())  # noqa: B905 - all are pairs
        form = forms.get((status, names)) or _make_form(status, names)
        if form.has_connection and _CLOSE in headers:
            self.keeps_alive = False
            headers = [header for header in headers if header != _CLOSE]
            names, values = zip(*headers) if headers else ((), ())  # noqa: B905 - the same
            form = forms.get((status, names)) or _make_form(status, names)
        # The names were looked at when the form was made.
        _check_for_breaks(b"".join(values))
        head = form.template % values
        if form.length_at is not None:
            self._left_bytes = int(values[form.length_at])
        elif not (form.is_framed or self.head.method == "HEAD" or self.head.version == "1.0"):
            # An HTTP/1.0 client knows no chunks: there the end of the connection is the end.
            self._is_chunked = True
            head += b"transfer-encoding: chunked\r\n"
        self._held_head = head + (b"\r\n" if self.keeps_alive else b"connection: close\r\n\r\n")

    def write(self, body: bytes) -> None:
        """Send a piece, which must not be empty."""
        if self.is_gone:
            self._drop(len(body))
        elif self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(body), body)
            if self._held_head:
                data, self._held_head = self._held_head + data, b""
            # A name of its own: what is called where it is looked up is taken for a method first.
            send = self.connection.send
            send(data)
        else:
            self._send_plain(body)

    def end(self, body: bytes = b"") -> None:
        """Send the last piece and end the answer."""
        if self.is_ended:
            raise RuntimeError("this answer has ended")
        self.is_ended = True
        if self.on_end is not None:
            # Whoever has the end may ask again at once, while ours still has things to put away.
            self.on_end()
        if not self.is_gone:
            if not self._is_chunked:
                self._send_plain(body)
            elif body:
                last = (self._held_head, len(body), body)
                self.connection.send(b"%b%x\r\n%b\r\n0\r\n\r\n" % last)
            else:
                self.connection.send(self._held_head + b"0\r\n\r\n")
        # A byte more or less than declared would be read as part of the next answer.
        has_wrong_length = self._left_bytes != 0 and self.keeps_alive and not self.is_gone
        if has_wrong_length:
            self.keeps_alive = False
        if self._news is not None:
            self.tell()
        self.connection.finish(self)
        if has_wrong_length:
            raise RuntimeError("the body was not as long as its content-length")

    def break_off(self) -> None:
        """End the answer without its end: the connection is closed in the middle of it."""
        if self.is_ended:
            raise RuntimeError("this answer has ended")
        self.is_ended = True
        if self.on_end is not None:
            self.on_end()
        self.keeps_alive = False
        self.tell()
        if not self._is_chunked and not self.is_gone:
            # To this client any orderly end of the connection is the answer's end.
            self.connection.reset()
        self.connection.finish(self)

    def statements_for(self, last: bytes) -> Sequence[Statement]:  # noqa: ARG002 - nothing is kept
        """Nothing: what was sent is gone."""
        return ()

    def abandon(self, bytes_max: int) -> None:
        """The client has gone, and its answer is read on for its usage; see `Reply.abandon`."""
        self._dropped_bytes_max = bytes_max

    def _send_plain(self, body: bytes) -> None:
        head, self._held_head = self._held_head, b""
        if self.head.method == "HEAD":
            body, self._left_bytes = b"", 0
        self._left_bytes -= len(body)
        if data := head + body:
            self.connection.send(data)

    def _drop(self, size: int) -> None:
        if self._dropped_bytes_max is not None:
            self._dropped_bytes_max -= size
            if self._dropped_bytes_max < 0:
                raise client_left()

    async def _wait_for_news(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None
