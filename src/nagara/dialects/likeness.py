"""Events that are like one before them but for a piece of text, as most of a stream is.

A provider writes the same event again and again with the model's next words in it. Such an event
was read once. What was learned of it holds for every event that has the same bytes before and after
one string of JSON, since that string is text of the model's and nothing is read from it: only how
long it is. An event that differs anywhere else, by a space or by the spelling of a name, is read.

Pure, and strict: what is taken for text must be exactly one string of JSON, so there is no line end
in it, no end of the string and nothing after one.
"""

import re
from typing import Final

import msgspec

TEXTS: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|thinking)"\s*:\s*("(?:[^"\\]|\\.)*")'
)

_decode_text = msgspec.json.Decoder(str).decode


class Likeness:
    """What the events have in common, and what each counts."""

    __slots__ = ("_after", "_before", "_common_bytes", "_event_bytes_max", "_uncounted_bytes")

    def __init__(
        self, before: bytes, after: bytes, uncounted_bytes: int, event_bytes_max: int
    ) -> None:
        self._before = before
        self._after = after
        self._common_bytes = len(before) + len(after)
        self._uncounted_bytes = uncounted_bytes
        self._event_bytes_max = event_bytes_max

    def measure(self, event: bytes) -> int | None:
        """The bytes of text in an event that is alike, about; None for any other."""
        size = len(event)
        text = event.removeprefix(self._before).removesuffix(self._after)
        text_bytes = size - self._common_bytes
        if len(text) != text_bytes or size > self._event_bytes_max:
            return None
        try:
            _decode_text(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        counted = text_bytes - self._uncounted_bytes
        return counted if counted > 0 else 0


def find_likeness(
    event: bytes, delta: bytes, counted_bytes: int, event_bytes_max: int
) -> Likeness | None:
    """What the event has in common with others, where `delta`, a part of its data, has a text.

    `counted_bytes` is what was counted of this event, and what another counts differs from it by
    the length of its text.
    """
    found = TEXTS.search(delta)
    if found is None or event.count(delta) != 1:
        return None
    place = event.find(delta)
    start, end = place + found.start(1), place + found.end(1)
    uncounted_bytes = end - start - counted_bytes
    return Likeness(event[:start], event[end:], uncounted_bytes, event_bytes_max)
