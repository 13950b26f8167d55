"""Errors in Google's shape, both ways.

`{"error": {"code", "message", "status", "details"}}`, where `code` is the HTTP status and `status`
the canonical name of it. Google's own SDK raises it wherever it comes, in a stream too.

https://cloud.google.com/apis/design/errors
"""

from typing import Any

from nagara.dialects.codec import Target
from nagara.dialects.google_gemini.wire import ErrorWire, write
from nagara.domain.errors import ErrorKind, GatewayError

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_KINDS = {
    400: ErrorKind.INVALID_REQUEST,
    404: ErrorKind.NOT_FOUND,
    429: ErrorKind.UPSTREAM_RATE_LIMIT,
    503: ErrorKind.UPSTREAM_UNAVAILABLE,
    504: ErrorKind.UPSTREAM_TOTAL_TIMEOUT,
}
MESSAGE_LENGTH_MAX = 2_000


def read_refusal(said: ErrorWire, target: Target) -> GatewayError:
    """The error that stands where an answer should be, in the provider's words."""
    code = said.code or 500
    if code in (401, 403):
        # Its words may name the operator's own account.
        return GatewayError(
            ErrorKind.UPSTREAM_CREDENTIAL,
            f"{target.provider} did not accept the gateway's credential, or it may not use this "
            "model. The operator of this gateway can check it.",
        )
    message = (said.message or "")[:MESSAGE_LENGTH_MAX] or f"{target.provider} failed."
    return GatewayError(_KINDS.get(code, ErrorKind.UPSTREAM_ERROR), message)


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """The body of an error answer; our code, and the field it is about, are in the details."""
    metadata = {"param": error.param} if error.param is not None else {}
    reason = (error.code or error.kind.name).upper()
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "nagara",
            "metadata": metadata,
        }
    ]
    if request_id:
        details.append(
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}
        )
    fallback = "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    return write(
        {
            "error": {
                "code": error.status,
                "message": error.message,
                "status": _STATUSES.get(error.status, fallback),
                "details": details,
            }
        }
    )
