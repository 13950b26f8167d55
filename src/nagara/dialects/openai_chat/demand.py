"""The most that a chat request asks for, and the same request with less output."""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, encode_raw
from nagara.dialects.measuring import (
    CALLS_MAX,
    ROUNDS_MAX,
    TEXT_ONLY,
    UNSEEN,
    Content,
    Survey,
    count_bytes,
    has_any,
    may_cache_for_an_hour,
    read_text,
    read_tools,
    survey,
)
from nagara.dialects.openai_chat.request import SEARCHING, SPECIAL
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.request_fields import read_tokens_max
from nagara.dialects.service_tier import billed_tier
from nagara.domain.demand import Demand

# Both are sent by callers, and which of them a server heeds differs: the larger one is held for.
CAPS = ("max_completion_tokens", "max_tokens")

CONTENTS = {
    **dict.fromkeys(
        ("text", "refusal", "function", "custom", "ephemeral", "thinking", "reasoning"),
        Content.TEXT,
    ),
    **dict.fromkeys(("reasoning.text", "reasoning.summary", "reasoning.encrypted"), Content.CLOSED),
    "image_url": Content.IMAGE,
}
_PLAIN = frozenset(name.encode() for name, kind in CONTENTS.items() if kind is not Content.IMAGE)
_OWN_TOOLS = frozenset({None, "function", "custom"})

_SOUND = b'"audio"'


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    fields = view.fields
    found = TEXT_ONLY if view.is_plain else _survey(fields["messages"])
    has_one_cap = CAPS[0] not in fields or CAPS[1] not in fields
    if found is TEXT_ONLY and has_one_cap and (view.is_plain or SPECIAL.isdisjoint(fields)):
        return Demand(
            text_bytes=count_bytes(fields),
            output_tokens_max=view.output_tokens_max,
            choice_count=view.choice_count,
        )
    return _measure_rest(view, found)


def _survey(messages: msgspec.Raw) -> Survey:
    # An answer of sound is named by its id alone, and what it holds is read again.
    # https://platform.openai.com/docs/guides/audio#multi-turn-conversations
    if _SOUND in bytes(messages):
        return UNSEEN
    return survey(messages, CONTENTS, _PLAIN, b'_url"')


def _measure_rest(view: RequestView, found: Survey) -> Demand:
    fields = view.fields
    caps = [cap for name in CAPS if (cap := read_tokens_max(fields, name)) is not None]
    has_tools = has_any(fields, SEARCHING) or any(
        tool.type not in _OWN_TOOLS for tool in read_tools(fields)
    )
    return Demand(
        text_bytes=count_bytes(fields) - found.image_bytes,
        image_count=found.image_count,
        has_unseen_input=found.has_unseen or has_tools,
        has_media_input=found.has_media or has_tools,
        has_media_output=has_any(fields, ("modalities", "audio")),
        has_hour_cache=found.has_hour_cache
        or may_cache_for_an_hour(fields, "tools", "cache_control"),
        rounds_max=ROUNDS_MAX if has_tools else 1,
        searches_max=CALLS_MAX if has_tools else 0,
        output_tokens_max=max(caps, default=None),
        # What a prediction has and the answer has not is billed as output.
        # https://platform.openai.com/docs/guides/predicted-outputs
        predicted_tokens_max=len(fields.get("prediction", b"")),
        choice_count=view.choice_count,
        service_tier=billed_tier(read_text(fields, "service_tier")),
    )


def limit_output(view: RequestView, cap: int, traits: frozenset[str] = frozenset()) -> RequestView:
    """The request with `cap` on each answer, in the field that the provider with `traits` heeds."""
    said = [name for name in CAPS if view.fields.get(name, NULL) != NULL]
    name = CAPS[0] if Trait.MAX_COMPLETION_TOKENS in traits else CAPS[1]
    return view.with_cap(cap, dict.fromkeys(said or [name], encode_raw(cap)))
