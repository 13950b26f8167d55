"""What the account API reads of bodies and queries: exact amounts, absent apart from null."""

from datetime import UTC, datetime

import pytest

from nagara.domain.catalog import KeyKind, LimitPeriod
from nagara.domain.errors import GatewayError
from nagara.domain.limits import RateLimits
from nagara.storage.activity import Grouping
from nagara.storage.keys import KeyChanges
from nagara.storage.request_pages import Position
from nagara.storage.rotation import OVERLAP_MAX_S
from nagara.storage.transfer_pages import Place, TransferType
from nagara.web.account.key_bodies import (
    OVERLAP_DEFAULT_S,
    read_changes,
    read_new_key,
    read_overlap,
)
from nagara.web.account.queries import (
    encode_cursor,
    read_cursor,
    read_grouping,
    read_limit,
    read_range,
    read_types,
)

NOW_S = 1_800_000_000
TODAY = NOW_S // 86_400
LIMITS = RateLimits(requests_per_minute=5)


def limit_of(number: str) -> int | None:
    body = f'{{"name": "x", "credit_limit": {number}}}'.encode()
    return read_new_key(body, NOW_S).terms.credit_limit_nano


@pytest.mark.parametrize(
    ("number", "amount_nano"),
    [
        ("0.1", 100_000_000),
        ("0.3", 300_000_000),
        ("0.000000001", 1),
        ("12", 12 * 10**9),
        ("0", 0),
        ("9223372036.854775807", 2**63 - 1),
        ("null", None),
    ],
)
def test_amount_is_read_from_its_digits(number: str, amount_nano: int | None) -> None:
    assert limit_of(number) == amount_nano


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("-1", "negative"),
        ("-0.0", "negative"),
        ("1e2", "exponent"),
        ("1E-9", "exponent"),
        ("0.1234567891", "nine decimal places"),
        ("0.30000000000000004", "nine decimal places"),
        ("9223372036.854775808", "more than the ledger"),
        ("9" * 400, "more than the ledger"),
        ('"12.5"', "must be a number"),
        ("true", "must be a number"),
        ("[1]", "must be a number"),
        ("{}", "must be a number"),
    ],
)
def test_amount_that_is_none_is_refused_by_name(number: str, said: str) -> None:
    with pytest.raises(GatewayError, match=said) as caught:
        limit_of(number)
    assert (caught.value.status, caught.value.param) == (400, "credit_limit")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1_0"])
def test_number_that_is_no_json_is_refused(number: str) -> None:
    with pytest.raises(GatewayError, match="JSON") as caught:
        limit_of(number)
    assert caught.value.status == 400


def test_half_a_surrogate_pair_opens_no_way_around_the_digits() -> None:
    with pytest.raises(GatewayError, match="surrogate"):
        read_new_key(b'{"name": "\\ud83d", "name": "x", "credit_limit": 1e2}', NOW_S)


def test_new_key_has_all_that_was_asked_for() -> None:
    asked = read_new_key(
        b'{"name": " ci ", "kind": "test", "credit_limit": 5, "credit_limit_period": "week",'
        b' "expires_at": "2999-01-31T12:00:00+02:00", "allowed_models": ["b", "a"],'
        b' "limits": {"tokens_per_minute": 7}}',
        NOW_S,
    )
    assert asked.kind is KeyKind.TEST
    terms = asked.terms
    assert (terms.name, terms.credit_limit_nano, terms.limit_period) == (
        *("ci", 5 * 10**9),
        LimitPeriod.WEEK,
    )
    noon = datetime(2999, 1, 31, 10, tzinfo=UTC)
    assert terms.expires_at_s == noon.timestamp()
    assert terms.allowed_models == frozenset("ab")
    assert terms.limits == RateLimits(tokens_per_minute=7)


def test_what_is_absent_stays_and_null_takes_away() -> None:
    assert read_changes(b"{}", NOW_S, LIMITS) == KeyChanges()
    # Neither can be nothing, so null is like absent.
    assert read_changes(b'{"name": null, "is_enabled": null}', NOW_S, LIMITS) == KeyChanges()
    nothing = b'{"credit_limit": null, "expires_at": null, "allowed_models": null, "limits": null}'
    assert read_changes(nothing, NOW_S, LIMITS) == KeyChanges(
        credit_limit_nano=None, expires_at_s=None, allowed_models=None, limits=RateLimits()
    )
    one = read_changes(b'{"limits": {"requests_in_flight": 3}}', NOW_S, LIMITS)
    assert one.limits == RateLimits(requests_per_minute=5, requests_in_flight=3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"credit_limit": 1}', "name"),
        ('{"name": ""}', "name"),
        ('{"name": "  "}', "name"),
        ('{"name": 5}', "name"),
        ('{"name": "a\\nb"}', "name"),
        ('{"name": "a\\u0000b"}', "name"),
        ('{"name": "' + "x" * 256 + '"}', "name"),
        ('{"name": "x", "expires_at": 5}', "expires_at"),
        ('{"name": "x", "expires_at": "soon"}', "expires_at"),
        ('{"name": "x", "expires_at": "2020-01-01"}', "expires_at"),
        ('{"name": "x", "expires_at": "0001-01-01T00:00+23:00"}', "expires_at"),
        ('{"name": "x", "expires_at": "9999-12-31T23:59:59-23:00"}', "expires_at"),
        ('{"name": "x", "credit_limit_period": "year"}', "credit_limit_period"),
        ('{"name": "x", "kind": "provisioning"}', "kind"),
        ('{"name": "x", "allowed_models": []}', "allowed_models"),
        ('{"name": "x", "allowed_models": [""]}', "allowed_models"),
        ('{"name": "x", "allowed_models": "gpt"}', "allowed_models"),
        ('{"name": "x", "limits": 5}', "limits"),
        ('{"name": "x", "limits": {"credit": null}}', "limits.credit"),
        ('{"name": "x", "limits": {"tokens_per_minute": -1}}', "limits.tokens_per_minute"),
        ('{"name": "x", "limits": {"tokens_per_minute": 1.5}}', "limits.tokens_per_minute"),
        ('{"name": "x", "credit_limt": 1}', "credit_limt"),
        ('{"name": "x", "is_enabled": true}', "is_enabled"),
    ],
)
def test_wrong_field_of_a_new_key_is_named(body: str, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_new_key(body.encode(), NOW_S)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_misspelt_field_is_told_what_was_meant() -> None:
    with pytest.raises(GatewayError, match="Did you mean 'credit_limit'"):
        read_changes(b'{"credit_limt": 1}', NOW_S, LIMITS)


@pytest.mark.parametrize(
    ("body", "overlap_s"),
    [(b"", OVERLAP_DEFAULT_S), (b"{}", OVERLAP_DEFAULT_S), (b'{"overlap_s": 0}', 0)],
)
def test_overlap_is_a_day_unless_it_is_given(body: bytes, overlap_s: int) -> None:
    assert read_overlap(body) == overlap_s


@pytest.mark.parametrize("value", ["-1", str(OVERLAP_MAX_S + 1), "1.5", '"5"', str(10**40)])
def test_overlap_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_overlap(f'{{"overlap_s": {value}}}'.encode())
    assert caught.value.param == "overlap_s"


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, (TODAY - 29, TODAY)),
        ({"days": "1"}, (TODAY, TODAY)),
        ({"from": "2026-12-31", "to": "2027-01-01"}, (20_818, 20_819)),
        ({"to": "1970-01-02", "days": "30"}, (0, 1)),
    ],
)
def test_range_is_of_whole_days(query: dict[str, str], days: tuple[int, int]) -> None:
    assert read_range(query, TODAY) == days


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(({"days": text}, "days") for text in ("0", "31", "-1", "1.5", "", "٣", "9" * 5000)),
        ({"days": "5", "from": "2027-01-01"}, "days"),
        *(({"from": text}, "from") for text in ("x", "2999-01-01", "1969-01-01", "20270101", "")),
        ({"from": "2020-01-01", "to": "2027-01-01"}, "from"),
        ({"to": "2027-02-30"}, "to"),
    ],
)
def test_wrong_range_is_named(query: dict[str, str], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_range(query, TODAY)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_names_between_commas_are_each_known() -> None:
    assert read_grouping({"group_by": "day,model"}) == {Grouping.DAY, Grouping.MODEL}
    assert read_types({"type": "top_up"}) == {TransferType.TOP_UP}
    for text in ("", "day,", "year", "DAY"):
        with pytest.raises(GatewayError, match="day, model, api_key"):
            read_grouping({"group_by": text})


@pytest.mark.parametrize("limit", ["0", "1001", "x", " 5"])
def test_wrong_limit_is_named(limit: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_limit({"limit": limit})
    assert caught.value.param == "limit"


def test_cursor_comes_back_as_it_went() -> None:
    for position in (Position(5, 7), Position(2**63 - 1, 0)):
        assert read_cursor({"cursor": encode_cursor(position)}, Position) == position
    for place in (Place(5), Place(5, 7)):
        assert read_cursor({"cursor": encode_cursor(place)}, Place) == place


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "é", "AAAA", "!!!!", "A" * 1000),
        encode_cursor(Place(5, 7)),
        encode_cursor(["requests", 2**63, 0]),
        encode_cursor(["requests", -1, 0]),
        encode_cursor(["requests", 1.5, 0]),
    ],
)
def test_cursor_of_another_list_or_of_nobody_is_refused(cursor: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_cursor({"cursor": cursor}, Position)
    assert (caught.value.status, caught.value.param) == (400, "cursor")
