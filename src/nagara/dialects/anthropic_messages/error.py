"""Anthropic's error body.

Source: https://docs.anthropic.com/en/api/errors
"""

import msgspec

from nagara.domain.errors import GatewayError


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`, with our code and param."""
    inner = {"type": error.kind.value.anthropic_type, "message": error.message}
    if error.code is not None:
        inner["code"] = error.code
    if error.param is not None:
        inner["param"] = error.param
    return msgspec.json.encode({"type": "error", "error": inner, "request_id": request_id})
