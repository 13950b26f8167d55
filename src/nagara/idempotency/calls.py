"""What a caller says by an `Idempotency-Key`: which call this is, and what it asks for.

Pure. Two requests are the same call if they come from one account with one key, and ask for the
same: the same bytes at the same endpoint. What differs otherwise (which of the account's keys, the
request id, headers) is of this attempt at it.

Semantics after https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib

import msgspec

from nagara.domain.catalog import Key, KeyKind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.storage.claims import Loss, Scope

HEADER = b"idempotency-key"
RETRY_AFTER_S = 1

_LOST = {
    Loss.TOO_LARGE: "was larger than what this gateway keeps (idempotency_answer_bytes_max)",
    Loss.CUT: "was not read to its end by the caller, and was charged as far as it had come",
}
_FINAL = {"x-should-retry": "false"}
"""What OpenAI's and Anthropic's SDKs look at: they try a 409 again, unless they are told not to."""


class KeyedCall(msgspec.Struct, frozen=True):
    """Which call a request is, and a digest of what it asks for."""

    scope: Scope
    fingerprint: bytes


def read_key(headers: list[tuple[bytes, bytes]], bytes_max: int) -> str:
    """The key of a request that has one. Raises `GatewayError` (INVALID_REQUEST) for a bad one."""
    keys = {value for name, value in headers if name == HEADER}
    if len(keys) > 1:
        raise _bad_key("is there more than once, with different values")
    key = keys.pop()
    if not key:
        raise _bad_key("is empty")
    if len(key) > bytes_max:
        raise _bad_key(f"has {len(key)} bytes, more than the {bytes_max} that this gateway takes")
    if not all(0x20 <= byte < 0x7F for byte in key):
        raise _bad_key("has characters that are not printable ASCII")
    return key.decode("ascii")


def identify(key: Key, name: str, path: str, media_type: bytes, body: bytes) -> KeyedCall:
    """The call of a request with the idempotency key `name`, whose streams are of `media_type`."""
    digest = hashlib.sha256(b"%b\0%b\0" % (path.encode(), media_type))
    digest.update(body)
    scope = Scope(key.account_id, key.kind is KeyKind.TEST, name)
    return KeyedCall(scope, digest.digest())


def check_same(call: KeyedCall, fingerprint: bytes) -> None:
    """Raise `GatewayError` when the key is another call's."""
    if call.fingerprint != fingerprint:
        raise GatewayError(
            ErrorKind.IDEMPOTENCY_MISMATCH,
            f"The Idempotency-Key {call.scope.key[:60]!r} was used before, for a request with "
            "another body or path. Send each new request with a new key, and a repetition byte by "
            "byte as it was.",
            headers=_FINAL,
        )


def still_running(call: KeyedCall) -> GatewayError:
    """The error of a repetition that cannot wait any longer for the first one."""
    return GatewayError(
        ErrorKind.IDEMPOTENCY_RUNNING,
        f"The first request with the Idempotency-Key {call.scope.key[:60]!r} is still running. "
        "Send this one again, with the same key, for its answer; that one alone is charged.",
        retry_after_s=RETRY_AFTER_S,
    )


def answer_lost(call: KeyedCall, request_id: str, loss: Loss) -> GatewayError:
    """The error of a repetition whose answer there is no more."""
    return GatewayError(
        ErrorKind.IDEMPOTENCY_UNKEPT,
        f"The first request with the Idempotency-Key {call.scope.key[:60]!r} (x-request-id "
        f"{request_id}) was answered, but its answer {_LOST[loss]}. It cannot be given again, and "
        "nothing more was charged. To have it made anew, and pay for that, use another key.",
        headers=_FINAL,
    )


def _bad_key(what: str) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"The header Idempotency-Key {what}. Use a new random value for each request, such as a "
        "UUID.",
        param="Idempotency-Key",
        code="invalid_idempotency_key",
    )
