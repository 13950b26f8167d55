"""How often an address may fail to authenticate a minute.

Guessing a key of 220 random bits is hopeless; what is bounded here is the work that guesses make:
a body that is read, a look into the database for a key that may be new. So a good key passes from
any address, and whoever shares one with a broken client (a proxy, an office) is not locked out.

Always counted in this process alone: an attack is met where it arrives, without asking anyone.
Addresses are as many as an attacker likes, so beyond `ADDRESSES_MAX` the oldest is forgotten.
"""

import math
from collections import OrderedDict

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits.base import NS_PER_S, Kind, Limit, Unit
from nagara.limits.counters import Bucket
from nagara.runtime import Clock

ADDRESSES_MAX = 20_000


class FailedKeys:
    """Counts by address. `amount_max` of zero is no limit, and may be changed at any time."""

    def __init__(self, amount_max: int, clock: Clock) -> None:
        self._clock = clock
        self.buckets: OrderedDict[str, Bucket] = OrderedDict()
        """Of the addresses that are remembered; none says that no one has failed lately."""
        self._limit: Limit | None = None
        self.change_limit(amount_max)

    def change_limit(self, amount_max: int) -> None:
        """Allow so many a minute from now on."""
        rule = f"This address may fail to authenticate {amount_max} times per minute"
        self._limit = None
        if amount_max:
            self._limit = Limit(
                id="", rule=rule, unit=Unit.REQUESTS, kind=Kind.EVENLY, amount_max=amount_max
            )

    def check(self, address: str) -> None:
        """Raise `GatewayError` (RATE_LIMIT) when the address has no failure left."""
        bucket, limit = self.buckets.get(address), self._limit
        if bucket is None or limit is None:
            return
        wait_ns = bucket.find_wait_ns(limit, 1, self._now_ns())
        if wait_ns:
            raise _too_many(limit, wait_ns)

    def count(self, address: str) -> None:
        """Count a failure. Raises as `check`, and then does not count it."""
        if self._limit is None:
            return
        self.check(address)
        if address not in self.buckets:
            self._forget_some()
            self.buckets[address] = Bucket()
        self.buckets[address].take(self._limit, 1, self._now_ns())

    def forgive(self, address: str) -> None:
        """Take one back: the key was known after all."""
        if self._limit is not None and (bucket := self.buckets.get(address)) is not None:
            bucket.take(self._limit, -1, self._now_ns())

    def _forget_some(self) -> None:
        """Of the two that are here longest those that are idle, as `memory` does; more if full."""
        assert self._limit is not None
        for _ in range(min(2, len(self.buckets))):
            address, bucket = self.buckets.popitem(last=False)
            is_crowded = len(self.buckets) >= ADDRESSES_MAX
            if not is_crowded and not bucket.is_idle(self._limit, self._now_ns()):
                self.buckets[address] = bucket

    def _now_ns(self) -> int:
        return round(self._clock.monotonic_s() * NS_PER_S)


def _too_many(limit: Limit, wait_ns: int) -> GatewayError:
    retry_after_s = max(1, math.ceil(wait_ns / NS_PER_S))
    return GatewayError(
        ErrorKind.RATE_LIMIT,
        f"{limit.rule}, and the key of this request is not good either. Check it before you send "
        f"it again; a wrong one is looked at in {retry_after_s} s.",
        retry_after_s=retry_after_s,
    )
