"""Failures on request: the one table of them, how they are asked for, and what they do.

A fault is asked for by a suffix of the model (`gpt-4.1-mini:fail-429`) or in the last text of the
user (`sandbox:fail-429`). It is applied to the script of the whole answer, so that what was sent
before it is real. The table is what the documentation shows.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from nagara.sandbox.refusal import make_anthropic_error, make_openai_error
from nagara.sandbox.script import Cut, Pause, Script, Step

RETRY_AFTER_S: Final = 1
FIRST_BYTE_DELAY_S: Final = 3.0
DELTA_PAUSE_S: Final = 0.25
GARBAGE: Final = b'data: {"sandbox": malformed on request\n\n'
DIRECTIVE: Final = re.compile(r"sandbox:([a-z][a-z0-9-]{1,40})")


class Moment(msgspec.Struct, frozen=True):
    """What a fault may look at: the API's error shape, the request's id, the time."""

    is_anthropic: bool
    request_id: str
    now_s: int


class Fault(msgspec.Struct, frozen=True):
    """One row: the name, what it does in words, and the change it makes to a script."""

    name: str
    effect: str
    apply: Callable[[Script, Moment], Script]


def fail(status: int, openai_type: str, anthropic_type: str) -> Callable[[Script, Moment], Script]:
    """A fault that answers with an error of this status instead."""

    def apply(_script: Script, moment: Moment) -> Script:
        message = f"The sandbox was asked to fail with status {status}."
        headers = limit_headers(moment) if status == 429 else []
        if moment.is_anthropic:
            kind, request_id = anthropic_type, moment.request_id
            return make_anthropic_error(status, kind, message, request_id, headers)
        code = openai_type if status == 429 else None
        return make_openai_error(status, openai_type, message, code=code, headers=headers)

    return apply


def limit_headers(moment: Moment) -> list[tuple[str, str]]:
    """The headers that go with a 429, as each API names them."""
    retry = ("retry-after", str(RETRY_AFTER_S))
    if not moment.is_anthropic:
        return [
            retry,
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", f"{RETRY_AFTER_S}s"),
        ]
    reset = datetime.fromtimestamp(moment.now_s + RETRY_AFTER_S, UTC)
    return [
        retry,
        ("anthropic-ratelimit-requests-limit", "60"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")),
    ]


def delay_first_byte(script: Script, _moment: Moment) -> Script:
    """Wait before anything is sent, the head included."""
    return msgspec.structs.replace(script, delay_s=FIRST_BYTE_DELAY_S)


def slow_down(script: Script, _moment: Moment) -> Script:
    """Pause before each piece but the first; a body of one piece is sent in four."""
    steps: list[Step] = []
    for piece in split_body(script):
        steps += [Pause(DELTA_PAUSE_S), piece] if steps else [piece]
    return with_steps(script, tuple(steps))


def cut_off(script: Script, _moment: Moment) -> Script:
    """Send half of the pieces, and break the connection off."""
    pieces = split_body(script)
    return with_steps(script, (*pieces[: len(pieces) // 2], Cut()))


def malform(script: Script, _moment: Moment) -> Script:
    """Send half of the pieces, then something that is neither an event nor JSON."""
    pieces = split_body(script)
    return with_steps(script, (*pieces[: len(pieces) // 2], GARBAGE))


def with_steps(script: Script, steps: tuple[Step, ...]) -> Script:
    """The same head before other steps; the length no longer holds."""
    headers = [pair for pair in script.headers if pair[0] != b"content-length"]
    return Script(script.status, headers, steps)


def split_body(script: Script) -> list[bytes]:
    """The pieces of a body, at least two: events of a stream, or quarters of a document."""
    pieces = [step for step in script.steps if isinstance(step, bytes)]
    if len(pieces) > 1:
        return pieces
    body = b"".join(pieces)
    size = max(1, -(-len(body) // 4))
    return [body[start : start + size] for start in range(0, len(body), size)]


FAULTS: Final[Sequence[Fault]] = (
    Fault(
        "fail-429",
        f"answers 429 at once, with `retry-after: {RETRY_AFTER_S}`",
        fail(429, "rate_limit_exceeded", "rate_limit_error"),
    ),
    Fault("fail-500", "answers 500 at once", fail(500, "server_error", "api_error")),
    Fault("fail-503", "answers 503 at once", fail(503, "server_error", "overloaded_error")),
    Fault(
        "slow-first-byte",
        f"waits {FIRST_BYTE_DELAY_S:g} s before the first byte",
        delay_first_byte,
    ),
    Fault("slow-stream", f"waits {DELTA_PAUSE_S * 1000:g} ms between the pieces", slow_down),
    Fault("cut-stream", "breaks the connection off in the middle of the answer", cut_off),
    Fault("malformed", "sends bytes in the middle that are no event and no JSON", malform),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}


def split_fault(model: str) -> tuple[str, Fault | None]:
    """A model name without the suffix of a fault, and that fault."""
    name, colon, suffix = model.rpartition(":")
    fault = BY_NAME.get(suffix) if colon and name else None
    return (name, fault) if fault else (model, None)


def find_fault(text: str) -> Fault | None:
    """The first fault that a text asks for."""
    for found in DIRECTIVE.finditer(text):
        if fault := BY_NAME.get(found[1]):
            return fault
    return None
