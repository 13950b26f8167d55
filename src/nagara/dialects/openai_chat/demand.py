"""The most that a chat request asks for, and the same request with less output."""

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, encode_raw
from nagara.dialects.measuring import count_bytes, read_text
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.request_fields import read_tokens_max
from nagara.domain.demand import Demand

# Both are sent by callers, and which of them a server heeds differs: the larger one is held for.
CAPS = ("max_completion_tokens", "max_tokens")


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    caps = [cap for name in CAPS if (cap := read_tokens_max(view.fields, name)) is not None]
    return Demand(
        text_bytes=count_bytes(view.fields),
        output_tokens_max=max(caps, default=None),
        choice_count=view.choice_count,
        service_tier=read_text(view.fields, "service_tier"),
    )


def limit_output(view: RequestView, cap: int, traits: frozenset[str] = frozenset()) -> RequestView:
    """The request with `cap` on each answer, in the field that the provider with `traits` heeds."""
    said = [name for name in CAPS if view.fields.get(name, NULL) != NULL]
    name = CAPS[0] if Trait.MAX_COMPLETION_TOKENS in traits else CAPS[1]
    return view.with_cap(cap, dict.fromkeys(said or [name], encode_raw(cap)))
