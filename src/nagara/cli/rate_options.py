"""The options that set rate limits: `--requests-per-minute` and its like.

Each takes a number, 0 for no limit, or `default` for what the settings say. What was not given is
not among the changes, so a command can change one limit and leave the others.
"""

from collections.abc import Callable
from typing import Any

import click
import msgspec

from nagara.domain.limits import RATE_MAX, RateLimits

DEFAULT = "default"
HELP = {
    "requests_per_minute": "The most requests a minute.",
    "tokens_per_minute": "The most tokens a minute, in and out.",
    "requests_in_flight": "The most requests that run at once.",
}

RateChanges = dict[str, int | None]
"""The new values by the names of `RateLimits`; None leaves it to the settings again."""


def takes_rates(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a click command, which gets them as `rates: RateChanges`."""
    for name in reversed(RateLimits.__struct_fields__):
        option = click.option(
            f"--{name.replace('_', '-')}",
            metavar="N",
            expose_value=False,
            callback=_keep_rate,
            help=f"{HELP[name]} 0 is no limit, {DEFAULT!r} what the settings say.",
        )
        command = option(command)
    return command


def describe_rates(limits: RateLimits) -> str:
    """The limits in words."""
    own = {name: n for name, n in msgspec.structs.asdict(limits).items() if n is not None}
    words = (f"{n or 'any'} {_unit(name, n)}" for name, n in own.items())
    return ", ".join(words) or "as set for all"


def _unit(name: str, count: int) -> str:
    words = name.replace("_", " ")
    return words.replace("s ", " ", 1) if count == 1 else words


def _keep_rate(context: click.Context, option: click.Parameter, value: str | None) -> None:
    rates: RateChanges = context.params.setdefault("rates", {})
    if value is not None:
        assert option.name is not None
        rates[option.name] = None if value == DEFAULT else _read_rate(value)


def _read_rate(value: str) -> int:
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(RATE_MAX))
    if not is_number or int(value) > RATE_MAX:
        raise click.BadParameter(
            f"{value!r} is neither a whole number up to {RATE_MAX} nor {DEFAULT!r}"
        )
    return int(value)
