"""A provider's answer of 400 and above, as one of our kinds. Pure.

Whose fault it was decides: what the caller did wrong goes back to the caller in the provider's own
words; what is between the gateway and the provider (its credential, its credit, its load) is told
without them, since they may name the operator's account.
"""

from collections.abc import Mapping
from typing import Any

from nagara.dialects.json_fields import decode_untyped
from nagara.domain.catalog import Secret
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.answer import Headers

MESSAGE_LENGTH_MAX = 2000
RETRY_AFTER_S_MAX = 24 * 3600

_CALLERS_FAULT = {
    400: ErrorKind.INVALID_REQUEST,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.INVALID_REQUEST,
    409: ErrorKind.CONFLICT,
    413: ErrorKind.BODY_TOO_LARGE,
    415: ErrorKind.MEDIA_TYPE,
    422: ErrorKind.INVALID_REQUEST,
}
_OUT_OF_CREDIT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


def classify_refusal(
    status: int, headers: Headers, body: bytes, provider: str, credential: Secret | None
) -> GatewayError:
    """The error for a provider's answer of `status`. `provider` is the deployment's public name."""
    said = _read_error(body)
    code = _text(said.get("code"))
    retry_after_s = _read_retry_after(headers)
    if kind := _CALLERS_FAULT.get(status):
        message = _redact(_text(said.get("message")) or f"{provider} refused it.", credential)
        return GatewayError(kind, message, param=_text(said.get("param")), code=code, status=status)
    if status in (401, 403):
        return GatewayError(
            ErrorKind.UPSTREAM_CREDENTIAL,
            f"{provider} did not accept the gateway's credential, or it may not use this model. "
            "The operator of this gateway can check it.",
        )
    if status == 402 or code in _OUT_OF_CREDIT_CODES:
        return GatewayError(
            ErrorKind.UPSTREAM_UNAVAILABLE,
            f"The gateway's account at {provider} is out of credit. Its operator can top it up.",
        )
    if status == 429:
        return GatewayError(
            ErrorKind.UPSTREAM_RATE_LIMIT,
            f"{provider} limits the rate of requests for this model. Try again later.",
            retry_after_s=retry_after_s or 1,
        )
    if status in (503, 529):
        return GatewayError(
            ErrorKind.UPSTREAM_UNAVAILABLE,
            f"{provider} is temporarily unavailable (it answered {status}).",
            retry_after_s=retry_after_s or 1,
        )
    if status in (408, 504):
        return GatewayError(
            ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT, f"{provider} timed out (it answered {status})."
        )
    return GatewayError(
        ErrorKind.UPSTREAM_ERROR,
        f"{provider} failed (it answered {status}).",
        retry_after_s=retry_after_s,
    )


def _read_error(body: bytes) -> Mapping[str, Any]:
    """The object that holds `message`, in any of the shapes that providers use."""
    try:
        value = decode_untyped(body)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    inner = value.get("error", value)
    if isinstance(inner, dict):
        return inner
    return {"message": inner} if isinstance(inner, str) else {"message": value.get("message")}


def _text(value: object) -> str | None:
    return value[:MESSAGE_LENGTH_MAX] if isinstance(value, str) and value else None


def _redact(message: str, credential: Secret | None) -> str:
    return message.replace(credential.reveal(), "…") if credential is not None else message


def _read_retry_after(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"retry-after":
            try:
                # The form with a date is rare, and a clock we cannot trust; then it is left out.
                seconds = float(value)
            except ValueError:
                return None
            return max(1, round(min(RETRY_AFTER_S_MAX, seconds) + 0.499)) if seconds >= 0 else None
    return None
