"""A provider's answer of 400 and above, as one of our kinds. Pure.

Whose fault it was decides: what the caller did wrong goes back to the caller in the provider's own
words; what is between the gateway and the provider (its credential, its credit, its load) is told
without them, since they may name the operator's account.
"""

import math
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from nagara.dialects.json_fields import decode_untyped
from nagara.domain.catalog import Secret
from nagara.domain.errors import ErrorKind, GatewayError, ProviderSaid
from nagara.upstream.answer import Headers

MESSAGE_LENGTH_MAX = 2000
PART_LENGTH_MIN = 16
"""A shorter part of a credential is no secret, and may be a word of the language."""
CODE_LENGTH_MAX = 200
RETRY_AFTER_S_MAX = 24 * 3600

_RETRY_HEADERS = frozenset({b"retry-after", b"retry-after-ms", b"date"})
_REQUEST_ID_HEADERS = frozenset(
    {
        b"x-request-id",
        # Anthropic, AWS, Azure, Mistral, Cohere and Google, in this order.
        b"request-id",
        b"x-amzn-requestid",
        b"apim-request-id",
        b"mistral-correlation-id",
        b"x-debug-trace-id",
        b"x-cloud-trace-context",
    }
)

_CALLERS_FAULT = {
    400: ErrorKind.INVALID_REQUEST,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.INVALID_REQUEST,
    409: ErrorKind.CONFLICT,
    413: ErrorKind.BODY_TOO_LARGE,
    415: ErrorKind.MEDIA_TYPE,
    422: ErrorKind.INVALID_REQUEST,
}
_OUT_OF_CREDIT_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"}
)

# Some providers answer 400 for what is wrong with our credential or our credit, and only the text
# tells. A caller has no credential there, so such a text is never about the caller's.
# https://docs.anthropic.com/en/api/errors and https://ai.google.dev/gemini-api/docs/troubleshooting
_OUT_OF_CREDIT_TEXTS = ("credit balance is too low", "insufficient balance")
_CREDENTIAL_TEXTS = ("api key not valid", "incorrect api key", "invalid api key", "api key expired")


def classify_refusal(
    status: int, headers: Headers, body: bytes, provider: str, credential: Secret | None
) -> GatewayError:
    """The error for a provider's answer of `status`. `provider` is the deployment's public name."""
    fields = _read_error(body)
    said = _Said(fields, credential)
    error = (
        _blame_operator(status, said, provider)
        or _blame_caller(status, said, provider)
        or _blame_provider(status, read_retry_after(headers, fields), provider)
    )
    error.provider_said = ProviderSaid(
        status=status,
        message=said.read("message"),
        code=said.read("code", CODE_LENGTH_MAX) or said.read("status", CODE_LENGTH_MAX),
        request_id=_read_request_id(headers),
    )
    return error


def _blame_operator(status: int, said: "_Said", provider: str) -> GatewayError | None:
    """The error for what is wrong with our credential or our credit there."""
    text = (said.read("message") or "").lower() if status == 400 else ""
    codes = {said.read(name, CODE_LENGTH_MAX) for name in ("code", "type", "status")}
    # ElevenLabs says it with 401.
    is_out_of_credit = status == 402 or not _OUT_OF_CREDIT_CODES.isdisjoint(codes)
    if is_out_of_credit or any(sign in text for sign in _OUT_OF_CREDIT_TEXTS):
        return GatewayError(
            ErrorKind.UPSTREAM_UNAVAILABLE,
            f"The gateway's account at {provider} is out of credit. Its operator can top it up.",
        )
    if status in (401, 403) or any(sign in text for sign in _CREDENTIAL_TEXTS):
        return GatewayError(
            ErrorKind.UPSTREAM_CREDENTIAL,
            f"{provider} did not accept the gateway's credential, or it may not use this model. "
            "The operator of this gateway can check it.",
        )
    return None


def _blame_caller(status: int, said: "_Said", provider: str) -> GatewayError | None:
    """The error for what the caller did wrong, as the provider words it."""
    kind = _CALLERS_FAULT.get(status)
    if kind is None:
        return None
    return GatewayError(
        kind,
        said.read("message") or f"{provider} refused it.",
        param=said.read("param", CODE_LENGTH_MAX),
        code=said.read("code", CODE_LENGTH_MAX),
        status=status,
    )


def _blame_provider(status: int, retry_after_s: int | None, provider: str) -> GatewayError:
    """The error for all else: the provider's own trouble."""
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
    if "Message" in value:
        # Some of AWS's front doors write it large.
        value = {"message": value["Message"]} | value
    inner = value.get("error", value)
    if not isinstance(inner, dict):
        inner = {"message": inner if isinstance(inner, str) else value.get("message")}
    if inner.get("message") is None:
        return inner | _read_detail(value.get("detail"))
    return inner


def _read_detail(detail: object) -> dict[str, Any]:
    """What `detail` says: a text, a list of `{"msg": …}` as Python servers write it, or an error.

    The last is ElevenLabs': https://elevenlabs.io/docs/api-reference/errors
    """
    first = detail[0] if isinstance(detail, list) and detail else detail
    if not isinstance(first, dict):
        return {"message": first}
    return first if "message" in first else {"message": first.get("msg")}


class _Said:
    """What a provider's error says, each text bounded and without the credential."""

    def __init__(self, fields: Mapping[str, Any], credential: Secret | None) -> None:
        self._fields = fields
        self._secrets = find_secrets(credential)

    def read(self, name: str, length_max: int = MESSAGE_LENGTH_MAX) -> str | None:
        """A field that holds text; None if it holds anything else, or nothing."""
        text = self._fields.get(name)
        if not isinstance(text, str) or not text:
            return None
        # Before it is cut, or half of the credential might stay.
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text[:length_max]


def find_secrets(credential: Secret | None) -> Sequence[str]:
    """What must not be in a text: the credential, and the parts of one that is made of several.

    AWS, say, tells what it expected to be signed, and the session token is a part of that.
    """
    whole = credential.reveal() if credential is not None else ""
    parts = whole.split(":") if not whole.startswith("{") else []
    return [text for text in (whole, *parts) if len(text) >= PART_LENGTH_MIN or text == whole != ""]


def read_retry_after(headers: Headers, fields: Mapping[str, Any]) -> int | None:
    """Whole seconds until another try is welcome, from whichever place the provider says it in."""
    found = {name: value.decode("latin-1") for name, value in headers if name in _RETRY_HEADERS}
    if (text := found.get(b"retry-after-ms")) is not None:
        return _bound_retry(_read_number(text), 1000)
    if (text := found.get(b"retry-after")) is not None:
        seconds = _read_number(text)
        if seconds is None:
            seconds = _seconds_between(found.get(b"date"), text)
        return _bound_retry(seconds, 1)
    return _bound_retry(_read_retry_delay(fields.get("details")), 1)


def _bound_retry(amount: float | None, per_second: int) -> int | None:
    if amount is None or not amount >= 0:
        return None
    return max(1, math.ceil(min(RETRY_AFTER_S_MAX, amount / per_second)))


def _read_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _seconds_between(date: str | None, later: str) -> float | None:
    """How much later a date is than the answer's own, so that no clock of ours is needed."""
    try:
        return (parsedate_to_datetime(later) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError):
        return None


def _read_retry_delay(details: object) -> float | None:
    """`{"retryDelay": "34.07s"}` among Google's details.

    Source: https://cloud.google.com/apis/design/errors#error_details
    """
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str):
            return _read_number(delay.removesuffix("s"))
    return None


def _read_request_id(headers: Headers) -> str | None:
    for name, value in headers:
        if name in _REQUEST_ID_HEADERS:
            return value.decode("latin-1")[:CODE_LENGTH_MAX]
    return None
