"""Hypothesis strategies for the canonical conversation: requests and answers of every kind."""

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from nagara.domain.events import Choice, FinishReason, Response, TokenLogprob
from nagara.domain.messages import (
    Citation,
    CitationKind,
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Source,
    Text,
    ToolCall,
    ToolKind,
)
from nagara.domain.usage import Meter, make_usage

TEXTS = st.text(max_size=40)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
RAWS = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
).map(lambda value: msgspec.Raw(json.dumps(value).encode()))
EXTRAS = st.dictionaries(NAMES, RAWS, max_size=2)
SIGNATURES = st.builds(Signature, TEXTS, NAMES)


def _optional(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


CITATIONS = st.builds(
    Citation,
    kind=st.sampled_from(CitationKind),
    url=_optional(TEXTS),
    title=_optional(TEXTS),
    start=_optional(st.integers(0, 99)),
    end=_optional(st.integers(0, 99)),
)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXTS, st.lists(CITATIONS, max_size=2).map(tuple), st.none(), EXTRAS),
    st.builds(
        ToolCall,
        id=NAMES,
        name=NAMES,
        arguments=TEXTS,
        kind=st.sampled_from(ToolKind),
        signature=_optional(SIGNATURES),
    ),
    st.builds(
        Reasoning,
        text=TEXTS,
        signature=_optional(SIGNATURES),
        is_redacted=st.booleans(),
        extras=EXTRAS,
    ),
    st.builds(Refusal, TEXTS),
    st.builds(Media, kind=st.sampled_from(MediaKind), data=TEXTS),
    st.builds(
        HostedCall, id=NAMES, kind=st.sampled_from(HostedKind), name=NAMES, raw=_optional(RAWS)
    ),
    st.builds(
        HostedResult,
        call_id=NAMES,
        kind=st.sampled_from(HostedKind),
        name=NAMES,
        sources=st.lists(st.builds(Source, TEXTS), max_size=2).map(tuple),
    ),
    st.builds(Opaque, dialect=NAMES, type=NAMES, raw=RAWS),
)
LOGPROBS = st.lists(st.builds(TokenLogprob, TEXTS, st.floats(-9, 0)), max_size=3).map(tuple)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Any answer that the grammar of events can tell."""
    choices = tuple(
        Choice(
            index=index,
            parts=tuple(draw(st.lists(PARTS, max_size=4))),
            finish=draw(_optional(st.sampled_from(FinishReason))),
            native_finish=draw(_optional(TEXTS)),
            stop_sequence=draw(_optional(TEXTS)),
            logprobs=draw(LOGPROBS),
            extras=draw(EXTRAS),
        )
        for index in range(draw(st.integers(0, 3)))
    )
    counts = draw(st.dictionaries(st.sampled_from(Meter), st.integers(1, 999), max_size=4))
    return Response(
        dialect=draw(NAMES),
        id=draw(_optional(NAMES)),
        model=draw(_optional(NAMES)),
        created_s=draw(_optional(st.integers(0, 2**40))),
        choices=choices,
        usage=make_usage(*counts.items()) if counts else None,
        service_tier=draw(_optional(NAMES)),
        extras=draw(EXTRAS),
    )
