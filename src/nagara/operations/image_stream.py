"""Streams of images: some that are not finished yet, then each that is.

An image is billed once its first draft was sent: drafts are nearly the picture, and the provider
bills the whole of it even if nobody waits for the end. The stream is complete when it has ended in
order after a finished image; nothing is added to it, since OpenAI's has no terminator.

Source: https://platform.openai.com/docs/api-reference/images-streaming
"""

from typing import Any

import msgspec

from nagara.dialects.base import NOTHING, ForwardedStream, read_view
from nagara.dialects.images.dimensions import read_item_size
from nagara.dialects.images.usage import ImageUsage, make_usage, read_reported, read_word
from nagara.dialects.json_fields import (
    NULL,
    Fields,
    encode_raw,
    read_fields,
    replace_model,
    write_fields,
)
from nagara.dialects.openai_error import error_fields
from nagara.dialects.sse import encode_event, replace_data
from nagara.domain.errors import GatewayError
from nagara.domain.usage import DrawnImage, Meter, Usage

GENERATION = "image_generation"


class _Event(msgspec.Struct, gc=False):
    """Whatever else is odd about an event, its image is counted: nothing else has a type."""

    type: str | None = None
    usage: msgspec.Raw = NULL
    size: Any = None
    quality: Any = None
    error: msgspec.Raw = NOTHING


class _Whole(msgspec.Struct, gc=False):
    data: list[Fields] | None = None
    usage: msgspec.Raw = NULL
    size: Any = None
    quality: Any = None


_decoder = msgspec.json.Decoder(_Event)
_whole_decoder = msgspec.json.Decoder(_Whole)


class ImageStream(ForwardedStream):
    """One stream of images, of generations or of edits."""

    def __init__(
        self, event_bytes_max: int, caller_model: str | None, family: str = GENERATION
    ) -> None:
        super().__init__(event_bytes_max, caller_model)
        self._family = family
        self._finished: dict[Meter, int] = {}
        self._drawn: tuple[DrawnImage, ...] = ()

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
            self.usage = Usage(begun, drawn=self._drawn)
        elif kind.endswith(".completed"):
            self.text_bytes += 1
            said = read_word(view.size)
            size = read_item_size(data) if said in (None, "auto") else said
            self._finish(read_reported(view.usage), DrawnImage(size, read_word(view.quality)))
        if self._caller_model is None:
            return event
        return replace_data(event, replace_model(data, self._caller_model))

    def _take_unfinished(self) -> bytes:
        """Servers that do not stream answer whole: its images are told as finished ones."""
        rest = self._splitter.take_rest()
        if self.is_complete or not rest.lstrip().startswith(b"{"):
            return b""
        whole = read_view(rest, _whole_decoder, _Whole)
        for place, item in enumerate(whole.data or ()):
            size = read_word(whole.size) or read_item_size(write_fields(item))
            reported = None if place else read_reported(whole.usage)
            self._finish(reported, DrawnImage(size, read_word(whole.quality)))
        return tell_images(rest, family=self._family)

    def _finish(self, reported: ImageUsage | None, drawn: DrawnImage) -> None:
        usage = make_usage([drawn], reported)
        assert usage is not None
        self._drawn = (*self._drawn, drawn)
        for meter, count in usage.quantities.items():
            self._finished[meter] = self._finished.get(meter, 0) + count
        self.usage = Usage(dict(self._finished), drawn=self._drawn)
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
    family: str = GENERATION,
) -> ForwardedStream:
    """The stream of one answer, of events whose types begin with `family`."""
    return ImageStream(event_bytes_max, caller_model, family)


def tell_images(body: bytes, *, family: str = GENERATION) -> bytes:
    """A whole answer as the events of its finished images; the first has the usage of all."""
    fields = read_fields(body)
    whole = read_view(body, _whole_decoder, _Whole)
    about = {name: fields[name] for name in ("output_format", "size", "quality") if name in fields}
    usage, created = fields.get("usage", NULL), fields.get("created", NULL)
    kind = f"{family}.completed"
    events: list[bytes] = []
    for item in whole.data or ():
        said = {"type": encode_raw(kind), "created_at": created, **about, **item}
        if not events and usage != NULL:
            said["usage"] = usage
        events.append(encode_event(write_fields(said), kind))
    return b"".join(events)
