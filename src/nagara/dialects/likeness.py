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

_STRING: Final = rb'"\s*:\s*("(?:[^"\\]|\\.)*")'
_TEXT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|thinking|arguments|partial_json)' + _STRING
)
# OpenAI makes all its events equally long with it, so that lengths tell nothing to who listens.
_PADDING: Final = re.compile(rb'"obfuscation' + _STRING)

_decode_text = msgspec.json.Decoder(str).decode


class Likeness:
    """What the events have in common, and what each counts.

    `between` stands between the text and padding behind it; empty where there is none.
    """

    __slots__ = ("_after", "_before", "_between", "_event_bytes_max", "_same_bytes", "_uncounted")

    def __init__(
        self, before: bytes, between: bytes, after: bytes, uncounted: int, event_bytes_max: int
    ) -> None:
        self._before = before
        self._between = between
        self._after = after
        self._same_bytes = len(before) + len(after)
        self._uncounted = uncounted
        self._event_bytes_max = event_bytes_max

    def measure(self, event: bytes) -> int | None:
        """The bytes of text in an event that is alike, about; None for any other."""
        size = len(event)
        text = event.removeprefix(self._before).removesuffix(self._after)
        if len(text) != size - self._same_bytes or size > self._event_bytes_max:
            return None
        try:
            if self._between:
                text, _, padding = text.partition(self._between)
                _decode_text(padding)
            _decode_text(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        counted = len(text) - self._uncounted
        if counted > 0:
            return counted
        return 0


def find_likeness(event: bytes, delta: bytes, counted: int, bytes_max: int) -> Likeness | None:
    """What the event has in common with others, where `delta`, a part of its data, has a text.

    `counted` is how many bytes of it were counted; of another as many more as its text is longer.
    """
    found = _TEXT.search(delta)
    if found is None or event.count(delta) != 1:
        return None
    place = event.find(delta)
    start, end = place + found.start(1), place + found.end(1)
    between, after = b"", event[end:]
    if padding := _PADDING.search(after):
        between, after = after[: padding.start(1)], after[padding.end(1) :]
    return Likeness(event[:start], between, after, end - start - counted, bytes_max)
