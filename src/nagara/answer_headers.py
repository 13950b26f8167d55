"""What every answer says of itself in its headers, whatever its body.

They are written for people and programs alike: who answered, and what could not be carried. Names
that come from a configuration may hold any letter, so they are made fit for a header here.
"""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

from nagara.upstream.reply import ResponseHeaders

DROPPED_LENGTH_MAX = 1000


@lru_cache(maxsize=1024)
def name_deployment(name: str, model: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say who answered."""
    return (
        (b"x-nagara-provider", encode_header(name)),
        (b"x-nagara-model", encode_header(model)),
    )


def name_dropped(dropped: Sequence[str]) -> ResponseHeaders:
    """The header that says what could not be carried, if anything."""
    if not dropped:
        return []
    return [(b"x-nagara-dropped", encode_header(", ".join(dropped)[:DROPPED_LENGTH_MAX]))]


def encode_header(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII is percent-encoded."""
    return (
        text if text.isascii() and text.isprintable() else quote(text, errors="replace")
    ).encode()
