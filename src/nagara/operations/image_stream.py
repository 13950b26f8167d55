"""Streams of images: some that are not finished yet, then each that is.

An image is billed once its first draft was sent: drafts are nearly the picture, and the provider
bills the whole of it even if nobody waits for the end. The stream is complete when it has ended in
order after a finished image; nothing is added to it, since OpenAI's has no terminator.

Source: https://platform.openai.com/docs/api-reference/images-streaming
"""

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.json_fields import NULL, Fields, replace_model
from nagara.dialects.openai_error import error_fields
from nagara.dialects.sse import encode_event, replace_data
from nagara.domain.errors import GatewayError
from nagara.domain.usage import Meter, Usage
from nagara.operations.image_usage import ImageUsage, make_usage


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    usage: ImageUsage | None = None
    error: msgspec.Raw = NOTHING


class _Whole(msgspec.Struct, gc=False):
    data: list[Fields] | None = None
    usage: ImageUsage | None = None


_decoder = msgspec.json.Decoder(_Event)
_whole_decoder = msgspec.json.Decoder(_Whole)


class ImageStream(ForwardedStream):
    """One stream of images, of generations or of edits."""

    def __init__(self, event_bytes_max: int, caller_model: str | None) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._finished: dict[Meter, int] = {}

    def take_event(self, event: bytes, data: bytes) -> bytes:
        """Meter one event."""
        if not data:
            return event
        if data == b"[DONE]":
            self.is_ended = self.is_complete
            return event if self.is_complete else b""
        view = read_view(data, _decoder, _Event)
        kind = view.type or ""
        if kind == "error" or (view.error and view.error != NULL):
            self.has_failed = self.is_complete = True
        elif kind.endswith(".partial_image"):
            self.text_bytes += 1
            begun = {**self._finished, Meter.IMAGES: self._finished.get(Meter.IMAGES, 0) + 1}
            self.usage = Usage(begun)
        elif kind.endswith(".completed"):
            self.text_bytes += 1
            self._finish(view.usage)
        if self._caller_model is None:
            return event
        return replace_data(event, replace_model(data, self._caller_model))

    def _take_unfinished(self) -> bytes:
        """Servers that do not stream answer whole: its images are told as finished ones."""
        rest = self._splitter.take_rest()
        if self.is_complete or not rest.lstrip().startswith(b"{"):
            return b""
        whole = read_view(rest, _whole_decoder, _Whole)
        events: list[bytes] = []
        for item in whole.data or ():
            self._finish(whole.usage if not events else None)
            said = {"type": "image_generation.completed", "usage": whole.usage, **item}
            events.append(encode_event(msgspec.json.encode(said), "image_generation.completed"))
        return b"".join(events)

    def _finish(self, reported: ImageUsage | None) -> None:
        usage = make_usage(1, reported)
        assert usage is not None
        for meter, count in usage.quantities.items():
            self._finished[meter] = self._finished.get(meter, 0) + count
        self.usage = Usage(dict(self._finished))
        self.is_complete = True

    def fail(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - the dialects' signature
        """An `error` event, which the SDKs raise."""
        said = {"type": "error", "error": error_fields(error)}
        return encode_event(msgspec.json.encode(said), "error")


def forward_stream(
    event_bytes_max: int,
    caller_model: str | None,
    *,
    hides_usage: bool,  # noqa: ARG001 - usage always comes, with each finished image
) -> ForwardedStream:
    """The stream of one answer."""
    return ImageStream(event_bytes_max, caller_model)
