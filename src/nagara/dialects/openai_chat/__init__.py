"""OpenAI Chat Completions, the dialect that most providers speak.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from nagara.dialects.openai_chat.abilities import ABILITIES
from nagara.dialects.openai_chat.demand import limit_output, measure
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.part_encoder import ADDRESS_FIELDS, needs_bytes
from nagara.dialects.openai_chat.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.openai_chat.request_decoder import decode_request
from nagara.dialects.openai_chat.request_encoder import encode_request
from nagara.dialects.openai_chat.response import read_usage
from nagara.dialects.openai_chat.response_decoder import decode_response
from nagara.dialects.openai_chat.response_encoder import encode_response
from nagara.dialects.openai_chat.stream import forward_stream
from nagara.dialects.openai_chat.stream_decoder import decode_stream
from nagara.dialects.openai_chat.stream_encoder import encode_stream
from nagara.dialects.openai_error import encode_error

SILENT_EXTRAS: frozenset[str] = frozenset({"functions", "stream_options"})
NEEDED_EXTRAS: frozenset[str] = frozenset()

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
