"""OpenAI Responses, the primary surface.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from nagara.dialects.openai_error import encode_error
from nagara.dialects.openai_responses.abilities import ABILITIES
from nagara.dialects.openai_responses.content import ADDRESS_FIELDS, needs_bytes
from nagara.dialects.openai_responses.demand import limit_output, measure
from nagara.dialects.openai_responses.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.openai_responses.request_decoder import (
    NEEDED_EXTRAS,
    SILENT_EXTRAS,
    decode_request,
)
from nagara.dialects.openai_responses.request_encoder import encode_request
from nagara.dialects.openai_responses.response import read_usage
from nagara.dialects.openai_responses.response_decoder import decode_response
from nagara.dialects.openai_responses.response_encoder import encode_response
from nagara.dialects.openai_responses.stream import forward_stream
from nagara.dialects.openai_responses.stream_decoder import decode_stream
from nagara.dialects.openai_responses.stream_encoder import encode_stream
from nagara.dialects.openai_responses.wire import NAME

__all__ = [
    "ABILITIES",
    "ADDRESS_FIELDS",
    "NAME",
    "NEEDED_EXTRAS",
    "SILENT_EXTRAS",
    "decode_request",
    "decode_response",
    "decode_stream",
    "encode_error",
    "encode_request",
    "encode_response",
    "encode_stream",
    "forward_stream",
    "forwarded_headers",
    "limit_output",
    "measure",
    "needs_bytes",
    "read_request",
    "read_usage",
    "write_request",
]
