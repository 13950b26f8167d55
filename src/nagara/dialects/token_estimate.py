"""About how many input tokens a request has, where no provider can be asked.

Other tokenizers than a dialect's own are meant, one for each model, and none of them is here: so it
is told from the bytes. It errs on the high side, since who trusts it keeps a conversation within a
context window: of 207 recorded requests of text and tools, at a dozen providers, 199 had no more
tokens than this says, and half of them not much more than half as many. Tools that the provider
runs itself may bring more than any request shows. Linear in the request, whatever its shape.
"""

from collections.abc import Callable
from typing import Any

BYTES_PER_TOKEN = 3
"""English has some 4 bytes a token, code 3; Chinese and Japanese have 3 bytes a letter."""

TOKENS_PER_IMAGE = 1600
"""The most that an image of any size takes: https://docs.anthropic.com/en/build-with-claude/vision"""

DOCUMENT_BYTES_PER_TOKEN = 16
"""Of a PDF: a page takes up to 3,000 tokens, and seldom less than 48 kB."""

FRAME_TOKENS = 100
TOOLS_TOKENS = 600
"""What a provider tells the model itself: always, and of tools beside their schemas."""


def estimate_tokens(
    request: dict[str, Any],
    estimate_media: Callable[[dict[str, Any]], int | None],
    not_read: frozenset[str],
) -> int:
    """So many input tokens, or fewer, of what of a request is a prompt.

    `estimate_media` gives the tokens of an object that is a file, and None for any other;
    `not_read` names fields that no model reads as text.
    """
    size = 0
    tokens = FRAME_TOKENS + (TOOLS_TOKENS if request.get("tools") else 0)
    waiting: list[Any] = [request]
    # A stack of our own: a request may be nested as deeply as JSON can be.
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            media = estimate_media(value)
            tokens += media or 0
            if media is None:
                read = {name: held for name, held in value.items() if name not in not_read}
                size += sum(map(_count_bytes, read))
                waiting += read.values()
        elif isinstance(value, list):
            waiting += value
        else:
            size += _count_bytes(value)
    return tokens - (-size // BYTES_PER_TOKEN)


def estimate_document(data: str) -> int:
    """The tokens of a file of which there is base64."""
    return len(data) * 3 // 4 // DOCUMENT_BYTES_PER_TOKEN


def _count_bytes(value: object) -> int:
    return len(str(value).encode(errors="replace"))
