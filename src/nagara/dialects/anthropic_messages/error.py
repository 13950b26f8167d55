"""Anthropic's errors: the body of one, and what one in the middle of a stream means.

Source: https://docs.anthropic.com/en/api/errors
"""

import msgspec

from nagara.dialects.base import read_view
from nagara.domain.errors import ErrorKind, GatewayError

MESSAGE_LENGTH_MAX = 2000

_KINDS = {
    "invalid_request_error": ErrorKind.INVALID_REQUEST,
    "request_too_large": ErrorKind.BODY_TOO_LARGE,
    "authentication_error": ErrorKind.UPSTREAM_CREDENTIAL,
    "permission_error": ErrorKind.UPSTREAM_CREDENTIAL,
    "billing_error": ErrorKind.UPSTREAM_UNAVAILABLE,
    "rate_limit_error": ErrorKind.UPSTREAM_RATE_LIMIT,
    "overloaded_error": ErrorKind.UPSTREAM_UNAVAILABLE,
    "timeout_error": ErrorKind.UPSTREAM_ERROR,
}


class _Error(msgspec.Struct, gc=False):
    type: str | None = None
    message: str | None = None


_decoder = msgspec.json.Decoder(_Error)


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`, with our code and param."""
    inner = {"type": error.kind.value.anthropic_type, "message": error.message}
    if error.code is not None:
        inner["code"] = error.code
    if error.param is not None:
        inner["param"] = error.param
    return msgspec.json.encode({"type": "error", "error": inner, "request_id": request_id})


def read_failure(raw: bytes | msgspec.Raw, provider: str) -> GatewayError:
    """The error that a provider told in an answer of 200, with its message.

    What is between the gateway and the provider is told without the provider's words.
    """
    wire = read_view(bytes(raw) or b"{}", _decoder, _Error)
    kind = _KINDS.get(wire.type or "", ErrorKind.UPSTREAM_ERROR)
    if kind is ErrorKind.UPSTREAM_CREDENTIAL or wire.type == "billing_error":
        return GatewayError(
            kind,
            f"{provider} did not accept the gateway's credential, or its credit is used up. "
            "The operator of this gateway can check it.",
        )
    said = (wire.message or "")[:MESSAGE_LENGTH_MAX]
    return GatewayError(kind, said or f"{provider} failed in the middle of its answer.")
