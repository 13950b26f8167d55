"""Who calls the account API, and what is done alike for all of its endpoints.

Only a provisioning key opens them, for its own account. While the database is down they answer 503
with `retry-after`, and never that a key is wrong.
"""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from nagara.access import require_provisioning, require_some_key
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.storage.driver import StorageError
from nagara.storage.snapshots import Snapshots
from nagara.web.documents import answer_document, make_document

BODY_BYTES_MAX = 1_048_576
"""The largest body: a list of models that is as long as it may be has a third of this."""

NO_STORE = {"cache-control": "no-store"}
AccountHandler = Callable[[Request, int], Awaitable[Response]]


class Door:
    """Lets provisioning keys in."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def guard(self, handler: AccountHandler) -> Callable[[Request], Awaitable[Response]]:
        """The handler, called with the id of the account whose key was presented."""

        async def handle(request: Request) -> Response:
            require_some_key(request.headers.raw)
            _, key = self._snapshots.authenticate(request.headers.raw)
            require_provisioning(key)
            try:
                return await handler(request, key.account_id)
            except StorageError as error:
                raise _unavailable() from error

        return handle


async def read_body(request: Request) -> bytes:
    """The whole body. Raises `GatewayError` when it is too large or does not arrive."""
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > BODY_BYTES_MAX:
                raise _too_large()
            pieces.append(piece)
    except ClientDisconnect as error:
        raise GatewayError(
            ErrorKind.REQUEST_TIMEOUT, "The request's body did not arrive in full."
        ) from error
    return b"".join(pieces)


def answer(request: Request, value: object) -> Response:
    """JSON that may be asked for again with its tag."""
    tag = request.headers.get("if-none-match")
    document = make_document(msgspec.json.encode(value))
    answered = answer_document(document, None if tag is None else tag.encode("latin-1"))
    response = Response(answered.body, answered.status)
    response.raw_headers = list(answered.headers)
    return response


def answer_change(value: object, status: int = 200) -> Response:
    """JSON of something that was just done; it may hold a secret."""
    return Response(msgspec.json.encode(value), status, NO_STORE, "application/json")


def _unavailable() -> GatewayError:
    return GatewayError(
        ErrorKind.STORAGE_UNAVAILABLE,
        "The gateway cannot look after accounts right now, because its database cannot be used. "
        "Send the request again shortly.",
    )


def _too_large() -> GatewayError:
    return GatewayError(
        ErrorKind.BODY_TOO_LARGE,
        f"The body is larger than the {BODY_BYTES_MAX} bytes that this endpoint takes.",
        headers={"connection": "close"},
    )
