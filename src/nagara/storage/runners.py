"""Who holds money, and whether it still lives: the holds of a dead process are given back.

So are the idempotency keys that it had claimed.

Each process is a runner that counts its `beat` up; every process watches the others'. A beat that
stood still for `lease_s`, by the watcher's own monotonic clock, is taken for dead, and its holds
expire. No clock is compared with another's. Whoever was taken for dead wrongly loses nothing: its
posts come late, and are charged from what is available.

While the database cannot be read, nobody ages: only what was observed counts.
"""

from collections.abc import Iterable

import msgspec

from nagara.runtime import Clock
from nagara.storage.claims import free_claims, load_open
from nagara.storage.driver import Driver, ExpectationError, Statement
from nagara.storage.ledger import Ledger
from nagara.storage.ledger_statements import Hold, expire_statements

_BEAT = (
    "INSERT INTO runners (id, beat) VALUES ($1, 1) "
    "ON CONFLICT (id) DO UPDATE SET beat = runners.beat + 1"
)
_RUNNERS = (
    "SELECT id, beat FROM runners UNION ALL "
    "SELECT runner, -1 FROM (SELECT runner FROM holds UNION "
    "SELECT runner FROM idempotent_calls WHERE runner IS NOT NULL) AS busy "
    "WHERE NOT EXISTS (SELECT 1 FROM runners WHERE runners.id = busy.runner)"
)
_HOLDS = "SELECT id, account_id, key_id, amount_nano, made_at_ms FROM holds WHERE runner = $1"
_FORGET = "DELETE FROM runners WHERE id = $1 AND beat = $2"


class Expired(msgspec.Struct, frozen=True):
    """How many holds were given back, and what they came to."""

    count: int = 0
    amount_nano: int = 0


class _Watched(msgspec.Struct):
    """Something that should change soon: what it was, and how long it was seen not to change."""

    beat: int
    stood_s: float = 0.0


class Reaper:
    """Shows that this process lives, and ends what dead ones held. Called in turns by its owner."""

    def __init__(self, driver: Driver, ledger: Ledger, clock: Clock, lease_s: float) -> None:
        self._driver = driver
        self._ledger = ledger
        self._clock = clock
        self._lease_s = lease_s
        self._runners: dict[str, _Watched] = {}
        self._lost: dict[str, _Watched] = {}
        self._turned_s = clock.monotonic_s()

    async def turn(self) -> Expired:
        """Beat once and look at the others once; what was given back. Call it every few seconds.

        Raises `StorageError`; the next turn goes on from there.
        """
        await self._driver.commit([Statement(_BEAT, (self._ledger.runner,), rows_expected=1)])
        rows = await self._driver.query(_RUNNERS)
        own = await self._load_holds(self._ledger.runner)
        claimed = await load_open(self._driver, self._ledger.runner)
        passed_s = self._passed_s()
        others = {name: beat for name, beat in rows if name != self._ledger.runner}
        dead = self._watch(self._runners, others, passed_s)
        held = [*(hold.id for hold in own), *claimed]
        lost = {request: 0 for request in held if not self._ledger.is_open(request)}
        # Whoever asked for these was told that the store had failed, and has forgotten them.
        gone = set(self._watch(self._lost, lost, passed_s))
        expired = [await self._expire(hold for hold in own if hold.id in gone)]
        for request in gone.intersection(claimed):
            await self._driver.commit([free_claims(self._ledger.runner, request)])
        for name in dead:
            expired.append(await self._expire(await self._load_holds(name)))
            # If it lives after all, its next beat makes it anew.
            forget = Statement(_FORGET, (name, others[name]))
            # Its keys after its money: who takes one up finds the credit there again.
            await self._driver.commit([free_claims(name), forget])
        return Expired(
            sum(each.count for each in expired), sum(each.amount_nano for each in expired)
        )

    def _passed_s(self) -> float:
        """The time since the last turn, as far as it counts.

        Where this process stood still itself, with the whole machine perhaps, the others had no
        chance to be seen: a long gap counts for no more than a part of the lease.
        """
        now_s = self._clock.monotonic_s()
        passed_s, self._turned_s = now_s - self._turned_s, now_s
        return min(passed_s, self._lease_s / 4)

    def _watch(
        self, watched: dict[str, _Watched], seen: dict[str, int], passed_s: float
    ) -> list[str]:
        """Note what was seen; the names of those that stood still for the lease."""
        for name in watched.keys() - seen.keys():
            del watched[name]
        for name, beat in seen.items():
            known = watched.get(name)
            if known is None or known.beat != beat:
                watched[name] = _Watched(beat)
            else:
                known.stood_s += passed_s
        return [name for name, each in watched.items() if each.stood_s >= self._lease_s]

    async def _load_holds(self, runner: str) -> list[Hold]:
        return [
            Hold(id=row[0], account_id=row[1], key_id=row[2], amount_nano=row[3], made_at_ms=row[4])
            for row in await self._driver.query(_HOLDS, (runner,))
        ]

    async def _expire(self, holds: Iterable[Hold]) -> Expired:
        count = amount_nano = 0
        for hold in holds:
            try:
                await self._driver.commit(expire_statements(hold), group=hold.account_id)
            except ExpectationError:
                # Settled, or expired by another process, between the reading and now.
                continue
            count, amount_nano = count + 1, amount_nano + hold.amount_nano
        return Expired(count, amount_nano)
