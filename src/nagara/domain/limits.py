"""How fast a key or an account may call, as its operator set it.

A bound that is None leaves it to the settings, which hold for every key or account that says
nothing itself; 0 is no bound at all. What keeps the counts is `limits/`; here are only the numbers.
"""

from typing import Annotated

import msgspec

RATE_MAX = 1_000_000_000
"""The largest number that any of them may be."""

Rate = Annotated[int, msgspec.Meta(ge=0, le=RATE_MAX)]


class RateLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bounds of one key or account. The names are those of the account API."""

    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    requests_in_flight: Rate | None = None

    def or_else(self, default: "RateLimits") -> "RateLimits":
        """These, with those of `default` where they say nothing."""
        own, names = self, self.__struct_fields__
        chosen = {name: getattr(own, name) for name in names if getattr(own, name) is not None}
        return msgspec.structs.replace(default, **chosen)


AS_SETTINGS_SAY = RateLimits()
