"""What can go wrong, as one class and one table.

Every failure that a caller can see is a `GatewayError` of one `ErrorKind`. The kind's row says the
HTTP status, whose fault it was, whether another attempt may help, how loudly to log it, and what
each dialect calls it. Whose fault decides everything: a client's is never retried or alarmed, an
upstream's may fail over, ours is an error in the log.

A message is written for the caller: what was wrong, with which value, and the way out. It must
never hold a secret, a prompt or an internal address.
"""

import enum
import logging
from collections.abc import Mapping

import msgspec


class Fault(enum.Enum):
    """Whose mistake a failure is."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class ErrorRow(msgspec.Struct, frozen=True, eq=False):
    """One row of the table: how a kind of failure is answered, retried, logged and named."""

    status: int
    fault: Fault
    is_retryable: bool
    log_level: int
    openai_type: str
    anthropic_type: str
    code: str | None = None


class ErrorKind(enum.Enum):
    """The kinds of failure. `kind.value` is its row in the table."""

    # fmt: off
    # name                  status  fault            retry  log level        OpenAI's type               Anthropic's type          code
    INVALID_REQUEST       = ErrorRow(400, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error")
    INVALID_JSON          = ErrorRow(400, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "invalid_json")
    UNSUPPORTED           = ErrorRow(400, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "unsupported")
    AUTHENTICATION        = ErrorRow(401, Fault.CLIENT,   False, logging.INFO,    "authentication_error",     "authentication_error",   "invalid_api_key")
    PROVISIONING_KEY      = ErrorRow(401, Fault.CLIENT,   False, logging.INFO,    "invalid_provisioning_key", "authentication_error",   "invalid_provisioning_key")
    INSUFFICIENT_QUOTA    = ErrorRow(402, Fault.CLIENT,   False, logging.INFO,    "insufficient_quota",       "billing_error",          "insufficient_quota")
    PERMISSION            = ErrorRow(403, Fault.CLIENT,   False, logging.INFO,    "permission_error",         "permission_error",       "model_not_allowed")
    CROSS_ORIGIN          = ErrorRow(403, Fault.CLIENT,   False, logging.INFO,    "permission_error",         "permission_error",       "cross_origin")
    NOT_FOUND             = ErrorRow(404, Fault.CLIENT,   False, logging.INFO,    "not_found_error",          "not_found_error",        "not_found")
    MODEL_NOT_FOUND       = ErrorRow(404, Fault.CLIENT,   False, logging.INFO,    "model_not_found",          "not_found_error",        "model_not_found")
    METHOD_NOT_ALLOWED    = ErrorRow(405, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "method_not_allowed")
    REQUEST_TIMEOUT       = ErrorRow(408, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "request_timeout")
    CONFLICT              = ErrorRow(409, Fault.CLIENT,   False, logging.INFO,    "conflict_error",           "invalid_request_error",  "conflict")
    IDEMPOTENCY_MISMATCH  = ErrorRow(409, Fault.CLIENT,   False, logging.INFO,    "idempotency_error",        "invalid_request_error",  "idempotency_key_reused")
    IDEMPOTENCY_RUNNING   = ErrorRow(409, Fault.CLIENT,   False, logging.INFO,    "idempotency_error",        "invalid_request_error",  "idempotency_key_in_use")
    IDEMPOTENCY_UNKEPT    = ErrorRow(409, Fault.CLIENT,   False, logging.INFO,    "idempotency_error",        "invalid_request_error",  "idempotent_answer_not_kept")
    BODY_TOO_LARGE        = ErrorRow(413, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "request_too_large",      "request_too_large")
    MEDIA_TYPE            = ErrorRow(415, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "unsupported_media_type")
    HEADERS_TOO_LARGE     = ErrorRow(431, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "headers_too_large")
    RATE_LIMIT            = ErrorRow(429, Fault.CLIENT,   False, logging.INFO,    "rate_limit_exceeded",      "rate_limit_error",       "rate_limit_exceeded")
    CLIENT_LEFT           = ErrorRow(499, Fault.CLIENT,   False, logging.INFO,    "invalid_request_error",    "invalid_request_error",  "client_closed_request")

    INTERNAL              = ErrorRow(500, Fault.GATEWAY,  False, logging.ERROR,   "server_error",             "api_error",              "internal_error")
    OVERLOADED            = ErrorRow(503, Fault.GATEWAY,  False, logging.WARNING, "server_error",             "overloaded_error",       "overloaded")
    SHUTTING_DOWN         = ErrorRow(503, Fault.GATEWAY,  False, logging.INFO,    "server_error",             "overloaded_error",       "shutting_down")
    STORAGE_UNAVAILABLE   = ErrorRow(503, Fault.GATEWAY,  False, logging.ERROR,   "server_error",             "api_error",              "storage_unavailable")

    UPSTREAM_RATE_LIMIT   = ErrorRow(429, Fault.UPSTREAM, True,  logging.WARNING, "rate_limit_exceeded",      "rate_limit_error",       "upstream_rate_limit")
    UPSTREAM_ERROR        = ErrorRow(502, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "api_error",              "upstream_error")
    UPSTREAM_CREDENTIAL   = ErrorRow(502, Fault.UPSTREAM, True,  logging.ERROR,   "server_error",             "api_error",              "upstream_credential")
    UPSTREAM_CONNECT      = ErrorRow(502, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "api_error",              "upstream_connect")
    UPSTREAM_TLS          = ErrorRow(502, Fault.UPSTREAM, True,  logging.ERROR,   "server_error",             "api_error",              "upstream_tls")
    UPSTREAM_PROXY        = ErrorRow(502, Fault.UPSTREAM, True,  logging.ERROR,   "server_error",             "api_error",              "upstream_proxy")
    UPSTREAM_PROTOCOL     = ErrorRow(502, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "api_error",              "upstream_protocol")
    UPSTREAM_CUT          = ErrorRow(502, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "api_error",              "upstream_cut")
    UPSTREAM_TOO_LARGE    = ErrorRow(502, Fault.UPSTREAM, False, logging.WARNING, "server_error",             "api_error",              "upstream_too_large")
    UPSTREAM_UNAVAILABLE  = ErrorRow(503, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "overloaded_error",       "upstream_unavailable")
    UPSTREAM_BUSY         = ErrorRow(503, Fault.UPSTREAM, True,  logging.WARNING, "server_error",             "overloaded_error",       "upstream_busy")
    UPSTREAM_CONNECT_TIMEOUT    = ErrorRow(504, Fault.UPSTREAM, True,  logging.WARNING, "server_error",       "timeout_error",          "upstream_connect_timeout")
    UPSTREAM_FIRST_BYTE_TIMEOUT = ErrorRow(504, Fault.UPSTREAM, True,  logging.WARNING, "server_error",       "timeout_error",          "upstream_first_byte_timeout")
    UPSTREAM_IDLE_TIMEOUT       = ErrorRow(504, Fault.UPSTREAM, True,  logging.WARNING, "server_error",       "timeout_error",          "upstream_idle_timeout")
    UPSTREAM_TOTAL_TIMEOUT      = ErrorRow(504, Fault.UPSTREAM, False, logging.WARNING, "server_error",       "timeout_error",          "upstream_total_timeout")
    # fmt: on


class ProviderSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said when it refused: for the record, with the credential taken out.

    `message` may quote the prompt, so it is logged only where the fault is not the caller's.
    """

    status: int
    message: str | None = None
    code: str | None = None
    request_id: str | None = None


RETRY_AFTER_S = 1
"""What a 503 says where nothing better is known."""


class GatewayError(Exception):
    """A failure with its kind, and a message that its reader can act on.

    `status` and `code` override the kind's own where a provider's answer is handed on.
    `headers` are response headers that belong to the failure (`retry-after`, `allow`, limits).
    `provider_said` is there where a provider refused.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
        provider_said: ProviderSaid | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code if code is not None else kind.value.code
        self.status = status if status is not None else kind.value.status
        if retry_after_s is None and self.status == 503:
            # Whoever is told to come back is told when.
            retry_after_s = RETRY_AFTER_S
        self.retry_after_s = retry_after_s
        self.headers = dict(headers) if headers else {}
        self.provider_said = provider_said
