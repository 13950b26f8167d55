"""A streamed answer whose bytes mean nothing to us: forwarded as they come, and only measured.

There is no event in it that could say that it failed, so a failure breaks the connection off; and
no last event, so its end is the end of the connection, which the caller gets once it is paid for.
"""

from collections.abc import Sequence
from typing import Protocol

from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage


class Gauge(Protocol):
    """Finds the usage of bytes that pass."""

    def feed(self, data: bytes) -> None:
        """Some more of them."""

    @property
    def usage(self) -> Usage | None:
        """The usage so far; None where the bytes do not tell."""


class RawStream:
    """One answer of bytes on its way through, as the relay pumps it."""

    dropped: Sequence[str] = ()
    turn: None = None
    breaks_off = True

    def __init__(self, gauge: Gauge, begin: bytes = b"") -> None:
        """`begin` goes out before the first bytes, and counts as one of them."""
        self._gauge = gauge
        self._begin = begin
        self.usage: Usage | None = None
        self.is_ended = self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The same bytes."""
        if self._begin:
            data, self._begin = self._begin + data, b""
        self._gauge.feed(data)
        self.usage = self._gauge.usage
        self.output_bytes += len(data)
        self.text_bytes += len(data)
        return data

    def close(self) -> bytes:
        """Nothing more is to be sent."""
        return b""

    def terminator(self) -> bytes:
        """Nothing: bytes end where the connection does."""
        return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - see `breaks_off`
        """Nothing: nobody could tell an error from audio."""
        return b""
