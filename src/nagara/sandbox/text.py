"""Text: how it is counted, quoted, cut and split.

The one rule of counting: a token is four bytes of UTF-8, rounded up over the whole. An image, a
sound or a file counts as `MEDIA_TOKENS` whatever its size.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

BYTES_PER_TOKEN: Final = 4
MEDIA_TOKENS: Final = 85
QUOTE_CHARACTERS_MAX: Final = 200
DELTA_CHARACTERS: Final = 24

INJECTED: Final = re.compile(r"\s*<([A-Za-z][\w-]{0,60})>")
"""The opening tag of what an agent puts before the prompt, such as `<system-reminder>`."""


class Tally:
    """Adds up the input tokens of one request."""

    def __init__(self) -> None:
        self._bytes = 0
        self._media = 0

    def add_text(self, text: str) -> None:
        """Count a text."""
        self._bytes += count_bytes(text)

    def add_json(self, value: Any) -> None:
        """Count a value by its compact JSON: tools and schemas."""
        self._bytes += len(msgspec.json.encode(value))

    def add_media(self) -> None:
        """Count an image, a sound or a file."""
        self._media += 1

    @property
    def tokens(self) -> int:
        """The total so far."""
        return -(-self._bytes // BYTES_PER_TOKEN) + self._media * MEDIA_TOKENS


def count_bytes(text: str) -> int:
    """The length in UTF-8, with any lone surrogate replaced."""
    return len(text.encode("utf-8", "replace"))


def count_tokens(*texts: str) -> int:
    """The tokens of some texts together."""
    return -(-sum(map(count_bytes, texts)) // BYTES_PER_TOKEN)


def cut_to_tokens(text: str, tokens: int) -> str:
    """The longest beginning of at most so many tokens."""
    content = text.encode("utf-8", "replace")
    return content[: tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def cut_at_stop(text: str, stops: Iterable[str]) -> tuple[str, str | None]:
    """The text before the first stop sequence in it, and which one that was."""
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def split_deltas(text: str) -> Iterator[str]:
    """The text in small pieces, as a stream gives it."""
    for start in range(0, len(text), DELTA_CHARACTERS):
        yield text[start : start + DELTA_CHARACTERS]


def quote(text: str, characters_max: int = QUOTE_CHARACTERS_MAX) -> str:
    """A bounded quotation on one line."""
    line = " ".join(text[: characters_max * 4].split())
    return line if len(line) <= characters_max else line[:characters_max].rstrip() + "…"


def strip_injected(text: str) -> str:
    """The text without the whole elements that stand before it."""
    start = 0
    while found := INJECTED.match(text, start):
        close = f"</{found[1]}>"
        end = text.find(close, found.end())
        if end < 0:
            break
        start = end + len(close)
    return text[start:].strip()
