"""Addresses that fail to authenticate: how often they may, and how many are remembered."""

import pytest
from tests.fakes import FakeClock

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits import failed_keys
from nagara.limits.failed_keys import FailedKeys


def is_refused(failed: FailedKeys, address: str) -> bool:
    try:
        failed.count(address)
    except GatewayError:
        return True
    return False


def test_address_may_fail_so_often_and_then_at_the_rate() -> None:
    clock = FakeClock()
    failed = FailedKeys(3, clock)
    assert [is_refused(failed, "a") for _ in range(5)] == [False] * 3 + [True] * 2
    assert not is_refused(failed, "b")
    with pytest.raises(GatewayError) as caught:
        failed.check("a")
    assert caught.value.kind is ErrorKind.RATE_LIMIT
    assert caught.value.retry_after_s == 20
    assert "3 times per minute" in caught.value.message
    clock.advance(20)
    failed.check("a")
    assert [is_refused(failed, "a") for _ in range(2)] == [False, True]


def test_forgiven_failure_is_as_if_it_had_not_been() -> None:
    failed = FailedKeys(1, FakeClock())
    for _ in range(5):
        assert not is_refused(failed, "a")
        failed.forgive("a")


def test_zero_is_no_limit_and_a_limit_can_come_later() -> None:
    failed = FailedKeys(0, FakeClock())
    assert not any(is_refused(failed, "a") for _ in range(1000))
    assert len(failed.buckets) == 0
    failed.change_limit(1)
    assert [is_refused(failed, "a") for _ in range(2)] == [False, True]


def test_memory_is_bounded_whatever_addresses_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_keys, "ADDRESSES_MAX", 100)
    failed = FailedKeys(10, FakeClock())
    for number in range(5000):
        failed.count(str(number))
    assert len(failed.buckets) <= 101


def test_addresses_are_forgotten_when_they_have_nothing_left_to_remember() -> None:
    clock = FakeClock()
    failed = FailedKeys(10, clock)
    for number in range(1000):
        failed.count(str(number))
        clock.advance(1)
    assert len(failed.buckets) <= 14
