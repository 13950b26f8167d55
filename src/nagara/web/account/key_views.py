"""A key as the account API shows it, and the command line with it: never a digest, never a secret.

The first fields are NagaAI's, the rest ours. A credit limit is a JSON number, exact to nine places;
what was spent and what is left are decimal text, like every other amount.
"""

import msgspec

from nagara.access import mask_key
from nagara.domain.catalog import Key
from nagara.domain.money import format_dollars
from nagara.storage.limit_periods import find_period_end
from nagara.storage.spending import Spending
from nagara.web.times import format_time

NOTHING_SPENT = Spending(0, None)
STORE_IT = "Store this key now: it is shown this once and cannot be had again."


class CreditLimitView(msgspec.Struct, frozen=True):
    """A credit limit as it stands. `remaining` is zero where more was spent than it allows now."""

    amount: str
    period: str
    remaining: str
    resets_at: str | None


class LimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a key is held to. A rate of None is as the settings say, and 0 is no limit."""

    credit: CreditLimitView | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    requests_in_flight: int | None


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `spent` is all that was charged through it, less what was refunded of it."""

    id: int
    name: str
    created_at: str
    expires_at: str | None
    is_enabled: bool
    credit_limit: msgspec.Raw | None
    credit_limit_period: str
    kind: str
    hint: str
    spent: str
    limits: LimitsView
    allowed_models: list[str] | None


class KeyList(msgspec.Struct, frozen=True):
    """`GET /v1/account/keys`."""

    keys: list[KeyView]


def view_key(key: Key, spending: Spending, now_ms: int) -> KeyView:
    """A key with what it has spent, as of now."""
    limit_nano, expires_at_s = key.credit_limit_nano, key.expires_at_s
    return KeyView(
        id=key.id,
        name=key.name,
        created_at=format_time(key.created_at_s),
        expires_at=None if expires_at_s is None else format_time(expires_at_s),
        is_enabled=key.is_enabled,
        credit_limit=None
        if limit_nano is None
        else msgspec.Raw(format_dollars(limit_nano).encode()),
        credit_limit_period=key.limit_period.value,
        kind=key.kind.value,
        hint=mask_key(key),
        spent=format_dollars(spending.spent_nano),
        limits=LimitsView(
            credit=_view_credit(key, spending, now_ms), **msgspec.structs.asdict(key.limits)
        ),
        allowed_models=None if key.allowed_models is None else sorted(key.allowed_models),
    )


def _view_credit(key: Key, spending: Spending, now_ms: int) -> CreditLimitView | None:
    limit_nano, remaining_nano = key.credit_limit_nano, spending.remaining_nano
    if limit_nano is None:
        return None
    resets_at_s = find_period_end(key.limit_period, now_ms)
    return CreditLimitView(
        amount=format_dollars(limit_nano),
        period=key.limit_period.value,
        remaining=format_dollars(limit_nano if remaining_nano is None else remaining_nano),
        resets_at=None if resets_at_s is None else format_time(resets_at_s),
    )


def view_secret(view: KeyView, secret: str, **more: object) -> dict[str, object]:
    """A key with its secret, which is shown this once."""
    return {**msgspec.structs.asdict(view), "key": secret, "message": STORE_IT, **more}
