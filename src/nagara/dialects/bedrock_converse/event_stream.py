"""AWS's binary event stream (`application/vnd.amazon.eventstream`): bytes to whole messages.

Theory of operation. A message frames itself:

    total length | length of headers | CRC-32 of those two | headers | payload | CRC-32 of the rest
         4 bytes |           4 bytes |             4 bytes |         |         |            4 bytes

All integers are big-endian. A header is a name (its length in one byte), a type in one byte, and a
value whose length the type gives or precedes. The reader keeps only the unfinished tail. It
believes a length only once the CRC over both lengths holds and the bound is kept, so that damaged
bytes can make it neither wait for, nor keep, more than the bound. There is no way to find the next
message after a damaged one: the first failure is the last thing that is read.

Sans-IO; `feed` takes any split of the bytes. Nothing but `GatewayError` is raised.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html and
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zlib import crc32

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError

HeaderValue = bool | int | str | bytes
Headers = Mapping[str, HeaderValue]

PRELUDE_BYTES: Final = 12
CRC_BYTES: Final = 4
FRAME_BYTES: Final = PRELUDE_BYTES + CRC_BYTES
"""What a message has besides its headers and payload."""
HEADERS_BYTES_MAX: Final = 128 * 1024
"""AWS's own bound: https://smithy.io/2.0/aws/amazon-eventstream.html"""
CACHED_HEADERS_BYTES_MAX: Final = 256

_TWO_LENGTHS: Final = struct.Struct(">II")
_CRC: Final = struct.Struct(">I")
_SHORT: Final = struct.Struct(">H")


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """One message: its headers by name (`:event-type`, …) and its payload, JSON in Bedrock's.

    A timestamp is whole milliseconds, a UUID its 16 bytes.
    """

    headers: Headers
    payload: bytes

    def read_text(self, name: str) -> str | None:
        """The header of that name, if it is there and holds text."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else None


class EventStreamReader:
    """Cuts a byte stream into messages. Time is linear in the input, memory is bounded."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._tail = bytearray()
        self._due_bytes = 0
        """The length of the message that the tail begins with; 0 until its prelude is there."""
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that `data` completes.

        Raises `GatewayError` for bytes that are no message (UPSTREAM_PROTOCOL) or one beyond the
        bound (UPSTREAM_TOO_LARGE), once the messages before it have been given: so the same
        messages come however the bytes were split. It goes on raising after that.
        """
        if self._failure is not None:
            raise self._failure
        self._tail += data
        messages: list[EventMessage] = []
        position = 0
        try:
            while (end := self._find_end(position)) is not None:
                messages.append(_decode_message(bytes(self._tail[position:end])))
                position, self._due_bytes = end, 0
        except GatewayError as failure:
            self._failure = failure
            self._tail.clear()
            if not messages:
                raise
            return messages
        # One cut a call, however many messages it gave: what is fed is moved once.
        del self._tail[:position]
        return messages

    def close(self) -> None:
        """The upstream's orderly end. Raises `GatewayError` (UPSTREAM_CUT) in mid-message."""
        if self._failure is not None:
            raise self._failure
        if self._tail:
            raise GatewayError(
                ErrorKind.UPSTREAM_CUT,
                "The provider closed the stream in the middle of an event. "
                "What was received is not the whole answer; send the request again.",
            )

    def _find_end(self, start: int) -> int | None:
        """Where the message ends that begins at `start`; None until all of it is there."""
        available = len(self._tail) - start
        # Kept between calls, so that a message in a thousand pieces is checked but once.
        if not self._due_bytes and available >= PRELUDE_BYTES:
            self._due_bytes = self._read_length(start)
        if not self._due_bytes or available < self._due_bytes:
            return None
        return start + self._due_bytes

    def _read_length(self, start: int) -> int:
        prelude = self._tail[start : start + PRELUDE_BYTES]
        total, headers = _TWO_LENGTHS.unpack_from(prelude)
        if crc32(prelude[:8]) != _CRC.unpack_from(prelude, 8)[0]:
            raise _malformed("the checksum of its lengths is wrong")
        if total > self._message_bytes_max or headers > HEADERS_BYTES_MAX:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                f"The provider sent an event of more than {self._message_bytes_max} bytes.",
            )
        if total < FRAME_BYTES + headers:
            raise _malformed("its lengths contradict each other")
        return int(total)


def _decode_message(message: bytes) -> EventMessage:
    """One whole message, whose prelude has been checked."""
    if crc32(message[:-CRC_BYTES]) != _CRC.unpack_from(message, len(message) - CRC_BYTES)[0]:
        raise _malformed("its checksum is wrong")
    payload_start = PRELUDE_BYTES + _TWO_LENGTHS.unpack_from(message)[1]
    block = message[PRELUDE_BYTES:payload_start]
    # The headers of all text deltas are the same bytes; only unusual ones are worth no memory.
    decode = _decode_known_headers if len(block) <= CACHED_HEADERS_BYTES_MAX else _decode_headers
    return EventMessage(decode(block), message[payload_start:-CRC_BYTES])


def _decode_headers(block: bytes) -> Headers:
    headers: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(block):
            name, position = _take_text(block, position + 1, block[position])
            read = _VALUE_READERS[block[position]]
            value, position = read(block, position + 1)
            # Whichever of the two were taken, another reader might take the other.
            if name in headers:
                raise _malformed("a header comes twice")
            headers[name] = value
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise _malformed("its headers cannot be read") from error
    return MappingProxyType(headers)


_decode_known_headers = lru_cache(maxsize=64)(_decode_headers)

_ValueReader = Callable[[bytes, int], tuple[HeaderValue, int]]


def _take(block: bytes, start: int, length: int) -> tuple[bytes, int]:
    end = start + length
    if end > len(block):
        # A slice would be short without a word.
        raise IndexError(end)
    return block[start:end], end


def _take_text(block: bytes, start: int, length: int) -> tuple[str, int]:
    data, end = _take(block, start, length)
    return data.decode(), end


def _read_bytes(block: bytes, start: int) -> tuple[bytes, int]:
    return _take(block, start + 2, _SHORT.unpack_from(block, start)[0])


def _read_string(block: bytes, start: int) -> tuple[str, int]:
    return _take_text(block, start + 2, _SHORT.unpack_from(block, start)[0])


def _integer_reader(length: int) -> _ValueReader:
    def read(block: bytes, start: int) -> tuple[int, int]:
        data, end = _take(block, start, length)
        return int.from_bytes(data, "big", signed=True), end

    return read


_VALUE_READERS: Final[Mapping[int, _ValueReader]] = {
    0: lambda _, start: (True, start),
    1: lambda _, start: (False, start),
    2: _integer_reader(1),
    3: _integer_reader(2),
    4: _integer_reader(4),
    5: _integer_reader(8),
    6: _read_bytes,
    7: _read_string,
    8: _integer_reader(8),  # a timestamp
    9: lambda block, start: _take(block, start, 16),  # a UUID
}


def _malformed(what: str) -> GatewayError:
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        f"The provider sent an event that cannot be read: {what}. Send the request again.",
    )
