"""A provider's refusal as one of our kinds: whose fault, what is told, what is kept."""

import json

import pytest

from nagara.domain.catalog import Secret
from nagara.domain.errors import ErrorKind, Fault, GatewayError
from nagara.upstream.refusal import CODE_LENGTH_MAX, MESSAGE_LENGTH_MAX, classify_refusal

CREDENTIAL = "sk-provider-credential-0123456789"


def classify(status: int, body: object = None, *headers: tuple[bytes, bytes]) -> GatewayError:
    said = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify_refusal(status, list(headers), said, "them", Secret(CREDENTIAL))


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_a_kind_whose_fault_is_right(status: int) -> None:
    error = classify(status, {"error": {"message": "Because.", "code": "c", "param": "p"}})
    row = error.kind.value
    if status in (400, 404, 405, 409, 413, 415, 422):
        assert row.fault is Fault.CLIENT
        assert not row.is_retryable
        assert error.status == status
        assert (error.message, error.code, error.param) == ("Because.", "c", "p")
    else:
        assert row.fault is Fault.UPSTREAM
        assert row.is_retryable
        assert error.status in (429, 502, 503, 504)
        assert "Because" not in error.message
        assert "them" in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ErrorKind.UPSTREAM_CREDENTIAL),
        (403, ErrorKind.UPSTREAM_CREDENTIAL),
        (402, ErrorKind.UPSTREAM_UNAVAILABLE),
        (408, ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT),
        (429, ErrorKind.UPSTREAM_RATE_LIMIT),
        (500, ErrorKind.UPSTREAM_ERROR),
        (502, ErrorKind.UPSTREAM_ERROR),
        (503, ErrorKind.UPSTREAM_UNAVAILABLE),
        (504, ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT),
        (529, ErrorKind.UPSTREAM_UNAVAILABLE),
    ],
)
def test_status_is_of_its_kind(status: int, kind: ErrorKind) -> None:
    assert classify(status).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        [{"error": {"message": "no"}}],
        {"message": "no"},
        {"error": "no", "code": "x"},
        {"object": "error", "message": "no"},
        {"detail": "no"},
        {"detail": [{"loc": ["body"], "msg": "no"}]},
        {"detail": {"status": "voice_not_found", "message": "no"}},
        {"error": {"type": "x", "message": "no", "code": 7, "param": {}}},
        {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
    ],
)
def test_message_is_found_in_every_shape(body: object) -> None:
    assert classify(400, body).message == "no"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>nginx</html>", b"\xff\xfe", b"[" * 100_000, [], [1], 5, None, {"error": None},
     {"error": []}, {"detail": []}, {"detail": {"x": 1}}, {"error": {"message": ["no"]}}],
)  # fmt: skip
def test_body_without_a_message_is_told_as_a_refusal(body: object) -> None:
    error = classify(400, body)
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.message == "them refused it."


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (429, {"code": "insufficient_quota"}, ErrorKind.UPSTREAM_UNAVAILABLE),
        (429, {"type": "insufficient_quota"}, ErrorKind.UPSTREAM_UNAVAILABLE),
        (
            400,
            {"message": "Your credit balance is too low to access the Anthropic API."},
            ErrorKind.UPSTREAM_UNAVAILABLE,
        ),
        (
            400,
            {"message": "API key not valid. Please pass a valid API key."},
            ErrorKind.UPSTREAM_CREDENTIAL,
        ),
        (400, {"message": "Incorrect API key provided: xa***."}, ErrorKind.UPSTREAM_CREDENTIAL),
    ],
)
def test_operators_credit_and_credential_are_not_the_callers_fault(
    status: int, said: dict[str, str], kind: ErrorKind
) -> None:
    error = classify(status, {"error": said})
    assert error.kind is kind
    assert said.get("message", "quota") not in error.message


@pytest.mark.parametrize("field", ["message", "code", "param"])
@pytest.mark.parametrize("padding", [0, CODE_LENGTH_MAX - 5, MESSAGE_LENGTH_MAX - 5])
def test_credential_is_cut_out_before_the_text_is_cut(field: str, padding: int) -> None:
    text = "x" * padding + CREDENTIAL + " y"
    error = classify(400, {"error": {"message": "m", field: text}})
    told = f"{error.message} {error.code} {error.param}"
    assert CREDENTIAL not in told
    assert "sk-pr" not in told
    assert len(error.message) <= MESSAGE_LENGTH_MAX
    assert len(error.code or "") <= CODE_LENGTH_MAX
    assert len(error.param or "") <= CODE_LENGTH_MAX


@pytest.mark.parametrize("credential", [None, Secret("")])
def test_no_credential_cuts_nothing_out(credential: Secret | None) -> None:
    body = b'{"error":{"message":"abc"}}'
    assert classify_refusal(400, [], body, "them", credential).message == "abc"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 1),
        (b"1", 1),
        (b"20", 20),
        (b" 20 ", 20),
        (b"0.2", 1),
        (b"2.001", 3),
        (b"1e9", 24 * 3600),
        (b"inf", 24 * 3600),
        (b"nan", None),
        (b"-1", None),
        (b"soon", None),
        (b"Wed, 21 Oct 2015 07:28:00 GMT", None),
        (b"", None),
        (b"\xff", None),
    ],
)
@pytest.mark.parametrize(("status", "default"), [(429, 1), (503, 1), (500, None)])
def test_retry_after_is_read_in_whole_seconds(
    status: int, default: int | None, value: bytes, seconds: int | None
) -> None:
    error = classify(status, None, (b"x", b"y"), (b"retry-after", value))
    assert error.retry_after_s == (default if seconds is None else seconds)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ([(b"retry-after", b"7")], None, 7),
        ([(b"retry-after-ms", b"1500"), (b"retry-after", b"9")], None, 2),
        (
            [
                (b"date", b"Mon, 23 Nov 2026 10:00:00 GMT"),
                (b"retry-after", b"Mon, 23 Nov 2026 10:00:42 GMT"),
            ],
            None,
            42,
        ),
        ([(b"retry-after", b"Mon, 23 Nov 2026 10:00:42 GMT")], None, 1),
        ([(b"retry-after", b"-3")], None, 1),
        ([(b"retry-after", b"nan")], None, 1),
        ([], {"error": {"code": 429, "details": [{}, {"retryDelay": "34.07s"}]}}, 35),
        ([], {"error": {"details": [{"retryDelay": "soon"}]}}, 1),
    ],
)
def test_retry_after_is_read_wherever_the_provider_says_it(
    headers: list[tuple[bytes, bytes]], body: object, seconds: int
) -> None:
    assert classify(429, body, *headers).retry_after_s == seconds


def test_what_the_provider_said_is_kept_for_the_record_without_the_credential() -> None:
    error = classify(
        500,
        {"error": {"message": f"bad {CREDENTIAL}", "code": "boom"}},
        (b"x-amzn-requestid", b"abc-1"),
    )
    said = error.provider_said
    assert said is not None
    assert (said.status, said.message, said.code, said.request_id) == (
        500,
        "bad …",
        "boom",
        "abc-1",
    )


def test_googles_status_is_the_code_for_the_record() -> None:
    error = classify(404, {"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}})
    assert error.provider_said is not None
    assert error.provider_said.code == "NOT_FOUND"


def test_no_part_of_a_credential_of_several_is_told() -> None:
    credential = Secret("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG:session-token-0123456789")
    text = "sign x-amz-security-token:session-token-0123456789 of AKIAIOSFODNN7EXAMPLE, Example"
    body = json.dumps({"message": text}).encode()
    error = classify_refusal(400, [], body, "them", credential)
    assert error.message == "sign x-amz-security-token:… of …, Example"


def test_message_that_aws_writes_large_is_read() -> None:
    assert classify(400, {"Message": "Because.", "__type": "x"}).message == "Because."


def test_credit_that_is_used_up_is_told_apart_from_a_wrong_credential() -> None:
    # As ElevenLabs says it.
    error = classify(401, {"detail": {"status": "quota_exceeded", "message": "You have 3 left."}})
    assert error.kind is ErrorKind.UPSTREAM_UNAVAILABLE
    assert "3 left" not in error.message
    other = classify(401, {"detail": {"status": "invalid_api_key", "message": "No."}})
    assert other.kind is ErrorKind.UPSTREAM_CREDENTIAL
