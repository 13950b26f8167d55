"""What the sandbox is going to send, as a value: status, headers, and steps to play in order.

A step is bytes of the body, a pause, or a cut. Everything before the adapter works on scripts
alone, so an answer and its faults are plain data that tests can look at.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from nagara.upstream.answer import Headers


class Pause(msgspec.Struct, frozen=True):
    """Nothing is sent for so long."""

    seconds: float


class Cut(msgspec.Struct, frozen=True):
    """The connection breaks off here, before the body has ended."""


Step = bytes | Pause | Cut


class Script(msgspec.Struct, frozen=True):
    """One whole answer. Byte steps are never empty. `delay_s` is how long even the head waits."""

    status: int
    headers: Headers
    steps: tuple[Step, ...]
    delay_s: float = 0.0


class Answered(msgspec.Struct, frozen=True):
    """A script, and the last text of the user: the place where a fault may be asked for."""

    script: Script
    prompt: str


def make_json_script(
    body: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> Script:
    """An answer whose body is one JSON document, sent at once."""
    content = msgspec.json.encode(body)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    return Script(status, head + encode_headers(headers), (content,))


def make_stream_script(events: Iterable[bytes], headers: Iterable[tuple[str, str]] = ()) -> Script:
    """An answer that is a stream of server-sent events, one step each."""
    head = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    ]
    return Script(200, head + encode_headers(headers), tuple(events))


def encode_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """Headers as the wire has them. Values are ASCII."""
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


def encode_event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event with JSON data."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"
