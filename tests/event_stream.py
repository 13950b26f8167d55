"""Writes AWS's binary event stream, as Bedrock does, for upstreams that tests play.

The gateway itself only reads it. botocore holds these bytes to be right in
tests/unit/dialects/bedrock_converse/test_event_stream.py.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

HeaderValue = bool | int | str | bytes


def encode_header(name: str, value: HeaderValue) -> bytes:
    head = bytes([len(name.encode())]) + name.encode()
    match value:
        case bool():
            return head + bytes([0 if value else 1])
        case int():
            return head + b"\x05" + struct.pack(">q", value)
        case str():
            return head + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        case bytes():
            return head + b"\x06" + struct.pack(">H", len(value)) + value


def encode_message(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """One message."""
    return frame(b"".join(encode_header(*header) for header in headers.items()), payload)


def frame(block: bytes, payload: bytes) -> bytes:
    """One message around headers that are encoded already, well or badly."""
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return message + struct.pack(">I", crc32(message))


def encode_event(name: str, value: Any) -> bytes:
    """An event of Converse's stream: `contentBlockDelta`, …"""
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_message(headers, json.dumps(value).encode())


def encode_exception(name: str, value: Any) -> bytes:
    """The message that ends a stream with an error: `throttlingException`, …"""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_message(headers, json.dumps(value).encode())
