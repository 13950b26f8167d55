"""Path to handler, nothing else: the inference endpoints as raw ASGI, the rest by Starlette.

Every request passes the same door first: pages of other origins are turned away, since keys do not
belong in browsers.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nagara.domain.errors import ErrorKind, GatewayError
from nagara.observe.observations import Observe, RequestEnded
from nagara.operations import ENDPOINTS
from nagara.runtime import Clock
from nagara.upstream.reply import Reply, Send
from nagara.web.cors import Origins
from nagara.web.errors import choose_encoder, send_error, wrong_method
from nagara.web.inference import InferenceEdge, Receive, Scope
from nagara.web.request_id import take_request_id

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Routes:
    """The ASGI application."""

    def __init__(
        self, inference: InferenceEdge, rest: App, origins: Origins, clock: Clock, observe: Observe
    ) -> None:
        self._inference = inference
        self._rest = rest
        self._origins = origins
        self._clock = clock
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        origin = self._origins.find(scope)
        if origin is not None:
            if not self._origins.allows(origin, scope):
                await self._refuse(scope, send, cross_origin(origin))
                return
            if await self._origins.answer_preflight(scope, send):
                return
            send = self._origins.mark(origin, send)
        endpoint = ENDPOINTS.get(scope["path"])
        if endpoint is None:
            await self._rest(scope, receive, send)
        elif scope["method"] == "POST":
            await self._inference.handle(endpoint, scope, receive, send)
        else:
            error = wrong_method(scope["method"], endpoint.path, ["POST"])
            await self._refuse(scope, send, error)

    async def _refuse(self, scope: Mapping[str, Any], send: Send, error: GatewayError) -> None:
        """Answer what reaches no handler; it has its line in the log like any other request."""
        began_s = self._clock.monotonic_s()
        headers, path = scope["headers"], scope["path"]
        request_id = take_request_id(headers)
        await send_error(Reply(send), error, request_id, choose_encoder(path, headers))
        ended = RequestEnded(
            request_id=request_id,
            method=scope["method"],
            path=path[:200],
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
