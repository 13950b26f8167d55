"""A whole answer on its way to a caller who asked for a stream.

Nothing can go out before its end, when all of it does.
"""

from collections.abc import Callable, Sequence

from nagara.dialects.openai_error import encode_error
from nagara.dialects.sse import encode_event
from nagara.dialects.translation import Translated
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Usage


class CollectedStream:
    """One answer, held within a bound until `write` makes of it what goes out."""

    dropped: Sequence[str] = ()
    turn: None = None

    def __init__(
        self, bytes_max: int, write: Callable[[bytes], Translated], *, breaks_off: bool = False
    ) -> None:
        self._bytes_max = bytes_max
        self._write = write
        self._pieces: list[bytes] = []
        self._size = 0
        self.breaks_off = breaks_off
        self.usage: Usage | None = None
        self.is_ended = self.has_failed = False
        self.failure: GatewayError | None = None
        self.output_bytes = 0
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Nothing yet. Raises `GatewayError` (UPSTREAM_TOO_LARGE) beyond the bound."""
        self._size += len(data)
        if self._size > self._bytes_max:
            raise GatewayError(
                ErrorKind.UPSTREAM_TOO_LARGE,
                f"The provider's answer is larger than {self._bytes_max} bytes.",
            )
        self._pieces.append(data)
        return b""

    def close(self) -> bytes:
        """All of it. Raises `GatewayError` for what cannot be read."""
        written = self._write(b"".join(self._pieces))
        self.usage = written.usage
        self.output_bytes = self.text_bytes = len(written.body)
        return written.body

    def terminator(self) -> bytes:
        """Nothing: it ends where the connection does."""
        return b""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error event, or nothing where that would be taken for audio."""
        return b"" if self.breaks_off else encode_event(encode_error(error, request_id))
