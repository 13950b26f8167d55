"""Views of requests, and the bodies that are written for the upstream."""

import json
from typing import Any

import pytest

from nagara.dialects.base import RequestView
from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS

PATHS = {
    "/v1/chat/completions": '"messages":[{"role":"user","content":"Hi"}]',
    "/v1/responses": '"input":"Hi"',
    "/v1/messages": '"max_tokens":5,"messages":[{"role":"user","content":"Hi"}]',
    "/v1/messages/count_tokens": '"messages":[{"role":"user","content":"Hi"}]',
    "/v1/embeddings": '"input":["Hi"]',
    "/v1/moderations": '"input":"Hi"',
}
every_path = pytest.mark.parametrize("path", PATHS)


def read(path: str, body: str) -> RequestView:
    return ENDPOINTS[path].read_request(body.encode())


def refusal(path: str, body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        ENDPOINTS[path].read_request(body)
    return caught.value


def written(path: str, body: str, model: str = "theirs", *, asks_usage: bool = True) -> bytes:
    return ENDPOINTS[path].write_request(read(path, body), model, asks_usage=asks_usage)


@every_path
def test_only_the_model_is_changed(path: str) -> None:
    odd = '"unknown" :  {"a":1.0,"a":2,"model":"x","n":1E400,"i":99999999999999999999}'
    body = f'{{"model":"ours",{PATHS[path]},{odd},"text":"\\"model\\":\\"ours\\""}}'
    out = written(path, body)
    assert out.decode() == body.replace('"model":"ours"', '"model":"theirs"').replace(
        '"unknown" :  ', '"unknown":'
    )


@every_path
def test_last_of_a_duplicated_field_wins_for_us_and_for_them(path: str) -> None:
    body = f'{{"model":"a",{PATHS[path]},"x":1,"mod\\u0065l":"b","x":2}}'
    assert read(path, body).model == "b"
    pairs = json.loads(written(path, body, "c"), object_pairs_hook=list)
    assert [value for name, value in pairs if name == "model"] == ["c"]
    assert [value for name, value in pairs if name == "x"] == [2]


@every_path
def test_half_a_surrogate_pair_passes(path: str) -> None:
    body = f'{{"model":"m",{PATHS[path]},"x":"\\ud83d","\\ud83d":1}}'
    assert json.loads(written(path, body)) == json.loads(body) | {"model": "theirs"}


@every_path
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model":"\xff"}',
        b'{"a":' + b"[" * 100_000,
        b"\xef\xbb\xbf{}",
        b"{}x",
    ],
)
def test_what_is_not_json_is_said_to_be_that(path: str, body: bytes) -> None:
    assert refusal(path, body).kind is ErrorKind.INVALID_JSON


@every_path
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"1"])
def test_what_is_no_object_is_said_to_be_that(path: str, body: bytes) -> None:
    error = refusal(path, body)
    assert error.status == 400
    assert "object" in error.message


WRONG: list[tuple[str, str, str]] = [
    *((path, "model", value) for path in PATHS for value in ("1", '""', "[]", f'"{"x" * 257}"')),
    *((path, "model", "null") for path in PATHS if path != "/v1/moderations"),
    *(
        (path, field, value)
        for path, field in {
            "/v1/chat/completions": "messages",
            "/v1/messages": "messages",
            "/v1/messages/count_tokens": "messages",
        }.items()
        for value in ("1", '"x"', "{}", "null", "[]", "[ \\n ]".replace("\\n", "\n"))
    ),
    *(
        (path, "input", value)
        for path in ("/v1/embeddings",)
        for value in ("1", "{}", "[]", "null")
    ),
    *(("/v1/moderations", "input", value) for value in ("1", "true", "[]")),
    *(("/v1/responses", "input", value) for value in ("1", "{}", "[]", "null")),
    *(
        (path, "stream", value)
        for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages")
        for value in ("1", '"true"', "[]")
    ),
    *(
        (path, field, value)
        for path, field in (
            ("/v1/chat/completions", "max_completion_tokens"),
            ("/v1/chat/completions", "max_tokens"),
            ("/v1/responses", "max_output_tokens"),
            ("/v1/messages", "max_tokens"),
        )
        for value in ("-1", '"5"', "1.5", "9" * 30, "2147483648", "true")
    ),
    *(("/v1/chat/completions", "n", value) for value in ("0", "129", '"2"', "1.5")),
    *(("/v1/chat/completions", "stream_options", value) for value in ("1", "[]", '"x"')),
]


@pytest.mark.parametrize(("path", "field", "value"), WRONG)
def test_wrong_field_is_named(path: str, field: str, value: str) -> None:
    body = f'{{"model":"m",{PATHS[path]},"{field}":{value}}}'
    error = refusal(path, body.encode())
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert error.param == field
    assert repr(field) in error.message


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((path, "model") for path in PATHS if path != "/v1/moderations"),
        ("/v1/chat/completions", "messages"),
        ("/v1/messages", "messages"),
        ("/v1/responses", "input"),
        ("/v1/embeddings", "input"),
        ("/v1/moderations", "input"),
    ],
)
def test_missing_field_is_named(path: str, field: str) -> None:
    body = json.loads(f'{{"model":"m",{PATHS[path]}}}')
    del body[field]
    assert refusal(path, json.dumps(body).encode()).param == field


def test_array_behind_much_white_space_is_not_empty() -> None:
    body = '{"model":"m","messages":[' + " " * 500 + '{"role":"user","content":"Hi"}]}'
    assert read("/v1/chat/completions", body).model == "m"


@pytest.mark.parametrize(
    ("path", "fields", "cap"),
    [
        ("/v1/chat/completions", '"max_tokens":7', 7),
        ("/v1/chat/completions", '"max_tokens":7,"max_completion_tokens":5', 5),
        ("/v1/chat/completions", '"max_tokens":7,"max_completion_tokens":null', 7),
        ("/v1/chat/completions", '"x":1', None),
        ("/v1/responses", '"max_output_tokens":16', 16),
        ("/v1/messages", '"max_tokens":0', 0),
    ],
)
def test_cap_on_output_is_the_callers(path: str, fields: str, cap: int | None) -> None:
    assert read(path, f'{{"model":"m",{PATHS[path]},{fields}}}').output_tokens_max == cap


@pytest.mark.parametrize(("n", "count"), [("3", 3), ("null", 1)])
def test_number_of_answers_is_read(n: str, count: int) -> None:
    path = "/v1/chat/completions"
    assert read(path, f'{{"model":"m",{PATHS[path]},"n":{n}}}').choice_count == count


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"include_usage": True}),
        ("null", {"include_usage": True}),
        ("{}", {"include_usage": True}),
        ('{"include_usage":false}', {"include_usage": True}),
        ('{"include_usage":null,"x":[1]}', {"include_usage": True, "x": [1]}),
    ],
)
def test_usage_is_asked_for_where_the_caller_did_not(
    options: str | None, expected: dict[str, Any]
) -> None:
    path = "/v1/chat/completions"
    said = f',"stream_options":{options}' if options else ""
    body = f'{{"model":"m",{PATHS[path]},"stream":true{said}}}'
    assert not read(path, body).has_usage_request
    assert json.loads(written(path, body))["stream_options"] == expected
    untouched = written(path, body, "m", asks_usage=False).decode()
    assert untouched == body


def test_usage_is_not_asked_for_twice_nor_without_a_stream() -> None:
    path = "/v1/chat/completions"
    asked = (
        f'{{"model":"m",{PATHS[path]},"stream":true,"stream_options":{{"include_usage" : true}}}}'
    )
    assert read(path, asked).has_usage_request
    assert written(path, asked, "m").decode() == asked
    whole = f'{{"model":"m",{PATHS[path]},"stream":false}}'
    assert written(path, whole, "m").decode() == whole


@pytest.mark.parametrize("field", ["previous_response_id", "prompt", "conversation"])
@pytest.mark.parametrize("given", ["", ',"input":null'])
def test_response_that_goes_on_needs_no_input(field: str, given: str) -> None:
    assert read("/v1/responses", f'{{"model":"m","{field}":"x"{given}}}').model == "m"


@pytest.mark.parametrize("model", ["", '"model":null,'])
def test_moderation_without_a_model_takes_openais_default(model: str) -> None:
    body = f'{{{model}"input":"Hi"}}'
    assert read("/v1/moderations", body).model == "omni-moderation-latest"
    assert json.loads(written("/v1/moderations", body)) == {"model": "theirs", "input": "Hi"}


def test_every_operation_has_one_endpoint() -> None:
    # Nobody speaks Bedrock's dialect to us.
    served = {endpoint.operation for endpoint in ENDPOINTS.values()}
    assert served == set(Operation) - {Operation.CONVERSE}
    assert all(path == endpoint.path for path, endpoint in ENDPOINTS.items())
