"""The lane of speech and transcripts at providers that have formats of their own. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nagara.dialects.addresses import Wanted
from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.exchange import SoundExchange
from nagara.dialects.translation import Translated
from nagara.domain.catalog import Operation


class Bounds(Protocol):
    """How much of an answer is held at once."""

    @property
    def event_bytes_max(self) -> int:
        """Of one event."""

    @property
    def response_bytes_max(self) -> int:
        """Of an answer that is no stream."""


class SoundLane:
    """One exchange, as the pipeline sees it."""

    is_pass_through = False
    more_bodies: Sequence[bytes] = ()
    wanted: Sequence[Wanted] = ()

    def __init__(self, operation: Operation, exchange: SoundExchange) -> None:
        self.operation = operation
        self.body = exchange.body
        self.places: Mapping[str, str] = exchange.places
        self.sends_form = exchange.sends_form
        self.dropped: Sequence[str] = exchange.dropped
        self.encoding = exchange.encoding
        self._exchange = exchange

    def read_whole(self, body: bytes, bounds: object, *, is_event_stream: bool) -> Translated:  # noqa: ARG002 - the lanes' signature
        """The answer in the caller's format. Raises `GatewayError`."""
        return self._exchange.read(body)

    def open_stream(self, bounds: Bounds, *, is_event_stream: bool) -> AnswerStream:
        """The answer as a stream of what the caller wants."""
        return self._exchange.open_stream(
            bounds.event_bytes_max, bounds.response_bytes_max, is_event_stream=is_event_stream
        )

    def choose_media_type(self, said: bytes, *, is_event_stream: bool) -> bytes:
        """That of the format. Raises `GatewayError` (UPSTREAM_PROTOCOL) for what is no answer."""
        self._exchange.check_media_type(said, is_event_stream=is_event_stream)
        return self._exchange.media_type
