"""The most that a Gemini request asks for, and the same request with less output."""

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.google_gemini.request import read_config
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.measuring import count_bytes, read_text
from nagara.dialects.request_fields import read_tokens_max
from nagara.domain.demand import Demand

# Both spellings of every name are taken, and the larger of two caps is held for.
CONFIGS = ("generationConfig", "generation_config")
CAPS = ("maxOutputTokens", "max_output_tokens")


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    config = read_config(view.fields)
    caps = [cap for name in CAPS if (cap := read_tokens_max(config, name)) is not None]
    return Demand(
        text_bytes=count_bytes(view.fields),
        output_tokens_max=max(caps, default=None),
        choice_count=view.choice_count,
        service_tier=read_text(view.fields, "serviceTier"),
    )


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
