"""The most that a Responses request asks for, and the same request with less output."""

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import encode_raw
from nagara.dialects.measuring import count_bytes, read_text
from nagara.domain.demand import Demand


def measure(view: RequestView) -> Demand:
    """The most that the request asks for."""
    return Demand(
        text_bytes=count_bytes(view.fields),
        output_tokens_max=view.output_tokens_max,
        service_tier=read_text(view.fields, "service_tier"),
    )


def limit_output(
    view: RequestView,
    cap: int,
    traits: frozenset[str] = frozenset(),  # noqa: ARG001 - the dialects' signature
) -> RequestView:
    """The request with `cap` on its answer."""
    return view.with_cap(cap, {"max_output_tokens": encode_raw(cap)})
