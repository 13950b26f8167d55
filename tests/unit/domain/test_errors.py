"""The table of errors: every kind can be told in both dialects, and a secret in none."""

import copy
import json
import pickle
from http import HTTPStatus

import msgspec
import pytest

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.domain.catalog import Secret
from nagara.domain.errors import ErrorKind, Fault, GatewayError

every_kind = pytest.mark.parametrize("kind", ErrorKind, ids=lambda kind: kind.name)
# A client that has gone reads no status; this one is nginx's, for the log.
LOG_ONLY = {499}
# https://docs.anthropic.com/en/api/errors
ANTHROPIC_TYPES = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error",
    "not_found_error", "request_too_large", "rate_limit_error", "api_error", "timeout_error",
    "overloaded_error",
}  # fmt: skip


@every_kind
def test_kind_is_told_in_openais_shape(kind: ErrorKind) -> None:
    error = GatewayError(kind, "m\n\u2028", param="p")
    for dialect in (openai_chat, openai_responses):
        said = json.loads(dialect.encode_error(error, "req"))
        assert said == {
            "error": {
                "message": "m\n\u2028",
                "type": kind.value.openai_type,
                "param": "p",
                "code": kind.value.code,
            }
        }


@every_kind
def test_kind_is_told_in_anthropics_shape(kind: ErrorKind) -> None:
    said = json.loads(anthropic_messages.encode_error(GatewayError(kind, "m"), "req"))
    assert said["type"] == "error"
    assert said["request_id"] == "req"
    assert said["error"]["type"] in ANTHROPIC_TYPES
    assert said["error"]["message"] == "m"
    assert "param" not in said["error"]


@every_kind
def test_row_agrees_with_itself(kind: ErrorKind) -> None:
    row = kind.value
    assert row.status in LOG_ONLY or HTTPStatus(row.status)
    assert (row.fault is Fault.UPSTREAM) is kind.name.startswith("UPSTREAM_")
    assert not row.is_retryable or row.fault is Fault.UPSTREAM
    if row.fault is Fault.CLIENT:
        assert 400 <= row.status < 500


def test_codes_are_unique() -> None:
    codes = [kind.value.code for kind in ErrorKind if kind.value.code is not None]
    assert len(codes) == len(set(codes))


def test_what_a_provider_said_overrides_the_row() -> None:
    error = GatewayError(ErrorKind.INVALID_REQUEST, "m", code="theirs", status=422)
    assert (error.code, error.status) == ("theirs", 422)


def test_secret_cannot_be_formatted_compared_or_encoded() -> None:
    secret = Secret("sk-hidden")
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", f"{[secret]}"):
        assert "hidden" not in text
    assert secret != Secret("sk-hidden")
    encoders = (msgspec.json.encode, json.dumps, msgspec.msgpack.encode, pickle.dumps)
    for encode in (*encoders, copy.deepcopy):
        with pytest.raises(TypeError):
            encode(secret)
    assert secret.reveal() == "sk-hidden"
