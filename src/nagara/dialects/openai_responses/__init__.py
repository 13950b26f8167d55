"""OpenAI Responses, the primary surface.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from nagara.dialects.openai_error import encode_error
from nagara.dialects.openai_responses.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.openai_responses.response import read_usage
from nagara.dialects.openai_responses.stream import forward_stream

__all__ = [
    "encode_error",
    "forward_stream",
    "forwarded_headers",
    "read_request",
    "read_usage",
    "write_request",
]
