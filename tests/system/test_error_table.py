"""The error table of the documentation, a test for each row, in both error shapes where both apply.

Every row is brought about for real: another key, another setting, another body. What a message
must name is checked, not how it says it. The rows of the provider and of the database are in
`test_failures_behind.py`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.calls import (
    CHAT,
    EVERY_CALL,
    MESSAGES,
    MODERATIONS,
    RESPONSES,
    Call,
    in_both_shapes,
    message_of,
    mistyped,
    on_every_endpoint,
    post,
    send,
    type_of,
    wait_for_status,
)
from tests.system.error_shapes import is_anthropic
from tests.system.gateway import GatewayProcess, served

BODY_BYTES_MAX = 4096


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("errors")
    with served(folder, {"body_bytes_max": BODY_BYTES_MAX}) as gateway:
        yield gateway
        assert "Traceback" not in gateway.output


@on_every_endpoint
def test_a_good_call_is_answered(gateway: GatewayProcess, call: Call) -> None:
    answer = post(gateway, call)
    assert answer.status == 200, answer.body


# no key, or a malformed one


@on_every_endpoint
def test_no_key_is_401_and_says_which_headers_are_read(gateway: GatewayProcess, call: Call) -> None:
    body = json.dumps(call.body).encode()
    answer = send(gateway, "POST", call.path, body, content_type="application/json")
    message = message_of(answer, call.path, 401)
    assert type_of(answer, call.path) == "authentication_error"
    assert "authorization" in message.lower()
    assert "x-api-key" in message.lower()


@in_both_shapes
@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer not-a-key"])
def test_a_malformed_key_is_401(gateway: GatewayProcess, call: Call, value: str) -> None:
    answer = post(gateway, call, authorization=value)
    message_of(answer, call.path, 401)
    assert type_of(answer, call.path) == "authentication_error"


@in_both_shapes
def test_a_failed_checksum_says_that_the_key_looks_mistyped(
    gateway: GatewayProcess, call: Call
) -> None:
    wrong = mistyped(gateway.key)
    message = message_of(post(gateway, call, wrong), call.path, 401)
    assert "mistyped" in message
    assert wrong not in message


@in_both_shapes
def test_a_deleted_key_is_401_and_not_called_mistyped(gateway: GatewayProcess, call: Call) -> None:
    name = f"deleted-{call.path.rpartition('/')[2]}"
    key = gateway.make_key(name)
    wait_for_status(gateway, call, key, 200)
    gateway.run("keys", "delete", name, "--yes")
    answer = wait_for_status(gateway, call, key, 401)
    assert "mistyped" not in message_of(answer, call.path, 401)


@in_both_shapes
def test_two_different_keys_are_400(gateway: GatewayProcess, call: Call) -> None:
    answer = post(gateway, call, x_api_key=gateway.provisioning_key)
    message_of(answer, call.path, 400)


@on_every_endpoint
def test_either_header_takes_the_key(gateway: GatewayProcess, call: Call) -> None:
    body = json.dumps(call.body).encode()
    key = gateway.key
    answer = send(gateway, "POST", call.path, body, content_type="application/json", x_api_key=key)
    assert answer.status == 200


# the wrong kind of key


def test_no_key_on_the_account_api_is_401_and_says_which_kind_it_takes(
    gateway: GatewayProcess,
) -> None:
    path = "/v1/account/balance"
    message = message_of(send(gateway, "GET", path), path, 401)
    assert "Bearer ng-prov-" in message
    assert "nagara keys create" in message


def test_a_standard_key_on_the_account_api_is_invalid_provisioning_key(
    gateway: GatewayProcess,
) -> None:
    path = "/v1/account/balance"
    answer = send(gateway, "GET", path, authorization=f"Bearer {gateway.key}")
    message = message_of(answer, path, 401)
    assert type_of(answer, path) == "invalid_provisioning_key"
    assert "provisioning key" in message
    assert "nagara keys create" in message


@on_every_endpoint
def test_a_provisioning_key_on_inference_is_401_and_says_standard_key(
    gateway: GatewayProcess, call: Call
) -> None:
    message = message_of(post(gateway, call, gateway.provisioning_key), call.path, 401)
    assert "standard key" in message


# the wrong address


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/v1/chat/completions", "/responses"])
def test_a_path_without_v1_or_with_two_is_404_and_names_the_base_url(
    gateway: GatewayProcess, path: str
) -> None:
    message = message_of(post(gateway, Call(path, CHAT.body)), path, 404)
    assert f"http://127.0.0.1:{gateway.port}/v1" in message


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages"])
def test_anthropics_base_url_is_named_without_v1(gateway: GatewayProcess, path: str) -> None:
    answer = post(gateway, Call(path, MESSAGES.body))
    assert answer.status == 404
    message = str(answer.json()["error"]["message"])
    assert re.search(rf"http://127\.0\.0\.1:{gateway.port}(?!/v1)", message), message


@on_every_endpoint
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_405_with_allow(gateway: GatewayProcess, call: Call, method: str) -> None:
    answer = send(gateway, method, call.path, authorization=f"Bearer {gateway.key}")
    message_of(answer, call.path, 405)
    assert "POST" in (answer.header("allow") or "")


# the model


@in_both_shapes
def test_an_unknown_model_is_404_with_the_nearest_ids(gateway: GatewayProcess, call: Call) -> None:
    known = str(call.body["model"])
    wrong = known.replace("mini", "mimi").replace("sonnet", "sonet")
    answer = post(gateway, call._replace(body={**call.body, "model": wrong}))
    message = message_of(answer, call.path, 404)
    expected = "not_found_error" if is_anthropic(call.path) else "model_not_found"
    assert type_of(answer, call.path) == expected
    assert repr(wrong) in message or f'"{wrong}"' in message
    assert known in message


@in_both_shapes
def test_a_model_that_the_key_may_not_use_is_403(gateway: GatewayProcess, call: Call) -> None:
    key = gateway.make_key("narrow", "--models", "text-embedding-3-small")
    answer = wait_for_status(gateway, call, key, 403)
    message = message_of(answer, call.path, 403)
    assert type_of(answer, call.path) == "permission_error"
    assert str(call.body["model"]) in message


# money and limits


@pytest.fixture(scope="module")
def penniless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("penniless")
    with served(folder, {"opening_grant_usd": "0"}) as gateway:
        yield gateway


@in_both_shapes
def test_not_enough_credit_is_402_with_needed_available_and_what_fits(
    penniless: GatewayProcess, call: Call
) -> None:
    answer = post(penniless, call)
    message = message_of(answer, call.path, 402)
    expected = "billing_error" if is_anthropic(call.path) else "insufficient_quota"
    assert type_of(answer, call.path) == expected
    assert len(re.findall(r"\$\d", message)) >= 2, message
    assert "output" in message


def test_a_test_key_needs_no_credit(penniless: GatewayProcess) -> None:
    key = penniless.make_key("test", "--test")
    wait_for_status(penniless, CHAT, key, 200)


@pytest.fixture
def slow_lane(tmp_path: Path) -> Iterator[GatewayProcess]:
    with served(tmp_path, {"key_requests_per_minute_max": 1}) as gateway:
        yield gateway


@in_both_shapes
def test_too_fast_is_429_with_retry_after_and_the_limit(
    slow_lane: GatewayProcess, call: Call
) -> None:
    assert post(slow_lane, call).status == 200
    answer = post(slow_lane, call)
    message = message_of(answer, call.path, 429)
    expected = "rate_limit_error" if is_anthropic(call.path) else "rate_limit_exceeded"
    assert type_of(answer, call.path) == expected
    assert 1 <= int(answer.header("retry-after") or "0") <= 60
    assert any(name.startswith("x-ratelimit-") for name, _ in answer.headers)
    assert "minute" in message


# the body


@on_every_endpoint
@pytest.mark.parametrize("body", [b"", b"hello", b'{"model":', b"\xff\xfe{}", b"[]", b'"a"'])
def test_a_body_that_is_no_json_object_is_400(
    gateway: GatewayProcess, call: Call, body: bytes
) -> None:
    answer = send(
        gateway, "POST", call.path, body,
        content_type="application/json", authorization=f"Bearer {gateway.key}",
    )  # fmt: skip
    message = message_of(answer, call.path, 400)
    assert type_of(answer, call.path) == "invalid_request_error"
    assert "JSON" in message or (not body and "empty" in message)


REQUIRED = [
    (call, field)
    for call in EVERY_CALL
    for field in call.body
    if (call.path, field) != (MODERATIONS.path, "model")  # OpenAI has a default there
]
"""Each endpoint with each field that it cannot do without."""


def endpoint_and_field(value: object) -> str:
    return value.path if isinstance(value, Call) else str(value)


@pytest.mark.parametrize(("call", "field"), REQUIRED, ids=endpoint_and_field)
def test_a_missing_field_is_400_and_named(gateway: GatewayProcess, call: Call, field: str) -> None:
    left = {name: value for name, value in call.body.items() if name != field}
    answer = post(gateway, call._replace(body=left))
    assert field in message_of(answer, call.path, 400)


@pytest.mark.parametrize(("call", "field"), REQUIRED, ids=endpoint_and_field)
def test_a_wrong_field_is_400_and_named(gateway: GatewayProcess, call: Call, field: str) -> None:
    values: list[object] = [True, -7, 1.5]
    for value in values:
        answer = post(gateway, call._replace(body={**call.body, field: value}))
        assert field in message_of(answer, call.path, 400), value


@pytest.mark.parametrize("call", [CHAT, RESPONSES, MESSAGES], ids=lambda call: call.path)
def test_a_wrong_stream_flag_is_400_and_named(gateway: GatewayProcess, call: Call) -> None:
    answer = post(gateway, call._replace(body={**call.body, "stream": "yes"}))
    assert "stream" in message_of(answer, call.path, 400)


@on_every_endpoint
def test_too_large_a_body_is_413_with_the_limit(gateway: GatewayProcess, call: Call) -> None:
    large = call._replace(body={**call.body, "user": "a" * BODY_BYTES_MAX})
    message = message_of(post(gateway, large), call.path, 413)
    plain = re.sub(r"(?<=\d)[,_ ](?=\d)", "", message)
    assert str(BODY_BYTES_MAX) in plain or re.search(r"\b4 Ki?B", plain), message


# cross-origin, request ids


@in_both_shapes
def test_a_cross_origin_call_is_refused(gateway: GatewayProcess, call: Call) -> None:
    answer = post(gateway, call, origin="https://elsewhere.example")
    message_of(answer, call.path, 403)
    assert answer.header("access-control-allow-origin") is None


@in_both_shapes
def test_a_preflight_of_an_unknown_origin_is_refused(gateway: GatewayProcess, call: Call) -> None:
    answer = send(
        gateway, "OPTIONS", call.path,
        origin="https://elsewhere.example", access_control_request_method="POST",
    )  # fmt: skip
    assert answer.status >= 400
    assert answer.header("access-control-allow-origin") is None


@in_both_shapes
def test_an_errors_request_id_is_the_callers_own(gateway: GatewayProcess, call: Call) -> None:
    answer = post(gateway, call, "none", x_request_id="my-own-id-1")
    message_of(answer, call.path, 401)
    assert answer.header("x-request-id") == "my-own-id-1"
