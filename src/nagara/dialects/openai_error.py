"""OpenAI's error body, shared by all of its endpoints.

Source: https://platform.openai.com/docs/guides/error-codes
"""

import msgspec

from nagara.domain.errors import GatewayError


def encode_error(error: GatewayError, request_id: str) -> bytes:  # noqa: ARG001 - the dialects' signature
    """`{"error": {"message", "type", "param", "code"}}`. The request id is in the header."""
    return msgspec.json.encode({"error": error_fields(error)})


def error_fields(error: GatewayError) -> dict[str, str | None]:
    """The inner object, as it also stands in the error event of a chat stream."""
    return {
        "message": error.message,
        "type": error.kind.value.openai_type,
        "param": error.param,
        "code": error.code,
    }
