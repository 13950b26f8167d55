"""Path to handler, nothing else: the inference endpoints by themselves, the rest by Starlette.

Every request passes the same door first: pages of other origins are turned away, since keys do not
belong in browsers.
"""

from collections.abc import Coroutine
from typing import Any

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Observe, RequestEnded
from nagara.operations import find_endpoint
from nagara.runtime import Clock
from nagara.web.asgi import AsgiApp, serve_asgi
from nagara.web.cors import Origins
from nagara.web.cycle import Cycle
from nagara.web.errors import choose_encoder, send_error, wrong_method
from nagara.web.inference import InferenceEdge
from nagara.web.request_id import choose_request_id


class Routes:
    """All that is served."""

    def __init__(
        self,
        inference: InferenceEdge,
        rest: AsgiApp,
        origins: Origins,
        clock: Clock,
        observe: Observe,
    ) -> None:
        self._inference = inference
        self._rest = rest
        self._origins = origins
        self._clock = clock
        self._observe = observe

    def serve(self, cycle: Cycle) -> Coroutine[Any, Any, None]:
        """What serves one request, to be awaited."""
        origin = self._origins.find(cycle.head)
        return self._lead(cycle) if origin is None else self._serve_page(cycle, origin)

    def _lead(self, cycle: Cycle) -> Coroutine[Any, Any, None]:
        head = cycle.head
        endpoint = find_endpoint(head.path, head.query)
        if endpoint is None:
            return serve_asgi(self._rest, cycle)
        if head.method == "POST":
            return self._inference.handle(endpoint, cycle)
        return self._refuse(cycle, wrong_method(head.method, endpoint.path, ["POST"]))

    async def _serve_page(self, cycle: Cycle, origin: str) -> None:
        """Serve what a page of `origin` asks, if it may."""
        if not self._origins.allows(origin, cycle.head):
            await self._refuse(cycle, cross_origin(origin))
        elif not self._origins.answer_preflight(cycle.head, cycle):
            cycle.extra_headers = self._origins.mark(origin)
            await self._lead(cycle)

    async def _refuse(self, cycle: Cycle, error: GatewayError) -> None:
        """Answer what reaches no handler; it has its line in the log like any other request."""
        began_s = self._clock.monotonic_s()
        head = cycle.head
        request_id = choose_request_id(head.named.get(b"x-request-id"))
        send_error(cycle, error, request_id, choose_encoder(head.path, head.headers))
        ended = RequestEnded(
            request_id=request_id,
            method=head.method,
            path=head.path[:200],
            status=error.status,
            outcome="error",
            error=error.code,
            duration_ms=round((self._clock.monotonic_s() - began_s) * 1000, 3),
        )
        self._observe(ended)


def cross_origin(origin: str) -> GatewayError:
    """The error of a page that may not call."""
    return GatewayError(
        ErrorKind.CROSS_ORIGIN,
        f"Pages of {origin[:100]!r} may not call this gateway, since a key in a page is a key in "
        "everyone's hands. Call it from a server, or add the origin to allowed_origins.",
    )
