"""Everything but inference, by Starlette: the catalogue, the account API, health, and the way out.

Handlers raise `GatewayError`; here it becomes an answer, and each request one line in the log.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from nagara import __version__
from nagara.access import KEY_HEADERS
from nagara.domain.catalog import Key
from nagara.domain.errors import GatewayError
from nagara.observe.observations import Observe, RequestEnded, describe_mistake
from nagara.operations import ENDPOINTS
from nagara.outcomes import internal_error
from nagara.runtime import Clock
from nagara.storage.snapshots import Snapshots
from nagara.web.account.endpoints import AccountEndpoints
from nagara.web.catalogue import CatalogueEndpoints
from nagara.web.documents import DocumentAnswer
from nagara.web.errors import (
    GOOGLE_KEY,
    choose_encoder,
    encode_head,
    no_such_path,
    wrong_method,
)
from nagara.web.image_files import ImageFiles
from nagara.web.refused_keys import RefusedKeys
from nagara.web.request_id import choose_request_id
from nagara.web.responses import ResponsesEndpoints

Handler = Callable[[Request], Awaitable[Response]]
TRY_SOON = {"retry-after": "1"}
QUIET_PATHS = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by machines; a line for each would bury the others."""


class Rest:
    """The handlers, over the gateway's state."""

    def __init__(
        self,
        snapshots: Snapshots,
        refused_keys: RefusedKeys,
        clock: Clock,
        observe: Observe,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._snapshots = snapshots
        self._refused_keys = refused_keys
        self._clock = clock
        self._observe = observe
        self._is_stopping = is_stopping
        self._catalogue = CatalogueEndpoints(lambda: snapshots.current, clock.now_s)
        self._paths = [*ENDPOINTS]

    def build(
        self, responses: ResponsesEndpoints, account: AccountEndpoints, images: ImageFiles
    ) -> Starlette:
        """The Starlette application."""
        routes = [
            Route("/", self._wrap(self.greet)),
            Route("/healthz", self._wrap(self.tell_health)),
            Route("/readyz", self._wrap(self.tell_readiness)),
            Route("/v1/models", self._wrap(self.list_models)),
            Route("/v1/models/{model:path}", self._wrap(self.get_model)),
            Route("/v1beta/models", self._wrap(self.list_google_models)),
            Route("/v1beta/models/{model:path}", self._wrap(self.get_google_model)),
            Route("/v1/startups", self._wrap(self.list_startups)),
            *self._account_routes(account),
            # Its name is all that it takes to see an image, so no log has it.
            Route("/v1/images/files/{name}", self._wrap(images.read, "/v1/images/files/…")),
            Route("/v1/responses/{id}", self._wrap(responses.read), methods=["GET", "DELETE"]),
            Route("/v1/responses/{id}/input_items", self._wrap(responses.list_input_items)),
            Route("/v1/responses/{id}/cancel", self._wrap(responses.cancel), methods=["POST"]),
        ]
        self._paths = [
            *ENDPOINTS,
            *(r.path for r in routes if r.path.startswith("/v1/") and "{" not in r.path),
        ]
        handlers = {
            404: self._wrap_error(self.refuse_path),
            405: self._wrap_error(self.refuse_method),
        }
        app = Starlette(routes=routes, exception_handlers=handlers)
        # "/v1/models/" is a mistake to be told, not to be redirected to another scheme or host.
        app.router.redirect_slashes = False
        return app

    def _account_routes(self, account: AccountEndpoints) -> list[Route]:
        return [
            Route(path, self._wrap(account.door.guard(handler)), methods=methods)
            for path, handler, methods in account.table
        ]

    def prepare(self) -> None:
        """Make ready what can be, so that the first who asks for the models need not wait."""
        self._catalogue.prepare()

    async def greet(self, _: Request) -> Response:
        """What this is, for whoever opens the address in a browser or sends `HEAD /`."""
        return JSONResponse({"name": "nagara", "version": __version__, "api": "/v1"})

    async def tell_health(self, _: Request) -> Response:
        """The process runs."""
        return PlainTextResponse("ok\n")

    async def tell_readiness(self, _: Request) -> Response:
        """Whether requests should be sent here."""
        if self._is_stopping():
            return PlainTextResponse("stopping\n", 503, TRY_SOON)
        if not self._snapshots.is_readable:
            return PlainTextResponse("the database cannot be read\n", 503, TRY_SOON)
        return PlainTextResponse("ready\n")

    async def list_models(self, request: Request) -> Response:
        """`GET /v1/models`, with a key or without."""
        if _is_googles(request):
            return await self.list_google_models(request)
        query = request.scope["query_string"]
        return _respond(self._catalogue.list_models(self._find_key(request), query, _tag(request)))

    async def get_model(self, request: Request) -> Response:
        """`GET /v1/models/{id}`."""
        if _is_googles(request):
            return await self.get_google_model(request)
        model = request.path_params["model"]
        return _respond(self._catalogue.get_model(self._find_key(request), model, _tag(request)))

    async def list_google_models(self, request: Request) -> Response:
        """`GET /v1beta/models`, for Google's SDK."""
        key = self._find_key(request)
        return _respond(self._catalogue.list_google_models(key, _tag(request)))

    async def get_google_model(self, request: Request) -> Response:
        """`GET /v1beta/models/{id}`, for Google's SDK."""
        key, model = self._find_key(request), request.path_params["model"]
        return _respond(self._catalogue.get_google_model(key, model, _tag(request)))

    async def list_startups(self, request: Request) -> Response:
        """`GET /v1/startups`."""
        return _respond(self._catalogue.list_startups(_tag(request)))

    async def refuse_path(self, request: Request) -> Response:
        """Any other path."""
        base_url = f"{request.url.scheme}://{request.headers.get('host', '')[:200]}"
        raise no_such_path(request.url.path, base_url, self._paths)

    def _find_key(self, request: Request) -> Key | None:
        has_key = any(name.decode() in request.headers for name in KEY_HEADERS)
        return self._snapshots.authenticate(request.headers.raw)[1] if has_key else None

    async def refuse_method(self, request: Request, allowed: str = "") -> Response:
        """A path that is there, with another method."""
        raise wrong_method(request.method, request.url.path, allowed.split(", "))

    def _wrap(self, handler: Handler, path: str | None = None) -> Handler:
        """The handler with its errors answered and its request noted, with another `path` maybe."""

        async def handle(request: Request) -> Response:
            began_s = self._clock.monotonic_s()
            ended = RequestEnded(
                request_id=choose_request_id(dict(request.headers.raw).get(b"x-request-id")),
                method=request.method,
                path=path or request.url.path[:200],
            )
            response = await self._answer(handler, request, ended)
            ended.status = response.status_code
            ended.duration_ms = round((self._clock.monotonic_s() - began_s) * 1000, 3)
            if ended.path not in QUIET_PATHS:
                self._observe(ended)
            return response

        return handle

    async def _answer(self, handler: Handler, request: Request, ended: RequestEnded) -> Response:
        try:
            response = await self._handle(handler, request)
        except GatewayError as error:
            return _error_response(request, error, ended)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            self._observe(describe_mistake(ended.request_id, error))
            return _error_response(request, internal_error(), ended)
        response.headers["x-request-id"] = response.headers["request-id"] = ended.request_id
        return response

    async def _handle(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except GatewayError as refusal:
            client, headers = request.scope["client"], request.headers.raw
            if await self._refused_keys.may_try_again(refusal, client, headers):
                return await handler(request)
            raise

    def _wrap_error(self, handler: Callable[..., Awaitable[Response]]) -> Any:
        async def handle(request: Request, error: HTTPException) -> Response:
            if error.status_code == 405:
                allowed = (error.headers or {}).get("Allow", "GET")
                return await self._wrap(lambda r: self.refuse_method(r, allowed))(request)
            return await self._wrap(handler)(request)

        return handle


def _error_response(request: Request, error: GatewayError, ended: RequestEnded) -> Response:
    ended.outcome, ended.error = "error", error.code or error.kind.value.openai_type
    encode = choose_encoder(request.url.path, request.headers.raw)
    body = encode(error, ended.request_id)
    response = Response(body, error.status)
    response.raw_headers = encode_head(error, ended.request_id, body)
    return response


def _respond(answer: DocumentAnswer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response


def _is_googles(request: Request) -> bool:
    return GOOGLE_KEY.decode() in request.headers


def _tag(request: Request) -> bytes | None:
    value = request.headers.get("if-none-match")
    return value.encode("latin-1") if value is not None else None
