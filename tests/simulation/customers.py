"""Those who pay in the simulation: accounts without credit, each with some keys, limited or not."""

import random

import msgspec

from nagara.domain.catalog import LimitPeriod
from tests.simulation.memory_driver import MemoryDriver

CUSTOMERS, KEYS_EACH = 6, 3
PERIODS = (None, *LimitPeriod)


class SimulatedKey(msgspec.Struct, frozen=True):
    """A key with its limit, and whose it is."""

    id: int
    account_id: int
    limit_nano: int | None
    period: LimitPeriod


def open_customers(driver: MemoryDriver, chance: random.Random) -> list[SimulatedKey]:
    """Make them all; their keys."""
    keys: list[SimulatedKey] = []
    for account_id in range(1, CUSTOMERS + 1):
        driver.put(
            "INSERT INTO accounts (id, name, created_at_s) VALUES (?1, ?2, 0)",
            account_id,
            f"customer-{account_id}",
        )
        driver.put("INSERT INTO ledger_accounts (kind, owner) VALUES ('customer', ?1)", account_id)
        for _ in range(KEYS_EACH):
            keys.append(_choose_key(len(keys) + 1, account_id, chance))
            _open_key(driver, keys[-1])
    return keys


def _choose_key(key_id: int, account_id: int, chance: random.Random) -> SimulatedKey:
    period = chance.choice(PERIODS)
    limit_nano = None if period is None else chance.randrange(20_000, 2_000_000)
    if limit_nano is not None and period is LimitPeriod.TOTAL:
        limit_nano *= 20
    return SimulatedKey(key_id, account_id, limit_nano, period or LimitPeriod.TOTAL)


def _open_key(driver: MemoryDriver, key: SimulatedKey) -> None:
    driver.put(
        "INSERT INTO keys (id, account_id, name, kind, hint, created_at_s) "
        "VALUES (?1, ?2, 'k', 'standard', 'abcd…wxyz', 0)",
        key.id,
        key.account_id,
    )
    driver.put(
        "INSERT INTO ledger_accounts (kind, owner, limit_nano, limit_period) "
        "VALUES ('key', ?1, ?2, ?3)",
        key.id,
        key.limit_nano,
        key.period.value,
    )
