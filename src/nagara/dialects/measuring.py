"""What dialects share in measuring a request: its bytes, its tools, and what is not text.

A request of nothing but text is told by looking at its bytes; only where something else may be in
it is it read. Everything errs upwards: what cannot be read for certain counts as input that cannot
be seen, which is held for by the whole context. Nothing raises.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from nagara.dialects.json_fields import NULL, Fields

ROUNDS_MAX = 10
"""How often a provider that runs tools reads the conversation, where the caller sets no bound.

Anthropic ends a turn after ten rounds; others document none, and what goes beyond is an over-run.
https://docs.anthropic.com/en/docs/build-with-claude/handling-stop-reasons
"""

CALLS_MAX = 20
"""How often a tool that is billed by the call is called, where the caller sets no bound."""

_text = msgspec.json.Decoder(str | None)
_TYPES = re.compile(rb'"type"\s*:\s*"([^"\\]*)"')


HOUR, ESCAPE = b'"1h"', b"\\u00"
"""A cache's time to live, and how a letter is written that wants not to be found."""


class Content(enum.Enum):
    """What an object of some type is to a bound on tokens."""

    TEXT = "its bytes are its tokens at the most, and so are those of what lies in it"
    CLOSED = "the same, and nothing in it is ever anything else"
    SEALED = "the same if it carries what it says, encrypted; else only the provider has it"
    IMAGE = "one image, whatever its bytes"


class Survey(msgspec.Struct, gc=False):
    """What is in a conversation beside text. `image_bytes` are those of images' own data."""

    image_count: int = 0
    image_bytes: int = 0
    has_unseen: bool = False
    has_hour_cache: bool = False

    @property
    def has_media(self) -> bool:
        """Whether input may be metered as something else than text."""
        return self.has_unseen or self.image_count > 0


TEXT_ONLY = Survey()
UNSEEN = Survey(has_unseen=True, has_hour_cache=True)


def count_bytes(fields: Fields) -> int:
    """The bytes of a request with these fields."""
    # Names of fields are no part of what a model reads.
    count = 16 * len(fields)
    for raw in fields.values():
        count += len(raw)
    return count


def has_any(fields: Fields, names: Iterable[str]) -> bool:
    """Whether one of the fields is there and not null."""
    return any(fields.get(name, NULL) != NULL for name in names)


def read_text(fields: Fields, name: str) -> str | None:
    """A field of text; None for anything else."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        text: str | None = _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return text


def may_cache_for_an_hour(fields: Fields, *names: str) -> bool:
    """Whether one of the fields may ask for a cache of an hour."""
    found = (bytes(fields[name]) for name in names if name in fields)
    return any(HOUR in data or ESCAPE in data for data in found)


def survey(
    raw: msgspec.Raw, contents: Mapping[str, Content], plain: frozenset[bytes], odd: bytes
) -> Survey:
    """What is in a conversation, whose objects tell what they are by their `type`.

    `plain` are the types that are text, and `odd` is a piece of JSON in what has no type and may be
    something else. No part but text goes without a type elsewhere, so text is told without reading.
    A name may be written with escapes (`"t\\u0079pe"`), which nobody does by chance: that is read.
    """
    data = bytes(raw)
    is_plain = ESCAPE not in data and odd not in data and HOUR not in data
    if is_plain and (b'"type"' not in data or plain.issuperset(_TYPES.findall(data))):
        return TEXT_ONLY
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UNSEEN
    found = _walk(value, contents)
    found.has_hour_cache = HOUR in data or ESCAPE in data
    return found


def count_objects(data: bytes) -> int:
    """How many objects are in a JSON value; one for each brace where it cannot be read."""
    braces = data.count(b"{")
    if not braces:
        return 0
    try:
        rest = [msgspec.json.decode(data)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return braces
    count = 0
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            count += 1
            rest += value.values()
        elif isinstance(value, list):
            rest += value
    return count


def _walk(value: Any, contents: Mapping[str, Content]) -> Survey:
    found = Survey()
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, dict) and _take(value, contents, found):
            rest += value.values()
    return found


def _take(value: Mapping[str, Any], contents: Mapping[str, Content], found: Survey) -> bool:
    """Note what the object is; whether to look into it."""
    kind = value.get("type")
    if kind is None:
        found.has_unseen |= any(isinstance(n, str) and n.endswith(_TYPELESS) for n in value)
        return True
    content = contents.get(kind) if isinstance(kind, str) else None
    if content is None or (content is Content.SEALED and not value.get("encrypted_content")):
        found.has_unseen = True
    elif content is Content.IMAGE:
        found.image_count += 1
        found.image_bytes += sum(map(len, _texts(value)))
    return content is Content.TEXT


# Some servers take a part without its type: https://docs.vllm.ai/en/stable/features/multimodal_inputs
_TYPELESS = ("image_url", "audio_url", "video_url", "input_audio")


def _texts(value: Any) -> Iterable[str]:
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            rest += value.values()
        elif isinstance(value, list):
            rest += value


class ToolView(msgspec.Struct, gc=False):
    """What matters of a tool to what it may cost."""

    type: str | None = None
    name: str | None = None
    model: str | None = None
    max_uses: int | None = None
    max_tokens: int | None = None


_tools = msgspec.json.Decoder(list[ToolView] | None)
UNREADABLE_TOOL = ToolView(type="unreadable")


def read_tools(fields: Fields, name: str = "tools") -> list[ToolView]:
    """The tools of a request; one of a type that nobody knows where they cannot be read."""
    raw = fields.get(name)
    if raw is None:
        return []
    try:
        return list(_tools.decode(raw) or ())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [UNREADABLE_TOOL]
