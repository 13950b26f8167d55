"""A key as people and programs are shown it: a table's row, a list of facts, JSON.

The JSON is the account API's (`/v1/account/keys`) and names the account. Never a digest.
"""

import time

import msgspec

from nagara.access import mask_key
from nagara.cli.rate_options import describe_rates
from nagara.domain.catalog import Key, LimitPeriod
from nagara.domain.money import format_dollars
from nagara.storage.spending import Spending
from nagara.web.account import key_views
from nagara.web.account.key_views import NOTHING_SPENT
from nagara.web.times import format_time

COLUMNS = (
    "id",
    "name",
    "kind",
    "key",
    "state",
    "spent",
    "limit",
    "expires",
    "models",
    "rates",
    "account",
    "created",
)
"""The first are the last that a narrow terminal leaves out."""


class ShownKey(msgspec.Struct, frozen=True):
    """A key, the name of its account, and what it has spent."""

    key: Key
    account: str
    spending: Spending = NOTHING_SPENT


def view_key(shown: ShownKey) -> dict[str, object]:
    """The key for JSON, as the account API shows it, and whose it is."""
    view = key_views.view_key(shown.key, shown.spending, time.time_ns() // 1_000_000)
    return {**msgspec.structs.asdict(view), "account": shown.account}


def key_row(shown: ShownKey) -> tuple[str, ...]:
    """The key under `COLUMNS`."""
    return tuple(value for _, value in key_facts(shown))


def key_facts(shown: ShownKey) -> list[tuple[str, str]]:
    """Each of `COLUMNS` with its value in words."""
    key = shown.key
    values = (
        str(key.id),
        key.name,
        key.kind.value,
        mask_key(key),
        _state(key),
        f"${format_dollars(shown.spending.spent_nano)}",
        _limit(key),
        "never" if key.expires_at_s is None else _minute(key.expires_at_s),
        "all" if key.allowed_models is None else ", ".join(sorted(key.allowed_models)),
        describe_rates(key.limits),
        shown.account,
        _minute(key.created_at_s),
    )
    return list(zip(COLUMNS, values, strict=True))


def _state(key: Key) -> str:
    if key.expires_at_s is not None and key.expires_at_s <= time.time():
        return "expired"
    return "enabled" if key.is_enabled else "disabled"


def _limit(key: Key) -> str:
    if key.credit_limit_nano is None:
        return "none"
    amount = f"${format_dollars(key.credit_limit_nano)}"
    is_total = key.limit_period is LimitPeriod.TOTAL
    return amount if is_total else f"{amount} a {key.limit_period.value}"


def _minute(time_s: int) -> str:
    return f"{format_time(time_s)[:16]}Z"
