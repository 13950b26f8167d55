"""Chat Completions streams from providers, as events.

A stream is complete when `[DONE]` came, or when every choice that began has its finish reason and
the connection ended in order: some compatible servers leave `[DONE]` out.
"""

from collections.abc import Sequence

import msgspec

from nagara.dialects.codec import StreamDecoder, Target
from nagara.dialects.openai_chat.answer_decoder import AnswerDecoder
from nagara.dialects.openai_chat.wire import AnswerWire, decode_wire
from nagara.domain.events import Event, Failed

_decoder = msgspec.json.Decoder(AnswerWire)


class ChatStreamDecoder(StreamDecoder):
    """One streamed answer. What comes after the provider's own failure is not read."""

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        super().__init__(event_bytes_max, target)
        self._answer = AnswerDecoder(target, event_bytes_max)
        self._has_finished = False

    def take(self, data: bytes) -> Sequence[Event]:
        """The events of one chunk."""
        if data == b"[DONE]":
            self.is_ended = self.is_complete = True
            return self.finish()
        events = self._answer.take(decode_wire(data, _decoder))
        if events and isinstance(events[-1], Failed):
            # Complete in that no more is to come: the failure has been told, and is no cut.
            self.is_ended = self.is_complete = self._has_finished = True
        else:
            # A choice may yet begin after another has ended, and then it is not complete again.
            self.is_complete = self._answer.is_complete
        return events

    def finish(self) -> list[Event]:
        """The ends of the choices, the usage and the terminal event, once."""
        if self._has_finished:
            return []
        self._has_finished = True
        return self._answer.end()


def decode_stream(event_bytes_max: int, target: Target) -> StreamDecoder:
    """The decoder of one streamed answer."""
    return ChatStreamDecoder(event_bytes_max, target)
