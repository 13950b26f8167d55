"""Rate limits in the store: the column `limits` of accounts and keys, as JSON.

Null where nothing differs from the settings, so that a limit which the settings change changes for
all who said nothing. Only what is not null is written.
"""

import msgspec

from nagara.domain.limits import AS_SETTINGS_SAY, RateLimits
from nagara.storage.driver import Statement

_SET_ACCOUNT = "UPDATE accounts SET limits = $2 WHERE id = $1"


def encode_limits(limits: RateLimits) -> str | None:
    """The column's value."""
    return None if limits == AS_SETTINGS_SAY else msgspec.json.encode(limits).decode()


def decode_limits(text: str | None) -> RateLimits:
    """The limits of a column."""
    return AS_SETTINGS_SAY if text is None else msgspec.json.decode(text, type=RateLimits)


def set_account_limits(account_id: int, limits: RateLimits) -> Statement:
    """Part of a commit that holds an account to these limits; fails if there is no such account."""
    return Statement(_SET_ACCOUNT, (account_id, encode_limits(limits)), rows_expected=1)
