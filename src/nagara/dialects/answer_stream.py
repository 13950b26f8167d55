"""What a streamed answer is to the relay, whichever lane and format it comes by."""

from collections.abc import Sequence
from typing import Protocol

from nagara.dialects.turns import Turn
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Usage


class AnswerStream(Protocol):
    """One streamed answer on its way to the caller, as the relay pumps it.

    `dropped` and `turn` are those of `Translated`; `text_bytes` is about what the model wrote.
    """

    is_ended: bool
    has_failed: bool
    failure: GatewayError | None
    output_bytes: int
    text_bytes: int
    breaks_off: bool
    """Whether it cannot say that it failed: only a broken connection can."""

    @property
    def usage(self) -> Usage | None:
        """What the provider counted, so far."""

    @property
    def dropped(self) -> Sequence[str]:
        """What the caller's dialect had no place for, so far."""

    @property
    def turn(self) -> Turn | None:
        """The turn so far, if the caller cannot keep all of it."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to send for these of the upstream. Raises `GatewayError`."""

    def close(self) -> bytes:
        """What is still to be sent at the upstream's orderly end; raises if it was cut."""

    def terminator(self) -> bytes:
        """What is still to be sent once it `is_ended`."""

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """The events that end the stream with an error."""
