"""Gemini's streams in the pass-through lane.

There is no terminal event: a stream is complete when each candidate that was begun has its finish
reason, or when the prompt was blocked, and the connection ended in order. Usage stands in every
piece, and the last one counts.
"""

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.google_gemini.refusal import encode_error
from nagara.dialects.google_gemini.usage import UsageWire, add_searches, count_searches
from nagara.dialects.json_fields import NULL, encode_raw, read_fields, write_fields
from nagara.dialects.sse import encode_event, replace_data
from nagara.domain.errors import GatewayError

_CONTENT_BYTES = len(b'{"parts":[{"text":""}],"role":"model"}')


class _Candidate(msgspec.Struct, rename="camel", gc=False):
    index: int | None = None
    finish_reason: str | None = None
    content: msgspec.Raw = NOTHING
    grounding_metadata: msgspec.Raw = NOTHING


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Candidate] | None = None
    usage_metadata: UsageWire | None = None
    model_version: str | None = None
    prompt_feedback: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Chunk)


class GeminiStream(ForwardedStream):
    """One stream. With `caller_model` its `modelVersion` is replaced by that."""

    def __init__(self, event_bytes_max: int, caller_model: str | None) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._searches = 0

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Meter one piece."""
        if not data:
            return event
        chunk = read_view(data, _decoder, _Chunk)
        for candidate in chunk.candidates or ():
            self._note(candidate)
            if candidate.grounding_metadata:
                searches = count_searches(candidate.grounding_metadata, chunk.model_version)
                # It is told once, or again as it grows.
                self._searches = max(self._searches, searches)
        self._take_usage(chunk.usage_metadata)
        if chunk.error and chunk.error != NULL:
            self.has_failed = self.is_complete = True
        elif self._finished or (chunk.prompt_feedback and not self._open):
            self.is_complete = not self._open
        if self._caller_model is None or b'"modelVersion"' not in data:
            return event
        fields = read_fields(data)
        return replace_data(
            event, write_fields(fields | {"modelVersion": encode_raw(self._caller_model)})
        )

    def _take_usage(self, counted: UsageWire | None) -> None:
        usage = None if counted is None else counted.to_usage()
        usage = usage or self.usage
        if usage is not None:
            self.usage = add_searches(usage, self._searches)

    def _note(self, candidate: _Candidate) -> None:
        index = candidate.index or 0
        self.text_bytes += max(0, len(candidate.content) - _CONTENT_BYTES)
        if candidate.finish_reason:
            self._open.discard(index)
            self._finished.add(index)
        elif index not in self._finished:
            self._open.add(index)

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An error in place of a response, which Google's SDK raises; nothing follows it."""
        return encode_event(encode_error(error, request_id))


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,
    *,
    hides_usage: bool,  # noqa: ARG001 - usage always comes, in the pieces themselves
) -> ForwardedStream:
    """The stream of one answer."""
    return GeminiStream(event_bytes_max, caller_model)
