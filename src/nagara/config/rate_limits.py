"""The rate limits that the settings give to every key and account, as the gate takes them."""

from nagara.domain.limits import RateLimits
from nagara.limits.rules import LimitSettings
from nagara.settings import Settings


def read_rate_limits(settings: Settings) -> LimitSettings:
    """The settings, as the gate takes them."""
    return LimitSettings(
        key=RateLimits(
            requests_per_minute=settings.key_requests_per_minute_max,
            tokens_per_minute=settings.key_tokens_per_minute_max,
            requests_in_flight=settings.key_requests_in_flight_max,
        ),
        account=RateLimits(
            requests_per_minute=settings.account_requests_per_minute_max,
            tokens_per_minute=settings.account_tokens_per_minute_max,
            requests_in_flight=settings.account_requests_in_flight_max,
        ),
        free_requests_per_minute=settings.free_requests_per_minute_max,
        free_requests_per_day=settings.free_requests_per_day_max,
    )
