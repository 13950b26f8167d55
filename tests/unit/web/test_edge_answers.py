"""Errors as answers, origins that may call, and the id of a request."""

import json

import pytest
from tests.fakes import FakeReply

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS
from nagara.web.cors import Origins
from nagara.web.errors import (
    choose_encoder,
    encode_head,
    find_absent,
    no_such_path,
    send_error,
    wrong_method,
)
from nagara.web.request_head import RequestHead, make_head
from nagara.web.request_id import choose_request_id

Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize("kind", ErrorKind, ids=lambda kind: kind.name)
def test_error_is_answered_with_its_status_id_and_headers(kind: ErrorKind) -> None:
    reply = FakeReply()
    error = GatewayError(kind, "m", retry_after_s=3, headers={"allow": "POST"})
    send_error(reply, error, "req_1", choose_encoder("/v1/x", []))
    assert reply.status == kind.value.status
    assert reply.head[b"x-request-id"] == reply.head[b"request-id"] == b"req_1"
    assert reply.head[b"retry-after"] == b"3"
    assert reply.head[b"allow"] == b"POST"
    assert reply.head[b"content-length"] == str(len(reply.body)).encode()
    assert json.loads(reply.body)["error"]["message"] == "m"


@pytest.mark.parametrize(
    ("path", "headers", "is_anthropic"),
    [
        ("/v1/messages", [], True),
        ("/messages/", [], True),
        ("/v1/messages/count_tokens", [], True),
        ("/v1/models", [(b"anthropic-version", b"2023-06-01")], True),
        ("/v1/models", [], False),
        ("/", [], False),
    ],
)
def test_error_is_in_the_dialect_of_the_request(
    path: str, headers: Headers, is_anthropic: bool
) -> None:
    body = choose_encoder(path, headers)(GatewayError(ErrorKind.NOT_FOUND, "m"), "r")
    assert (json.loads(body).get("type") == "error") is is_anthropic


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("/v1/v1/models", "twice"),
        ("/v1/v1", "twice"),
        ("/chat/completions", "begins with /v1"),
        ("/v1", "There are /v1/responses, /v1/models."),
        ("/v1/x/nothing", "There are /v1/responses, /v1/models."),
        ("/v1/responses/", "Did you mean /v1/responses?"),
        ("/v1/respones", "Did you mean /v1/responses?"),
        ("/" + "x" * 10_000, "begins with /v1"),
    ],
)
def test_wrong_path_is_told_the_right_base_url(path: str, mistake: str) -> None:
    message = no_such_path(path, "http://h:1", ["/v1/responses", "/v1/models"]).message
    assert mistake in message
    assert "http://h:1/v1" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("/v1/audio/voices", "/v1/audio/speech"),
        ("/v1/completions", "/v1/chat/completions"),
        ("/v1/files/file-1/content", "in the request"),
        ("/v1/messages/batches", "/v1/messages for each"),
        ("/v1beta/cachedContents", "in each request"),
        ("/v1beta/files", "in the request"),
    ],
)
def test_endpoint_that_others_have_is_said_to_be_absent_and_no_other_is_guessed(
    path: str, way_out: str
) -> None:
    error = no_such_path(path, "http://h:1", ["/v1/moderations", "/v1/account/transactions"])
    assert (error.status, error.code) == (404, "endpoint_not_served")
    assert path in error.message
    assert way_out in error.message
    assert "Did you mean" not in error.message


def test_no_endpoint_of_ours_is_said_to_be_absent() -> None:
    assert [path for path in ENDPOINTS if find_absent(path)] == []


def test_every_503_says_when_to_come_back() -> None:
    unavailable = [kind for kind in ErrorKind if kind.value.status == 503]
    assert unavailable
    for kind in unavailable:
        assert (b"retry-after", b"1") in encode_head(GatewayError(kind, "m"), "r", b"")
    handed_on = GatewayError(ErrorKind.UPSTREAM_ERROR, "m", status=503)
    assert (b"retry-after", b"1") in encode_head(handed_on, "r", b"")


def test_wrong_method_is_told_the_right_one() -> None:
    error = wrong_method("GET" * 100, "/v1/responses", ["POST", "HEAD"])
    assert error.status == 405
    assert error.headers == {"allow": "POST, HEAD"}
    assert len(error.message) < 100


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("/v1/responses/input_tokens", "/v1/messages/count_tokens"),
        ("/v1/responses/compact", "summary"),
        ("/v1beta/models/gemini-embedding-001:batchEmbedContents", "/v1/embeddings"),
        ("/v1/models/deepseek-r1:free:embedContent", "/v1/embeddings"),
        ("/v1/models/gemini-2.5-flash:sing", "generateContent, streamGenerateContent, countTokens"),
    ],
)
def test_what_others_have_below_a_path_of_ours_is_absent_and_no_wrong_method(
    path: str, way_out: str
) -> None:
    error = wrong_method("POST", path, ["GET", "HEAD"])
    assert (error.status, error.code) == (404, "endpoint_not_served")
    assert way_out in error.message
    assert wrong_method("POST", "/v1/models/gpt-4.1", ["GET"]).status == 405
    assert wrong_method("DELETE", "/v1/models/deepseek-r1:free", ["GET"]).status == 405


def test_a_key_in_googles_header_is_answered_in_googles_words() -> None:
    encode = choose_encoder("/v1/models/nope", [(b"x-goog-api-key", b"ng-1")])
    body = json.loads(encode(GatewayError(ErrorKind.MODEL_NOT_FOUND, "m"), "r"))
    assert body["error"]["status"] == "NOT_FOUND"


def head(origin: str | None, method: str = "POST", *more: tuple[bytes, bytes]) -> RequestHead:
    headers = [(b"host", b"gateway:8080"), *more]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return make_head(method, b"/", headers, dict(headers))


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [
        ((), "http://gateway:8080", True),
        ((), "HTTP://Gateway:8080", True),
        ((), "https://gateway:8080", False),
        ((), "http://gateway:8081", False),
        ((), "http://evil", False),
        ((), "null", False),
        (("http://app",), "http://app", True),
        (("http://APP/",), "http://app", True),
        (("http://app",), "http://app.evil", False),
        (("http://app",), "https://app", False),
        (("*",), "http://anyone", True),
    ],
)
def test_origin_calls_only_if_it_is_allowed_or_our_own(
    allowed: tuple[str, ...], origin: str, may: bool
) -> None:
    origins = Origins(allowed)
    assert origins.find(head(origin)) == origin
    assert origins.allows(origin, head(origin)) is may


def test_program_without_an_origin_has_none() -> None:
    assert Origins(()).find(head(None)) is None


def test_preflight_is_answered_and_another_options_is_not() -> None:
    asked = (b"access-control-request-method", b"POST")
    wanted = (b"access-control-request-headers", b"authorization,x-stainless-lang")
    origins, reply, other = Origins(("*",)), FakeReply(), FakeReply()
    assert origins.answer_preflight(head("http://app", "OPTIONS", asked, wanted), reply)
    assert (reply.status, reply.is_ended) == (204, True)
    assert reply.head[b"access-control-allow-origin"] == b"http://app"
    assert reply.head[b"access-control-allow-headers"] == wanted[1]
    assert not origins.answer_preflight(head("http://app", "OPTIONS"), other)
    assert not origins.answer_preflight(head("http://app", "POST", asked), other)
    assert not other.has_started


def test_allowed_page_may_read_the_answer() -> None:
    assert (b"access-control-allow-origin", b"http://app") in Origins(()).mark("http://app")


@pytest.mark.parametrize("value", [b"abc-1._:Z", b"x" * 128])
def test_fit_request_id_is_the_callers(value: bytes) -> None:
    assert choose_request_id(value) == value.decode()


@pytest.mark.parametrize("value", [b"", b"x" * 129, b"a b", b"a\n", b"\xff", b'"', b"a;b"])
def test_unfit_or_missing_request_id_is_ours(value: bytes) -> None:
    made = choose_request_id(value)
    assert made.startswith("req_")
    assert made != choose_request_id(None)
    assert choose_request_id(value, "7") == "req_7"
