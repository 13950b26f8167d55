"""Messages streams in the pass-through lane. `message_stop` completes a stream; nothing follows.

Usage comes twice: `message_start` gives the input, `message_delta` running totals that replace it.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

import msgspec

from nagara.dialects.anthropic_messages.error import encode_error
from nagara.dialects.anthropic_messages.response import MessagesUsage
from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import read_fields, replace_model, write_fields
from nagara.dialects.sse import encode_event, replace_data
from nagara.domain.errors import GatewayError

_DELTA_BYTES = len(b'{"type":"text_delta","text":""}')


class _Message(msgspec.Struct, gc=False):
    usage: MessagesUsage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    message: _Message | None = None
    usage: MessagesUsage | None = None
    delta: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Event)


class MessagesStream(ForwardedStream):
    """One Messages stream."""

    def __init__(self, event_bytes_max: int, caller_model: str | None) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._reported = MessagesUsage()

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Meter one event; put the caller's model name into `message_start`."""
        if not data:
            return event
        if data == b"[DONE]":
            # Some compatible servers send it, and readers of this API would choke on it.
            return b""
        view = read_view(data, _decoder, _Event)
        said = view.usage or (view.message.usage if view.message is not None else None)
        if said is not None:
            self._reported = self._reported.merge(said)
            self.usage = self._reported.to_usage()
        elif len(view.delta) > _DELTA_BYTES:
            counted_bytes = len(view.delta) - _DELTA_BYTES
            self.text_bytes += counted_bytes
            if view.type == "content_block_delta" and view.message is None:
                self._expect_likeness(event, view.delta, counted_bytes)
        if view.type == "message_stop":
            self.is_complete = self.is_ended = True
        elif view.type == "error":
            self.is_complete = self.is_ended = self.has_failed = True
        elif view.message is not None and self._caller_model is not None:
            return replace_data(event, _replace_message_model(data, self._caller_model))
        return event

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """An `error` event, which the SDK raises; nothing follows it."""
        return encode_event(encode_error(error, request_id), "error")


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,
    *,
    hides_usage: bool,  # noqa: ARG001 - usage always comes, in events of the dialect itself
) -> ForwardedStream:
    """The stream of one Messages answer."""
    return MessagesStream(event_bytes_max, caller_model)


def _replace_message_model(data: bytes, model: str) -> bytes:
    fields = read_fields(data)
    fields["message"] = msgspec.Raw(replace_model(bytes(fields["message"]), model))
    return write_fields(fields)
