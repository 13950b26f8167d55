"""What a caller is told of its limits: response headers, and the error when one refuses.

Of several limits of one unit the tightest is told, which is the one that will refuse first.
Answers to every dialect have OpenAI's headers; those of Anthropic's endpoints have its own beside
them, with a time of day where OpenAI has a span.

Sources: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
and https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits.base import Claim, Decision, State, Unit

Told = tuple[Claim, State]
ResponseHeaders = list[tuple[bytes, bytes]]

ANTHROPIC_OPERATIONS = frozenset({Operation.MESSAGES, Operation.COUNT_TOKENS})
UNITS = (Unit.REQUESTS, Unit.TOKENS)
"""Slots have no header: nobody knows when one is given back."""
SAID_WITH_TIME_S = 60
"""Who has to wait for longer than this is told the time of day too."""


def encode_headers(
    claims: Sequence[Claim], decision: Decision, operation: Operation, now_s: float
) -> ResponseHeaders:
    """The headers that tell the state of the limits at the Unix time `now_s`."""
    told = list(zip(claims, decision.states, strict=True))
    headers: ResponseHeaders = []
    for unit in UNITS:
        of_unit = [pair for pair in told if pair[0].limit.unit is unit]
        if of_unit:
            claim, state = of_unit[0] if len(of_unit) == 1 else min(of_unit, key=_tightness)
            amount_max = claim.limit.amount_max
            headers += _openai_headers(unit.value, amount_max, state)
            if operation in ANTHROPIC_OPERATIONS:
                headers += _anthropic_headers(unit.value, amount_max, state, now_s)
    return headers


def refuse(
    claims: Sequence[Claim], decision: Decision, headers: ResponseHeaders, now_s: float
) -> GatewayError:
    """The 429 of a request that did not fit: of its limits, the one that frees last.

    Whoever waits for that one need not be refused by another.
    """
    claim, state = max(zip(claims, decision.states, strict=True), key=lambda told: told[1].wait_s)
    retry_after_s = max(1, math.ceil(state.wait_s))
    return GatewayError(
        ErrorKind.RATE_LIMIT,
        f"{claim.limit.rule}. {_way_out(claim, retry_after_s, now_s)}",
        retry_after_s=retry_after_s,
        headers={name.decode(): value.decode() for name, value in headers},
    )


def _way_out(claim: Claim, retry_after_s: int, now_s: float) -> str:
    if claim.limit.unit is Unit.SLOTS:
        return "Send this one again when one of them has ended."
    at = ""
    if retry_after_s > SAID_WITH_TIME_S:
        at = f", at {_write_time(now_s + retry_after_s)}"
    if claim.limit.unit is Unit.TOKENS:
        return f"This request takes about {claim.amount}, which are free in {retry_after_s} s{at}."
    return f"The next one is free in {retry_after_s} s{at}."


def _tightness(told: Told) -> tuple[bool, int, float]:
    """The one that refused comes first, then the one with least left, then the slowest."""
    state = told[1]
    return state.wait_s == 0, state.remaining, -state.reset_s


def _openai_headers(unit: str, amount_max: int, state: State) -> Iterator[tuple[bytes, bytes]]:
    yield b"x-ratelimit-limit-%b" % unit.encode(), b"%d" % amount_max
    yield b"x-ratelimit-remaining-%b" % unit.encode(), b"%d" % state.remaining
    yield b"x-ratelimit-reset-%b" % unit.encode(), b"%.3fs" % state.reset_s


def _anthropic_headers(
    unit: str, amount_max: int, state: State, now_s: float
) -> Iterator[tuple[bytes, bytes]]:
    reset_at = _write_time(now_s + state.reset_s).encode()
    yield b"anthropic-ratelimit-%b-limit" % unit.encode(), b"%d" % amount_max
    yield b"anthropic-ratelimit-%b-remaining" % unit.encode(), b"%d" % state.remaining
    yield b"anthropic-ratelimit-%b-reset" % unit.encode(), reset_at


def _write_time(time_s: float) -> str:
    """RFC 3339, rounded up to the second, so that who comes then does not come too soon."""
    moment = datetime.fromtimestamp(math.ceil(time_s), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
