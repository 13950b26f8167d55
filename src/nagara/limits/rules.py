"""Which limits a key's requests are held to: its own, its account's, and those of free models.

A limit's id names its subject and what it counts, and never its amount: the count goes on when the
amount is changed. A test key is served by the sandbox and is held to its own limits alone, so that
a CI job never uses up what its account's production needs.
"""

from collections.abc import Iterator

import msgspec

from nagara.domain.catalog import Account, Key, KeyKind
from nagara.domain.limits import RateLimits
from nagara.limits.base import MINUTE_NS, NS_PER_S, Claim, Kind, Limit, Unit

FREE_SUFFIX = ":free"
"""How the ids of models end that cost nothing."""
DAY_NS = 86_400 * NS_PER_S


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where a key or an account says nothing itself. Zero is no limit."""

    key: RateLimits = RateLimits()
    account: RateLimits = RateLimits()
    free_requests_per_minute: int = 0
    free_requests_per_day: int = 0


class Rules(msgspec.Struct, frozen=True):
    """The limits of one key, ready to be claimed.

    `always` is taken by every request, `free` by those to free models as well, `tokens` by those
    that use any. `slots` are those of `always` that have to be given back.
    """

    always: tuple[Claim, ...]
    free: tuple[Claim, ...]
    tokens: tuple[Limit, ...]
    slots: tuple[Limit, ...]


def make_rules(key: Key, account: Account, settings: LimitSettings) -> Rules:
    """The limits of a key. Whatever is unlimited has none."""
    limits = list(_limits_of("key", key.id, key.limits.or_else(settings.key)))
    free: list[Limit] = []
    if key.kind is not KeyKind.TEST:
        own = account.limits.or_else(settings.account)
        limits += _limits_of("account", account.id, own)
        free += _free_limits(account.id, settings)
    return Rules(
        always=tuple(Claim(limit) for limit in limits if limit.unit is not Unit.TOKENS),
        free=tuple(Claim(limit) for limit in free),
        tokens=tuple(limit for limit in limits if limit.unit is Unit.TOKENS),
        slots=tuple(limit for limit in limits if limit.unit is Unit.SLOTS),
    )


def _limits_of(subject: str, number: int, limits: RateLimits) -> Iterator[Limit]:
    whose = "This key" if subject == "key" else "This account, with all its keys,"
    if amount := limits.requests_per_minute:
        yield Limit(
            id=f"{subject} {number} requests",
            rule=f"{whose} may make {amount} request{_s(amount)} per minute",
            unit=Unit.REQUESTS,
            kind=Kind.EVENLY,
            amount_max=amount,
        )
    if amount := limits.tokens_per_minute:
        yield Limit(
            id=f"{subject} {number} tokens",
            rule=f"{whose} may use {amount} token{_s(amount)} per minute",
            unit=Unit.TOKENS,
            kind=Kind.EVENLY,
            amount_max=amount,
        )
    if amount := limits.requests_in_flight:
        yield Limit(
            id=f"{subject} {number} slots",
            rule=f"{whose} may have {amount} request{_s(amount)} running at once",
            unit=Unit.SLOTS,
            kind=Kind.RELEASED,
            amount_max=amount,
        )


def _free_limits(account_id: int, settings: LimitSettings) -> Iterator[Limit]:
    rates = {
        "minute": (settings.free_requests_per_minute, MINUTE_NS),
        "day": (settings.free_requests_per_day, DAY_NS),
    }
    for period, (amount, period_ns) in rates.items():
        if amount:
            yield Limit(
                id=f"account {account_id} free {period}",
                rule=f"This account may make {amount} request{_s(amount)} per {period} to free "
                f"models (those in '{FREE_SUFFIX}') together, with all its keys",
                unit=Unit.REQUESTS,
                kind=Kind.WINDOW,
                amount_max=amount,
                period_ns=period_ns,
            )


def _s(amount: int) -> str:
    return "" if amount == 1 else "s"
