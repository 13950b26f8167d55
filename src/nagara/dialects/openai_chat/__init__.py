"""OpenAI Chat Completions, the dialect that most providers speak.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from nagara.dialects.openai_chat.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.openai_chat.response import read_usage
from nagara.dialects.openai_chat.stream import forward_stream
from nagara.dialects.openai_error import encode_error

__all__ = [
    "encode_error",
    "forward_stream",
    "forwarded_headers",
    "read_request",
    "read_usage",
    "write_request",
]
