"""Whole Chat Completions answers from providers: read as a stream of one chunk, and folded.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

import msgspec

from nagara.dialects.codec import Target
from nagara.dialects.openai_chat.answer_decoder import AnswerDecoder
from nagara.dialects.openai_chat.wire import AnswerWire, decode_wire
from nagara.domain.events import Folding, Response

_decoder = msgspec.json.Decoder(AnswerWire)


def decode_response(body: bytes, target: Target) -> Response:
    """The answer. Raises `GatewayError`: UPSTREAM_PROTOCOL, or what the provider says of its own.

    Some providers answer 200 and then say in the body that they failed.
    """
    decoder, folding = AnswerDecoder(target, len(body)), Folding()
    for event in decoder.take(decode_wire(body, _decoder)):
        folding.add(event)
    for event in decoder.end():
        folding.add(event)
    return folding.response()
