"""What a caller is told of its limits: response headers, and the error when one refuses.

Of several limits of one unit the tightest is told, which is the one that will refuse first.
Answers to every dialect have OpenAI's headers; those of Anthropic's endpoints have its own beside
them, with a time of day where OpenAI has a span.

Sources: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
and https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

import math
import time
from collections.abc import Sequence

from nagara.domain.catalog import Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.limits.base import NS_PER_S, Claim, Decision, State, Unit

ResponseHeaders = list[tuple[bytes, bytes]]
Told = tuple[Claim, State]

SAID_WITH_TIME_S = 60
"""Who has to wait for longer than this is told the time of day too."""

Names = tuple[bytes, bytes, bytes]
# Slots have no header: nobody knows when one is given back.
OPENAI_NAMES: tuple[Names, Names] = (
    (
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-reset-requests",
    ),
    (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
)
ANTHROPIC_NAMES: tuple[Names, Names] = (
    (
        b"anthropic-ratelimit-requests-limit",
        b"anthropic-ratelimit-requests-remaining",
        b"anthropic-ratelimit-requests-reset",
    ),
    (
        b"anthropic-ratelimit-tokens-limit",
        b"anthropic-ratelimit-tokens-remaining",
        b"anthropic-ratelimit-tokens-reset",
    ),
)


def encode_headers(
    claims: Sequence[Claim], decision: Decision, operation: Operation, now_s: float
) -> ResponseHeaders:
    """The headers that tell the state of the limits at the Unix time `now_s`."""
    headers: ResponseHeaders = []
    is_anthropic = operation is Operation.MESSAGES or operation is Operation.COUNT_TOKENS
    for at, told in enumerate(_find_tightest(claims, decision)):
        if told is None:
            continue
        claim, state = told
        amount_max, remaining = b"%d" % claim.limit.amount_max, b"%d" % state.remaining
        limit_name, remaining_name, reset_name = OPENAI_NAMES[at]
        headers.append((limit_name, amount_max))
        headers.append((remaining_name, remaining))
        headers.append((reset_name, b"%ds" % _seconds(state.reset_ns)))
        if is_anthropic:
            limit_name, remaining_name, reset_name = ANTHROPIC_NAMES[at]
            headers.append((limit_name, amount_max))
            headers.append((remaining_name, remaining))
            headers.append((reset_name, _write_time(now_s, state.reset_ns).encode()))
    return headers


def refuse(
    claims: Sequence[Claim], decision: Decision, headers: ResponseHeaders, now_s: float
) -> GatewayError:
    """The 429 of a request that did not fit: of its limits, the one that frees last.

    Whoever waits for that one need not be refused by another.
    """
    claim, state = max(zip(claims, decision.states, strict=True), key=lambda told: told[1].wait_ns)
    return GatewayError(
        ErrorKind.RATE_LIMIT,
        f"{claim.limit.rule}. {_way_out(claim, state.wait_ns, now_s)}",
        retry_after_s=_seconds(state.wait_ns),
        headers={name.decode(): value.decode() for name, value in headers},
    )


def _find_tightest(claims: Sequence[Claim], decision: Decision) -> tuple[Told | None, Told | None]:
    """Of the limits of requests and of tokens, those that refuse now or will be first to refuse."""
    requests: Told | None = None
    tokens: Told | None = None
    for claim, state in zip(claims, decision.states, strict=True):
        unit = claim.limit.unit
        if unit is Unit.REQUESTS:
            if requests is None or _is_tighter(state, requests[1]):
                requests = claim, state
        elif unit is Unit.TOKENS and (tokens is None or _is_tighter(state, tokens[1])):
            tokens = claim, state
    return requests, tokens


def _is_tighter(state: State, other: State) -> bool:
    if state.wait_ns == other.wait_ns:
        return state.remaining < other.remaining
    return state.wait_ns > other.wait_ns


def _way_out(claim: Claim, wait_ns: int, now_s: float) -> str:
    if claim.limit.unit is Unit.SLOTS:
        return "Send this one again when one of them has ended."
    retry_after_s = _seconds(wait_ns)
    at = f", at {_write_time(now_s, wait_ns)}" if retry_after_s > SAID_WITH_TIME_S else ""
    if claim.limit.unit is Unit.TOKENS:
        return f"This request takes about {claim.amount}, which are free in {retry_after_s} s{at}."
    return f"The next one is free in {retry_after_s} s{at}."


def _seconds(span_ns: int) -> int:
    """Whole seconds, rounded up, so that who comes back then does not come too soon."""
    return -(-span_ns // NS_PER_S)


def _write_time(now_s: float, span_ns: int) -> str:
    """The time of day after a span: RFC 3339 in UTC."""
    moment = time.gmtime(math.ceil(now_s + span_ns / NS_PER_S))
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
