"""Google's Gemini, as AI Studio and Vertex serve it: `generateContent`.

The model, and whether the answer is streamed, are in the path, so a decoded request has neither:
whoever knows the path puts them in.

Source: https://ai.google.dev/api/generate-content
"""

from nagara.dialects.google_gemini.abilities import ABILITIES
from nagara.dialects.google_gemini.content_encoder import ADDRESS_FIELDS, needs_bytes
from nagara.dialects.google_gemini.demand import limit_output, measure
from nagara.dialects.google_gemini.refusal import encode_error
from nagara.dialects.google_gemini.request import forwarded_headers, read_request, write_request
from nagara.dialects.google_gemini.request_decoder import decode_request
from nagara.dialects.google_gemini.request_encoder import encode_request
from nagara.dialects.google_gemini.response import read_usage
from nagara.dialects.google_gemini.response_decoder import decode_response
from nagara.dialects.google_gemini.response_encoder import encode_response
from nagara.dialects.google_gemini.stream import forward_stream
from nagara.dialects.google_gemini.stream_decoder import decode_stream
from nagara.dialects.google_gemini.stream_encoder import encode_stream
from nagara.dialects.google_gemini.wire import NAME

SILENT_EXTRAS: frozenset[str] = frozenset({"model", "messages.response"})
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
