"""Whole answers of the hub for a caller of this dialect.

The object is what the stream's last event would hold: it is made by the same steps.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from nagara.dialects.codec import Encoded, Frame
from nagara.dialects.openai_responses.output_items import SilentOutput
from nagara.dialects.openai_responses.stream_encoder import ResponsesStreamEncoder
from nagara.dialects.openai_responses.wire import encode_json
from nagara.domain.events import Response, unfold


def encode_response(response: Response, frame: Frame) -> Encoded:
    """The body of a whole answer."""
    encoder = ResponsesStreamEncoder(frame, SilentOutput(frame))
    for event in unfold(response):
        encoder.encode(event)
    return Encoded(encode_json(encoder.response()), tuple(dict.fromkeys(encoder.dropped)))
