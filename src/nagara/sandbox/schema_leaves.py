"""Strings and numbers that a schema is likely to accept, most readable first.

Each function takes the flat branches that hold together (no combinators in them) and yields
candidates; whoever asks checks each one against the whole schema, so a candidate may be wrong
but the sequence must be finite and the same every time.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from nagara.sandbox.pattern import PREFERRED, UnsupportedPatternError, Walk, make_match
from nagara.sandbox.schema_check import Schema, SchemaError, find_pattern, is_number, read_count

CANDIDATES_MAX: Final = 120
STRING_CHARACTERS_MAX: Final = 20_000
WORD: Final = "sandbox"

FORMATS: Final[dict[str, str]] = {
    "date": "2026-01-{:02d}",
    "date-time": "2026-01-{:02d}T12:00:00Z",
    "time": "12:{:02d}:00Z",
    "duration": "P{}D",
    "email": "sandbox{}@example.com",
    "idn-email": "sandbox{}@example.com",
    "hostname": "sandbox{}.example.com",
    "idn-hostname": "sandbox{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uri": "https://example.com/sandbox/{}",
    "url": "https://example.com/sandbox/{}",
    "iri": "https://example.com/sandbox/{}",
    "uri-reference": "/sandbox/{}",
    "iri-reference": "/sandbox/{}",
    "uri-template": "/sandbox/{}/{{id}}",
    "uuid": "00000000-0000-4000-8000-{:012d}",
    "json-pointer": "/sandbox/{}",
    "relative-json-pointer": "{}/sandbox",
    "regex": "^sandbox{}$",
    "byte": "c2FuZGJve{:02d}==",
    "binary": "sandbox{}",
    "password": "sandbox-{}",
}


def make_strings(branches: Sequence[Schema], walk: Walk) -> Iterator[str]:
    """Candidates by pattern, then by format, then words of the asked-for length."""
    least = max((read_count(branch, "minLength") or 0 for branch in branches), default=0)
    limits = [read_count(branch, "maxLength") for branch in branches]
    most = min((limit for limit in limits if limit is not None), default=None)
    if least > STRING_CHARACTERS_MAX:
        raise SchemaError(f"a string of {least} characters is more than the sandbox makes")
    patterns = [b["pattern"] for b in branches if isinstance(b.get("pattern"), str)]
    formats = [b["format"] for b in branches if isinstance(b.get("format"), str)]
    return chain(
        chain.from_iterable(make_matches(pattern, least, most, walk) for pattern in patterns),
        chain.from_iterable(make_formatted(name) for name in formats),
        (make_word(index, least, most) for index in range(CANDIDATES_MAX)),
    )


def make_matches(source: str, least: int, most: int | None, walk: Walk) -> Iterator[str]:
    """Texts that the pattern matches, around the lengths that are asked for."""
    node = find_pattern(source)
    if node is None:
        return
    for extra in (0, -1, 1, 2, 3, 4, 6, 8, 12, 16, 32, least, least // 2, least // 3):
        for index in range(8):
            try:
                text = make_match(node, index, extra, walk)
            except UnsupportedPatternError:
                return
            yield text
            if len(text) < least:
                yield text + "a" * (least - len(text))
                yield "a" * (least - len(text)) + text
            elif most is not None and len(text) > most:
                break


def make_formatted(name: str) -> Iterator[str]:
    """Examples of a well-known format; none of an unknown one."""
    if name in FORMATS:
        yield from (FORMATS[name].format(number) for number in range(1, 29))


def make_word(index: int, least: int, most: int | None) -> str:
    """The `index`th word of at least `least` and at most `most` characters."""
    suffix = str(index + 1) if index else ""
    if most is not None and most <= 2:
        quotient, remainder = divmod(index, len(PREFERRED))
        text = (PREFERRED[quotient % len(PREFERRED)] if quotient else "") + PREFERRED[remainder]
        return ("s" * least + text)[-most:] if most else ""
    room = len(WORD) if most is None else min(len(WORD), most - len(suffix))
    return WORD[: max(room, 0)] + "x" * (least - room - len(suffix)) + suffix


def make_numbers(branches: Sequence[Schema], *, is_whole: bool) -> Iterator[int | float]:
    """Candidates inside the bounds, whole ones first. It ends where floats do."""
    with contextlib.suppress(OverflowError):
        for number in find_numbers(branches, is_whole=is_whole):
            if isinstance(number, float) and not math.isfinite(number):
                return
            yield number


def find_numbers(branches: Sequence[Schema], *, is_whole: bool) -> Iterator[int | float]:
    """Candidates, beyond the range of floats too."""
    low, high = find_bounds(branches)
    steps = [b["multipleOf"] for b in branches if is_number(b.get("multipleOf"))]
    steps = [step for step in steps if step > 0]
    if steps:
        whole = [int(step) for step in steps if float(step).is_integer()]
        step = math.lcm(*whole) if len(whole) == len(steps) else max(steps)
        yield from make_multiples(step, low, high, is_whole=is_whole)
        return
    yield from make_multiples(1, low, high, is_whole=True)
    if not is_whole:
        yield from make_fractions(low, high)


def find_bounds(branches: Sequence[Schema]) -> tuple[int | float | None, int | float | None]:
    """The tightest bounds, whether exclusive or not."""
    lows = [b[k] for b in branches for k in ("minimum", "exclusiveMinimum") if is_number(b.get(k))]
    highs = [b[k] for b in branches for k in ("maximum", "exclusiveMaximum") if is_number(b.get(k))]
    return max(lows, default=None), min(highs, default=None)


def make_multiples(
    step: int | float, low: int | float | None, high: int | float | None, *, is_whole: bool
) -> Iterator[int | float]:
    """Multiples of `step` upwards from the lower bound, or downwards from the upper one."""
    start, direction = 1, 1
    if low is not None:
        start = math.ceil(low / step)
    elif high is not None:
        start, direction = min(1, math.floor(high / step)), -1
    for count in range(start, start + CANDIDATES_MAX * direction, direction):
        value = count * step
        if isinstance(value, int) or is_whole:
            yield int(value)
        else:
            yield value
            yield round(value, 9)


def make_fractions(low: int | float | None, high: int | float | None) -> Iterator[float]:
    """Numbers between whole ones, for bounds that leave no room for those."""
    bottom = float(low) if low is not None else (float(high) - 1.0 if high is not None else 0.0)
    top = float(high) if high is not None else bottom + 1.0
    for parts in (2, 4, 10, 64):
        yield from (bottom + (top - bottom) * n / parts for n in range(1, parts))
    yield from (bottom, top, math.nextafter(bottom, math.inf), math.nextafter(top, -math.inf))
