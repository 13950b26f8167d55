"""Server-sent events: bytes to whole events, in any split, within a bound.

Theory of operation. A stream is a run of lines; a line ends at CR, LF or CRLF and nowhere else
(U+0085 and U+2028 are legal inside JSON and are left alone). An empty line ends an event. The
splitter keeps only the unfinished tail: `feed` takes bytes as they come from the socket and gives
the events that are now whole, each with the bytes it came in, so that they can be forwarded as
they are. `take_rest` is what is left when the stream ends; by the standard it is no event.

A CR at the very end of what was fed may be half of a CRLF. It is taken as a line end, and the LF
that follows then begins the next event as an empty line, which readers skip.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re

from nagara.domain.errors import ErrorKind, GatewayError

DONE = b"data: [DONE]\n\n"

_CR, _LF = b"\r\n"

# The LF after a CR is never given back, so that the halves of one CRLF are not two line ends.
_EVENT_END = re.compile(rb"(?:\n|\r\n?+)(?:\n|\r\n?+)")
# The same where there is no CR, as nearly everywhere: it takes a tenth of the time.
_LF_EVENT_END = re.compile(rb"\n\n")


class SseSplitter:
    """Cuts a byte stream into events. Time is linear in the input, memory is bounded."""

    def __init__(self, event_bytes_max: int) -> None:
        self._event_bytes_max = event_bytes_max
        self._event_end = _LF_EVENT_END
        self.tail = bytearray()
        """What came after the last whole event."""

    def read_whole(self, data: bytes) -> bytes | None:
        """What `read_simple_event` gives for bytes that are one whole event, so need not be fed."""
        return None if self.tail or len(data) > self._event_bytes_max else read_simple_event(data)

    def take_rest(self) -> bytes:
        """The bytes after the last whole event, at the stream's end. Raises as `feed` does."""
        self._check_tail()
        return bytes(self.tail)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, each with its own terminator.

        Raises `GatewayError` (UPSTREAM_TOO_LARGE) when an event exceeds the bound, once the events
        before it have been given.
        """
        if not self.tail:
            # What a provider writes at once is nearly always one whole event: nothing is copied.
            if (
                data.endswith(b"\n\n")
                and data.find(b"\n\n") == len(data) - 2
                and b"\r" not in data
                and len(data) <= self._event_bytes_max
            ):
                return [data]
            if _is_one_line_crlf_event(data) and len(data) <= self._event_bytes_max:
                return [data]
        if _CR in data:
            self._event_end = _EVENT_END
        # The terminator may straddle the seam by three bytes at most.
        seam = max(0, len(self.tail) - 3)
        self.tail += data
        return self._cut(seam)

    def _cut(self, position: int) -> list[bytes]:
        ends = [match.end() for match in self._event_end.finditer(self.tail, position)]
        if not ends:
            self._check_tail()
            return []
        events, start, tail = [], 0, bytes(self.tail)
        for end in ends:
            # Whole events too, so that the bound does not depend on how the bytes were split.
            if end - start > self._event_bytes_max:
                break
            events.append(tail[start:end])
            start = end
        del self.tail[:start]
        if not events:
            self._check_tail()
        return events

    def _check_tail(self) -> None:
        if len(self.tail) > self._event_bytes_max:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                f"The provider sent an event of more than {self._event_bytes_max} bytes.",
            )


def read_simple_event(event: bytes) -> bytes | None:
    """The data of exactly one event of one data line, with at most its name before that.

    None for anything else. It is what nearly every read gives.
    """
    start, end = 0, event.find(b"\n")
    if event.startswith(b"event: "):
        start = end + 1
        end = event.find(b"\n", start)
    # The line's end is the last byte but one, so there are two and no more. To look for a byte by
    # its number takes a fifth of the time that it takes as bytes.
    if (
        end == len(event) - 2
        and event[-1] == _LF
        and event.startswith(b"data: ", start)
        and _CR not in event
    ):
        return event[start + 6 : -2]
    return None


def is_one_line_event(data: bytes) -> bool:
    """Whether `data` is exactly one event of one data line."""
    return data.startswith(b"data: ") and read_simple_event(data) is not None


def _is_one_line_crlf_event(data: bytes) -> bool:
    """The same of an event whose lines end in CRLF, as Google's do."""
    last = len(data) - 4
    return (
        data.find(b"\r") == last
        and data.find(b"\n") == last + 1
        and data.endswith(b"\r\n\r\n")
        and data.startswith(b"data: ")
    )


def read_data(event: bytes) -> bytes:
    """The data of one event, its lines joined by LF; empty for comments and pings without data."""
    data = read_simple_event(event)
    if data is not None:
        return data
    if _is_one_line_crlf_event(event):
        return event[6:-4]
    lines = [
        line[6:] if line.startswith(b"data: ") else line[5:]
        for line in event.splitlines()
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines)


def replace_data(event: bytes, data: bytes) -> bytes:
    """The event with other JSON as its data; its other lines (comments, name, id) stay."""
    if is_one_line_event(event):
        return encode_event(data)
    others = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    # What came in several lines may still have the ends of those, which mean nothing to JSON.
    return b"\n".join([*others, encode_event(data.replace(b"\n", b" "))])


def encode_comment(text: str) -> bytes:
    """A comment by itself, which clients read over; `text` must hold no line end."""
    return b": " + text.encode(errors="replace") + b"\n\n"


def encode_event(data: bytes, name: str | None = None) -> bytes:
    """One event of one data line; `data` must hold no line end, as JSON text does not."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + data + b"\n\n"
