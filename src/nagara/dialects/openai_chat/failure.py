"""What a provider says went wrong, inside an answer or a stream that began well.

OpenAI's shape is `{"error": {"message", "type", "code"}}`; Groq adds `status_code`, and the `code`
of OpenRouter is an HTTP status. What the caller did is told in the provider's words; what lies
between the gateway and the provider without them, since they may name the operator's account.

Sources: https://openrouter.ai/docs/api-reference/errors https://console.groq.com/docs/errors
"""

from collections.abc import Mapping
from typing import Any

from nagara.dialects.json_fields import decode_untyped
from nagara.domain.errors import ErrorKind, GatewayError

MESSAGE_LENGTH_MAX = 2000

# A status, or else a type or code; the first that says anything decides.
_KINDS: Mapping[object, ErrorKind] = {
    400: ErrorKind.INVALID_REQUEST,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT,
    413: ErrorKind.BODY_TOO_LARGE,
    422: ErrorKind.INVALID_REQUEST,
    429: ErrorKind.UPSTREAM_RATE_LIMIT,
    503: ErrorKind.UPSTREAM_UNAVAILABLE,
    504: ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT,
    529: ErrorKind.UPSTREAM_UNAVAILABLE,
    "invalid_request_error": ErrorKind.INVALID_REQUEST,
    "rate_limit_exceeded": ErrorKind.UPSTREAM_RATE_LIMIT,
    "rate_limit_error": ErrorKind.UPSTREAM_RATE_LIMIT,
    "overloaded_error": ErrorKind.UPSTREAM_UNAVAILABLE,
    "service_unavailable": ErrorKind.UPSTREAM_UNAVAILABLE,
}
_OPERATORS = frozenset(
    {401, 402, "authentication_error", "invalid_api_key", "insufficient_quota", "permission_error"}
)


def decode_failure(raw: bytes, provider: str) -> GatewayError:
    """The error of an `error` object, or of a text in its place. `provider` is its public name."""
    try:
        said = decode_untyped(raw)
    except ValueError:
        said = None
    fields: dict[str, Any] = said if isinstance(said, dict) else {"message": said}
    signs = [_read_sign(fields.get(name)) for name in ("status_code", "code", "type")]
    if not _OPERATORS.isdisjoint(signs):
        return GatewayError(
            ErrorKind.UPSTREAM_CREDENTIAL,
            f"{provider} did not accept the gateway's credential, or its account is out of credit. "
            "The operator of this gateway can check it.",
        )
    kind = next((_KINDS[sign] for sign in signs if sign in _KINDS), ErrorKind.UPSTREAM_ERROR)
    message = fields.get("message")
    text = message if isinstance(message, str) and message else f"{provider} did not say why."
    # Half a surrogate pair cannot be sent on.
    text = text.encode(errors="replace").decode()
    return GatewayError(kind, text[:MESSAGE_LENGTH_MAX])


def _read_sign(value: object) -> object:
    """A status or a word; numbers as text are numbers."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) == 3 else value
    return value if isinstance(value, int) else None
