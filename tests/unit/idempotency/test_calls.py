"""What makes two requests the same call, and what callers are told."""

import pytest

from nagara.domain.catalog import Key, KeyKind
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.idempotency.calls import (
    KeyedCall,
    answer_lost,
    check_same,
    identify,
    read_key,
    still_running,
)
from nagara.storage.claims import Loss, Scope

KEY = b"idempotency-key"
PATH, STREAM = "/v1/chat/completions", b"text/event-stream"


def make_key(kind: KeyKind = KeyKind.STANDARD, number: int = 1, account_id: int = 7) -> Key:
    return Key(
        id=number, account_id=account_id, name="k", kind=kind, digest=b"", hint="", created_at_s=0
    )


def call(body: bytes = b"{}", path: str = PATH, key: Key | None = None) -> KeyedCall:
    return identify(key or make_key(), "name", path, STREAM, body)


@pytest.mark.parametrize("value", [b"a", b"with space", b"~" * 255, b'"quoted"'])
def test_printable_key_is_taken_as_it_is(value: bytes) -> None:
    assert read_key([(b"host", b"h"), (KEY, value)], 255) == value.decode()


def test_same_key_twice_is_one_key() -> None:
    assert read_key([(KEY, b"a"), (KEY, b"a")], 255) == "a"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([b""], "is empty"),
        ([b"a" * 256], "has 256 bytes, more than the 255"),
        ([b"a\tb"], "not printable"),
        (["ü".encode()], "not printable"),
        ([b"a\x7f"], "not printable"),
        ([b"a", b"b"], "more than once"),
    ],
)
def test_bad_key_is_refused_by_name(values: list[bytes], words: str) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        read_key([(KEY, value) for value in values], 255)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.code == "invalid_idempotency_key"


def test_same_body_at_the_same_path_is_the_same_call() -> None:
    assert call() == call()
    # Another key of the account may ask for the answer.
    assert call(key=make_key(number=2)) == call()


@pytest.mark.parametrize(
    "other",
    [
        call(b"{ }"),
        call(path="/v1/responses"),
        identify(make_key(), "name", PATH, b"application/json", b"{}"),
    ],
    ids=["body", "path", "form of stream"],
)
def test_what_differs_is_another_call(other: KeyedCall) -> None:
    assert other.scope == call().scope
    check_same(call(), call().fingerprint)
    with pytest.raises(GatewayError, match="another body or path") as caught:
        check_same(other, call().fingerprint)
    assert caught.value.status == 409
    assert caught.value.headers == {"x-should-retry": "false"}


@pytest.mark.parametrize(
    "key", [make_key(account_id=8), make_key(KeyKind.TEST)], ids=["account", "test key"]
)
def test_scopes_are_apart(key: Key) -> None:
    assert call(key=key).scope != call().scope


def test_errors_name_the_key_no_longer_than_is_good() -> None:
    long = KeyedCall(Scope(7, False, "k" * 255), b"")
    for error in (still_running(long), *(answer_lost(long, "req_1", loss) for loss in Loss)):
        assert error.status == 409
        assert "k" * 60 + "'" in error.message


def test_who_may_come_again_is_told_when_and_who_may_not_is_told_too() -> None:
    assert still_running(call()).retry_after_s == 1
    assert "x-should-retry" not in still_running(call()).headers
    lost = answer_lost(call(), "req_1", Loss.TOO_LARGE)
    assert lost.headers == {"x-should-retry": "false"}
    assert "req_1" in lost.message
    assert "idempotency_answer_bytes_max" in lost.message
