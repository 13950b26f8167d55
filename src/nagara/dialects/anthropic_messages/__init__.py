"""Anthropic Messages.

Source: https://docs.anthropic.com/en/api/messages
"""

from nagara.dialects.anthropic_messages.error import encode_error
from nagara.dialects.anthropic_messages.request import (
    forwarded_headers,
    read_request,
    write_request,
)
from nagara.dialects.anthropic_messages.response import read_usage
from nagara.dialects.anthropic_messages.stream import forward_stream

__all__ = [
    "encode_error",
    "forward_stream",
    "forwarded_headers",
    "read_request",
    "read_usage",
    "write_request",
]
