"""One event of a Responses stream, as far as any of them is looked at.

There are some fifty kinds; one wide struct reads them all at the speed of the narrowest. An event
with half a surrogate pair in it, which providers write when they cut a delta inside an emoji, or
with a field of an unexpected type, is read again field by field.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

import msgspec

from nagara.dialects.base import NOTHING, malformed_answer
from nagara.dialects.json_fields import read_fields
from nagara.dialects.openai_responses.wire import Reader
from nagara.domain.errors import GatewayError


class WireEvent(msgspec.Struct, gc=False):
    """One event; fields that it does not have are empty."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    text: str = ""
    refusal: str = ""
    arguments: str = ""
    input: str = ""
    logprobs: msgspec.Raw = NOTHING
    item: msgspec.Raw = NOTHING
    annotation: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(WireEvent)


def read_event(data: bytes) -> WireEvent:
    """The event in these bytes. Raises `GatewayError` (UPSTREAM_PROTOCOL) if they are no JSON."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _read_leniently(data)


def _read_leniently(data: bytes) -> WireEvent:
    """An event with half a surrogate pair in it, or with a field of an unexpected type."""
    try:
        fields = Reader(read_fields(data))
        event = WireEvent(type=fields.text("type") or "")
        for name in ("output_index", "content_index", "summary_index"):
            setattr(event, name, fields.whole(name) or 0)
        for name in ("delta", "text", "refusal", "arguments", "input"):
            if fields.shape(name) == '"':
                setattr(event, name, fields.text(name) or "")
        for name in ("logprobs", "item", "annotation", "response"):
            setattr(event, name, fields.raw(name) or NOTHING)
    except GatewayError as error:
        raise malformed_answer() from error
    return event
