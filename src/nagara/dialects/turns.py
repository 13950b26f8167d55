"""Turns of a conversation whose caller has no place for all of them.

An answer may hold what the caller's dialect cannot carry: signed reasoning, a search that the
provider ran. Most callers of Chat Completions send back only the text and the calls. So the whole
turn is kept by the gateway for a while, under what the caller will surely send back of it: the id
of its first tool call, or else its text, or else its pictures. When that comes, the whole turn
stands in its place again, provided that the request goes to the dialect that it came from.

Pure: where turns are kept is up to who calls.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    ToolCall,
)


class Turn(msgspec.Struct, frozen=True):
    """What the model said in one turn, whole, and the dialect it said it in."""

    dialect: str
    parts: tuple[Part, ...]


_HIDDEN = (HostedCall, HostedResult, Opaque)
_SIGNED = (Reasoning, ToolCall, Media)

Recall = Callable[[str], Turn | None]
"""Gives the turn that was kept under a key, if it still is."""


def has_hidden(parts: Sequence[Part]) -> bool:
    """Whether a turn holds anything that some dialect has no place for."""
    # A loop, since it is asked of every turn of every request.
    for part in parts:
        if isinstance(part, _HIDDEN):
            return True
        if isinstance(part, _SIGNED) and part.signature is not None:
            return True
    return False


def turn_key(parts: Sequence[Part]) -> str | None:
    """What a turn is kept under; None for one that shows nothing to know it by."""
    for part in parts:
        if isinstance(part, ToolCall):
            return f"call {part.id}"
    if text := _visible_text(parts):
        return f"text {_digest(text)}"
    pictures = _visible_pictures(parts)
    return f"pictures {_digest(' '.join(pictures))}" if pictures else None


def restore_turns(request: Request, dialect: str, recall: Recall) -> Request:
    """The request with the whole of each turn that was kept, where `dialect` made it."""
    messages: list[Message] = []
    is_changed = False
    for turn in _group_turns(request.messages):
        kept = _find_kept(turn, dialect, recall) if turn[0].role is Role.ASSISTANT else None
        if kept is None:
            messages += turn
        else:
            messages.append(msgspec.structs.replace(turn[0], parts=kept.parts))
            is_changed = True
    return msgspec.structs.replace(request, messages=tuple(messages)) if is_changed else request


def _find_kept(turn: Sequence[Message], dialect: str, recall: Recall) -> Turn | None:
    parts = [part for message in turn for part in message.parts]
    # A caller that could carry the whole turn itself knows better.
    if has_hidden(parts):
        return None
    key = turn_key(parts)
    kept = recall(key) if key is not None else None
    if kept is None or kept.dialect != dialect or _call_ids(kept.parts) != _call_ids(parts):
        return None
    # A caller who edited the text means what the text says now.
    text = _visible_text(parts)
    is_same = _visible_text(kept.parts) == text
    if not text:
        is_same = is_same and _visible_pictures(kept.parts) == _visible_pictures(parts)
    return kept if is_same else None


def _group_turns(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Neighbours of one role together."""
    group: list[Message] = []
    for message in messages:
        if group and group[0].role is not message.role:
            yield group
            group = []
        group.append(message)
    if group:
        yield group


def _visible_text(parts: Sequence[Part]) -> str:
    """Without its blanks, which clients trim."""
    return "".join("".join(part.text.split()) for part in parts if isinstance(part, Text))


def _visible_pictures(parts: Sequence[Part]) -> list[str]:
    return [part.data for part in parts if isinstance(part, Media) and part.data is not None]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _call_ids(parts: Sequence[Part]) -> list[str]:
    return [part.id for part in parts if isinstance(part, ToolCall)]
