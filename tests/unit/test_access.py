"""Who is calling and what they may do, on plain values."""

import string
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara import access
from nagara.domain.catalog import Catalogue, Key, KeyKind, Snapshot
from nagara.domain.errors import ErrorKind, GatewayError

PEPPER = bytes(range(32))
NOW_S = 1_800_000_000
Headers = list[tuple[bytes, bytes]]


def issue(kind: KeyKind = KeyKind.STANDARD, seed: int = 1, **terms: object) -> tuple[str, Key]:
    issued = access.issue_key(kind, bytes([seed]) * 32, PEPPER)
    key = Key(
        id=seed,
        account_id=1,
        name="ci",
        kind=kind,
        digest=issued.digest,
        hint=issued.hint,
        created_at_s=NOW_S - 10,
    )
    return issued.secret.reveal(), msgspec.structs.replace(key, **terms)


def snapshot_of(*keys: Key) -> Snapshot:
    return Snapshot(
        keys={key.digest: key for key in keys},
        accounts={},
        catalogue=Catalogue(0, "none", (), ()),
        routes={},
        sandbox={},
    )


def bearer(text: str | bytes, scheme: bytes = b"Bearer ") -> Headers:
    value = text if isinstance(text, bytes) else text.encode()
    return [(b"host", b"localhost"), (b"authorization", scheme + value)]


def x_api_key(text: str) -> Headers:
    return [(b"x-api-key", text.encode())]


def refusal(headers: Headers, *keys: Key, now_s: float = NOW_S) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        access.authenticate(headers, snapshot_of(*keys), PEPPER, now_s)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (KeyKind.STANDARD, "ng-"),
        (KeyKind.PROVISIONING, "ng-prov-"),
        (KeyKind.TEST, "ng-test-"),
    ],
)
def test_key_is_its_prefix_and_43_base62_characters(kind: KeyKind, prefix: str) -> None:
    text = access.make_key(kind, b"\xff" * 32)
    body = text.removeprefix(prefix)
    assert len(body) == 43
    assert set(body) <= set(string.ascii_letters + string.digits)
    assert access.is_well_formed(text)
    assert access.hint(text) == f"{body[:4]}…{body[-4:]}"


def test_key_text_does_not_change_between_versions() -> None:
    text = access.make_key(KeyKind.STANDARD, bytes(range(32)))
    assert text == "ng-TJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf0iTRqT"


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        access.make_key(KeyKind.STANDARD, b"short")


@given(st.binary(min_size=32, max_size=32), st.sampled_from(KeyKind), st.data())
def test_any_single_changed_character_fails_the_checksum(
    random_bytes: bytes, kind: KeyKind, data: st.DataObject
) -> None:
    text = access.make_key(kind, random_bytes)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[at]))
    assert not access.is_well_formed(text[:at] + other + text[at + 1 :])


@given(st.binary(min_size=32, max_size=32), st.integers(0, 41))
def test_two_swapped_neighbours_fail_the_checksum(random_bytes: bytes, at: int) -> None:
    text = access.make_key(KeyKind.STANDARD, random_bytes)
    at += len("ng-")
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    assert swapped == text or not access.is_well_formed(swapped)


def test_digest_depends_on_the_pepper() -> None:
    text, _ = issue()
    assert access.digest_key(PEPPER, text) != access.digest_key(b"x" * 32, text)


@pytest.mark.parametrize(
    "wrap",
    [
        bearer,
        lambda text: bearer(text, b"bearer "),
        lambda text: bearer(text, b"BEARER   "),
        lambda text: bearer(f" {text}  "),
        x_api_key,
        lambda text: x_api_key(f" {text} "),
        lambda text: bearer(text) + x_api_key(text),
        lambda text: bearer("") + x_api_key(text),
        lambda text: bearer(text) + x_api_key(""),
        lambda text: bearer("dXNlcjpwYXNz", b"Basic ") + x_api_key(text),
        lambda text: bearer(text) + bearer(text),
    ],
)
def test_key_is_found_in_every_form_of_the_headers(wrap: Callable[[str], Headers]) -> None:
    text, key = issue()
    assert access.authenticate(wrap(text), snapshot_of(key), PEPPER, NOW_S) is key


@pytest.mark.parametrize("headers", [bearer("one") + x_api_key("two"), bearer("a") + bearer("b")])
def test_two_different_keys_are_a_bad_request_that_names_both_headers(headers: Headers) -> None:
    error = refusal(headers)
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert "Authorization" in error.message
    assert "x-api-key" in error.message


@pytest.mark.parametrize("headers", [[], bearer(""), x_api_key(" "), bearer(b"", b"Bearer")])
def test_no_key_is_told_which_headers_are_read(headers: Headers) -> None:
    assert access.read_key_text(headers) is None
    error = refusal(headers)
    assert error.kind is ErrorKind.AUTHENTICATION
    assert error.headers == {"www-authenticate": "Bearer"}
    assert "Authorization: Bearer" in error.message
    assert "x-api-key" in error.message


@pytest.mark.parametrize(
    "headers",
    [
        bearer("dXNlcjpwYXNz", b"Basic "),
        [(b"authorization", issue()[0].encode())],
    ],
)
def test_authorization_without_bearer_says_so(headers: Headers) -> None:
    assert "does not hold a bearer key" in refusal(headers, issue()[1]).message


@pytest.mark.parametrize(
    "value",
    [
        b"sk-proj-1234567890",
        b"ng-",
        b"ng-tooshort",
        "ng-ключ".encode(),
        b"\xff\xfe\x00" * 17,
        b"\xff" * 46,
        b"ng-" + b"a" * 44,
        b"ng-other-" + b"a" * 43,
        b"x" * 10_000_000,
        b"ng-" + b"a" * 42 + b"\n",
        b"ng-" + b"\xd9\xa3" * 43,
    ],
)
def test_malformed_key_is_told_the_shape_and_not_repeated(value: bytes) -> None:
    error = refusal([(b"x-api-key", value)], issue()[1])
    assert error.kind is ErrorKind.AUTHENTICATION
    assert "malformed" in error.message
    assert "ng-prov-" in error.message
    assert len(error.message) < 400
    assert "proj" not in error.message


def test_mistyped_key_is_told_so() -> None:
    text, key = issue()
    wrong = text[:-10] + ("a" if text[-10] != "a" else "b") + text[-9:]
    assert "mistyped" in refusal(bearer(wrong), key).message


def test_unknown_key_is_told_by_its_hint_alone() -> None:
    text, _ = issue(seed=2)
    message = refusal(bearer(text), issue(seed=1)[1]).message
    assert "not known here" in message
    assert access.hint(text) in message
    assert text not in message


def test_key_hashed_with_another_pepper_is_unknown() -> None:
    text, key = issue()
    with pytest.raises(GatewayError, match="not known here"):
        access.authenticate(bearer(text), snapshot_of(key), b"x" * 32, NOW_S)


def test_disabled_key_is_refused_with_the_way_out() -> None:
    text, key = issue(is_enabled=False)
    assert "nagara keys enable 1" in refusal(bearer(text), key).message


def test_key_expires_at_its_second_and_not_before() -> None:
    text, key = issue(expires_at_s=NOW_S)
    assert "expired" in refusal(bearer(text), key, now_s=NOW_S).message
    assert access.authenticate(bearer(text), snapshot_of(key), PEPPER, NOW_S - 0.001) is key


class CountingDict(dict[bytes, Key]):
    lookups = 0

    def get(self, *args: object) -> Key | None:  # type: ignore[override]
        self.lookups += 1
        return None


@pytest.mark.parametrize("near", [0, 1, 20, 40, 45])
def test_every_wrong_key_costs_one_lookup_however_near_it_is(near: int) -> None:
    text, key = issue()
    other, _ = issue(seed=9)
    wrong = text[:near] + other[near:]
    keys = CountingDict({key.digest: key})
    snapshot = msgspec.structs.replace(snapshot_of(key), keys=keys)
    with pytest.raises(GatewayError):
        access.authenticate(bearer(wrong), snapshot, PEPPER, NOW_S)
    assert keys.lookups == 1


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary())))
def test_no_header_bytes_raise_anything_but_our_error(headers: Headers) -> None:
    with pytest.raises(GatewayError) as caught:
        access.authenticate(headers, snapshot_of(issue()[1]), PEPPER, NOW_S)
    assert caught.value.status in (400, 401)


def test_provisioning_key_is_refused_for_inference() -> None:
    with pytest.raises(GatewayError, match="inference takes a standard key") as caught:
        access.require_standard(issue(KeyKind.PROVISIONING)[1])
    assert caught.value.kind is ErrorKind.AUTHENTICATION
    access.require_standard(issue(KeyKind.STANDARD)[1])
    access.require_standard(issue(KeyKind.TEST)[1])


@pytest.mark.parametrize("kind", [KeyKind.STANDARD, KeyKind.TEST])
def test_other_key_is_refused_for_the_account_and_told_where_to_get_one(kind: KeyKind) -> None:
    with pytest.raises(GatewayError, match="nagara keys create NAME --provisioning") as caught:
        access.require_provisioning(issue(kind)[1])
    assert caught.value.kind is ErrorKind.PROVISIONING_KEY
    access.require_provisioning(issue(KeyKind.PROVISIONING)[1])


def test_key_with_a_list_may_use_its_models_by_id_or_alias_and_no_other() -> None:
    _, key = issue(allowed_models=frozenset({"gpt-a", "fast"}))
    access.authorize(key, "gpt-a")
    access.authorize(key, "gpt-b", ("fast",))
    with pytest.raises(GatewayError) as caught:
        access.authorize(key, "gpt-c", ("slow",))
    assert caught.value.kind is ErrorKind.PERMISSION
    assert "gpt-c" in caught.value.message
    assert "gpt-a" not in caught.value.message


def test_key_without_a_list_may_use_every_model() -> None:
    access.authorize(issue()[1], "anything")


def test_key_with_an_empty_list_may_use_none() -> None:
    with pytest.raises(GatewayError):
        access.authorize(issue(allowed_models=frozenset())[1], "gpt-a")


def test_issued_key_does_not_show_its_secret() -> None:
    issued = access.issue_key(KeyKind.TEST, bytes(32), PEPPER)
    assert issued.secret.reveal() not in repr(issued)
