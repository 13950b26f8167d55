"""The most that a Gemini request asks for, and the same request with less output."""

from typing import Any

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.google_gemini.request import read_config
from nagara.dialects.json_fields import Fields, encode_raw
from nagara.dialects.measuring import (
    CALLS_MAX,
    UNSEEN,
    Survey,
    count_bytes,
    has_any,
    read_text,
)
from nagara.dialects.request_fields import read_tokens_max
from nagara.dialects.service_tier import billed_tier
from nagara.domain.demand import Demand

# Both spellings of every name are taken, and the larger of two caps is held for.
CONFIGS = ("generationConfig", "generation_config")
CAPS = ("maxOutputTokens", "max_output_tokens")


_MEDIA = (b"nlineData", b"nline_data", b"ileData", b"ile_data", b"\\u00")
"""Pieces of the names of parts that are not text; a name may be written with escapes, too."""

_SEARCHES = ("googleSearch", "google_search", "googleMaps", "google_maps", "enterpriseWebSearch")
_DECLARED = frozenset({"functionDeclarations", "function_declarations"})
# What a tool put into the prompt is read once, beside the prompt.
# https://ai.google.dev/api/generate-content#UsageMetadata
_ROUNDS_WITH_TOOLS = 2

_tools = msgspec.json.Decoder(list[Fields] | Fields | None)


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    fields = view.fields
    config = read_config(fields)
    caps = [cap for name in CAPS if (cap := read_tokens_max(config, name)) is not None]
    found = _survey(fields)
    tools = _name_tools(fields)
    is_unseen = (
        found.has_unseen or bool(tools) or has_any(fields, ("cachedContent", "cached_content"))
    )
    return Demand(
        text_bytes=count_bytes(fields) - found.image_bytes,
        image_count=found.image_count,
        has_unseen_input=is_unseen,
        has_media_input=found.has_media or is_unseen,
        has_media_output=has_any(config, ("responseModalities", "response_modalities")),
        rounds_max=_ROUNDS_WITH_TOOLS if tools else 1,
        searches_max=CALLS_MAX if any(name.startswith(_SEARCHES) for name in tools) else 0,
        output_tokens_max=max(caps, default=None),
        choice_count=view.choice_count,
        service_tier=billed_tier(_read_tier(fields)),
    )


def _read_tier(fields: Fields) -> str | None:
    said = read_text(fields, "serviceTier") or read_text(fields, "service_tier")
    # An enumeration of Google's may be written in capitals.
    return None if said is None else said.lower()


def _survey(fields: Fields) -> Survey:
    """Images among the parts; any other file is unseen."""
    found = Survey()
    for name in ("contents", "systemInstruction", "system_instruction"):
        data = bytes(fields.get(name, b""))
        if not any(piece in data for piece in _MEDIA):
            continue
        try:
            _walk(msgspec.json.decode(data), found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return UNSEEN
    return found


def _walk(value: Any, found: Survey) -> None:
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, dict):
            inline = value.get("inlineData", value.get("inline_data"))
            if inline is not None:
                _take_inline(inline, found)
            found.has_unseen |= any(name in value for name in ("fileData", "file_data"))
            rest += (item for name, item in value.items() if item is not inline)


def _take_inline(inline: Any, found: Survey) -> None:
    said = inline if isinstance(inline, dict) else {}
    kind, data = said.get("mimeType", said.get("mime_type")), said.get("data")
    if isinstance(kind, str) and kind.startswith("image/") and isinstance(data, str):
        found.image_count += 1
        found.image_bytes += len(data)
    else:
        found.has_unseen = True


def _name_tools(fields: Fields) -> list[str]:
    """The names of the tools that Google runs; one that nobody knows if they cannot be read."""
    raw = fields.get("tools")
    if raw is None:
        return []
    try:
        groups = _tools.decode(raw) or []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ["unreadable"]
    groups = [groups] if isinstance(groups, dict) else groups
    return [name for group in groups for name in group if name not in _DECLARED]


def limit_output(
    view: RequestView,
    cap: int,
    traits: frozenset[str] = frozenset(),  # noqa: ARG001 - the dialects' signature
) -> RequestView:
    """The request with `cap` on each of its answers."""
    config = dict(read_config(view.fields))
    for name in CAPS:
        config.pop(name, None)
    config[CAPS[0]] = encode_raw(cap)
    fields = dict(view.fields)
    for name in CONFIGS:
        fields.pop(name, None)
    fields[CONFIGS[0]] = encode_raw(config)
    return msgspec.structs.replace(view, fields=fields, output_tokens_max=cap)
