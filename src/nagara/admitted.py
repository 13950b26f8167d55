"""A request that may be served, and what bounds it: what the stages of its life have in common."""

from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec

from nagara.bill import Terms
from nagara.billing import BoundLimits
from nagara.domain.catalog import Deployment, Key, Route
from nagara.limits.gate import Allowance
from nagara.operations.forms import FormLimits
from nagara.operations.lanes import Bounds
from nagara.storage.claims import Claim
from nagara.upstream.attempt import Call


class PipelineLimits(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Bounds of one request. `public_url` is where callers find us, else at the host they ask."""

    attempts_max: int
    event_bytes_max: int
    response_bytes_max: int
    bounds: BoundLimits = BoundLimits()
    public_url: str = ""
    forms: FormLimits = FormLimits()

    @cached_property
    def answers(self) -> Bounds:
        """Those of what a provider answers."""
        return Bounds(self.event_bytes_max, self.response_bytes_max)


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be served: by whom it is asked, and where it can go.

    Without `candidates` the answer is estimated. `began_s` is when it came, on the monotonic
    clock. `allowance` is its share of its limits: who admits it takes that before it is served, and
    ends it afterwards. `fit` makes of `call` the one that a deployment gets, where that differs
    from one to the other. `claim` is to the idempotency key that the request came with.
    """

    began_s: float
    call: Call
    key: Key
    route: Route
    candidates: Sequence[Deployment]
    terms: Terms
    allowance: Allowance
    fit: Callable[[Call, Deployment], Call] | None = None
    claim: Claim | None = None
