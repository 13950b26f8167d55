"""Responses streams in the pass-through lane.

A stream is complete when its terminal event came. NagaAI's API then ends it with `[DONE]`, which
OpenAI's own leaves out; the SDKs of both read either. A stream that fails here ends as one that
failed there: an `error` event, `response.failed` with the response as far as it is known, `[DONE]`.
"""

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import encode_raw, read_fields, replace_model, write_fields
from nagara.dialects.openai_responses.response import read_usage
from nagara.dialects.sse import DONE, encode_event, replace_data
from nagara.domain.errors import GatewayError


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    sequence_number: int | None = None
    response: msgspec.Raw = NOTHING
    delta: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Event)

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
_FAILED = frozenset({"response.failed", "error"})


class ResponsesStream(ForwardedStream):
    """One Responses stream; it remembers the response object, for the event that says it failed."""

    def __init__(self, event_bytes_max: int, caller_model: str | None) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._sequence_number = -1
        self._response = b"{}"
        self._is_done = False

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Meter one event; put the caller's model name into the response it carries."""
        if not data:
            return event
        if data == b"[DONE]":
            # Before the terminal event it ends nothing: the error that then follows has its own.
            self._is_done = self.is_ended = self.is_complete
            return event if self.is_complete else b""
        view = _read_event(data)
        if view.sequence_number is not None:
            self._sequence_number = view.sequence_number
        # Arguments and transcripts come as text too; audio is an object of another event.
        self.text_bytes += len(view.delta)
        if view.type in _TERMINAL:
            self.is_complete = self.is_ended = True
        elif view.type in _FAILED:
            # `error` may be followed by `response.failed`, which nothing follows.
            self.is_complete = self.has_failed = True
            self.is_ended = view.type != "error"
        return self._take_response(event, data, view.response) if view.response else event

    def _take_response(self, event: bytes, data: bytes, raw: msgspec.Raw) -> bytes:
        response = bytes(raw)
        if not response.startswith(b"{"):
            return event
        self._response = response
        if self.is_complete:
            self.usage = read_usage(self._response)
        if self._caller_model is None:
            return event
        self._response = replace_model(self._response, self._caller_model)
        fields = read_fields(data) | {"response": msgspec.Raw(self._response)}
        return replace_data(event, write_fields(fields))

    def terminator(self) -> bytes:
        """`[DONE]`, unless the upstream sent it."""
        return b"" if self._is_done else DONE

    def fail(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - the dialects' signature
        """`error`, `response.failed`, `[DONE]`."""
        code, first = error.code or "server_error", self._sequence_number + 1
        said = {
            "type": "error",
            "sequence_number": first,
            "code": code,
            "message": error.message,
            "param": error.param,
        }
        response = read_fields(self._response) | {
            "status": encode_raw("failed"),
            "error": encode_raw({"code": code, "message": error.message}),
        }
        failed = {"type": "response.failed", "sequence_number": first + 1, "response": response}
        return (
            encode_event(msgspec.json.encode(said), "error")
            + encode_event(msgspec.json.encode(failed), "response.failed")
            + DONE
        )


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,
    *,
    hides_usage: bool,  # noqa: ARG001 - usage always comes, inside the last response
) -> ForwardedStream:
    """The stream of one Responses answer."""
    return ResponsesStream(event_bytes_max, caller_model)


def _read_event(data: bytes) -> _Event:
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        pass
    view = read_view(data, _decoder, _Event)
    if view.response:
        # It is forwarded, so half a surrogate pair in it must stay.
        view.response = read_fields(data)["response"]
    return view
