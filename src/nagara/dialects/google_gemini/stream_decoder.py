"""Gemini's streams to events: server-sent events, each a whole response with what is new.

There is no terminal event. An answer is complete when each of its candidates has a finish reason,
and it ends where the connection does: usage may still come after the reason.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from collections.abc import Sequence

from nagara.dialects.codec import StreamDecoder, Target
from nagara.dialects.google_gemini.answers import AnswerReader, read_answer
from nagara.dialects.google_gemini.refusal import read_refusal
from nagara.domain.events import Event, Failed
from nagara.domain.usage import Usage


class GeminiStreamDecoder(StreamDecoder):
    """One streamed answer."""

    def __init__(self, event_bytes_max: int, target: Target) -> None:
        super().__init__(event_bytes_max, target)
        self._reader = AnswerReader(target)

    def take(self, data: bytes) -> Sequence[Event]:
        """The events of one response; an error ends the stream as `Failed`."""
        if data == b"[DONE]":
            # Some servers in front of Gemini end as OpenAI's do.
            return ()
        answer = read_answer(data)
        if answer.error is not None:
            self.is_ended = True
            return (Failed(read_refusal(answer.error, self.target)),)
        events = self._reader.take(answer)
        self.is_complete = self._reader.is_complete
        return events

    @property
    def usage_so_far(self) -> Usage | None:
        """What the last piece counted."""
        return self._reader.usage

    def finish(self) -> list[Event]:
        """The end, which this dialect has no event for."""
        return self._reader.finish()


def decode_stream(event_bytes_max: int, target: Target) -> StreamDecoder:
    """The decoder of one streamed answer."""
    return GeminiStreamDecoder(event_bytes_max, target)
