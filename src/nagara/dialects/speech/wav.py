"""Bare samples and WAV files, one made of the other as they pass.

A file that is streamed has no length to say: the header says the largest there is, as OpenAI's
does, and players read to the end.

Source: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

import struct
from typing import Final

from nagara.dialects.exchange import unreadable

RATE: Final = 24_000
BYTES_PER_SAMPLE: Final = 2
UNKNOWN_SIZE: Final = 0xFFFF_FFFF
HEADER_BYTES_MAX: Final = 4_096
"""A header with more than that before the samples is none."""


def make_streamed_header(rate: int = RATE) -> bytes:
    """The 44 bytes before samples of 16 bits, mono, of which nobody knows how many come."""
    shape = (16, 1, 1, rate, rate * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", UNKNOWN_SIZE, b"WAVE", b"fmt ", *shape, b"data", UNKNOWN_SIZE,
    )  # fmt: skip


class Samples:
    """The samples of what comes, whether it is bare or a WAV file."""

    def __init__(self) -> None:
        self._head: bytes | None = b""

    def feed(self, data: bytes) -> bytes:
        """The samples among these bytes. Raises `GatewayError` for a header that is none."""
        if self._head is None:
            return data
        self._head += data
        if not self._head.startswith(b"RIFF"[: len(self._head)]):
            data, self._head = self._head, None
            return data
        begin = _find_samples(self._head)
        if begin is None:
            if len(self._head) > HEADER_BYTES_MAX:
                raise unreadable("its WAV header has no samples after it")
            return b""
        data, self._head = self._head[begin:], None
        return data


def _find_samples(head: bytes) -> int | None:
    """Where the samples begin; None if that has not come yet. Raises `GatewayError`."""
    at = 12
    while len(head) >= at + 8:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            return at + 8
        if name == b"fmt " and len(head) >= at + 24:
            _check_shape(head[at + 8 : at + 24])
        at += 8 + size + size % 2
    return None


def _check_shape(shape: bytes) -> None:
    _, channels, rate, _, _, bits = struct.unpack("<HHIIHH", shape)
    if (channels, rate, bits) != (1, RATE, 8 * BYTES_PER_SAMPLE):
        raise unreadable(f"its samples are {channels} times {bits} bits at {rate} Hz")
