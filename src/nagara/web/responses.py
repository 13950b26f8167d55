"""The routes of responses that are kept: read, stream again, list what led to them, cancel, delete.

Each takes a key that the endpoint itself takes, and shows what that key's account (or its test
keys) made; anything else is 404, so nobody learns which ids there are.

Sources: https://platform.openai.com/docs/api-reference/responses
and https://platform.openai.com/docs/guides/background
"""

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from nagara.access import require_standard
from nagara.dialects.request_fields import wrong_field
from nagara.operations.kept_items import PAGE_DEFAULT, PAGE_MAX, list_page
from nagara.operations.response_state import response_not_found
from nagara.responses.continuation import whole_input
from nagara.responses.stateful import EVENT_STREAM, StatefulResponses, owner_of
from nagara.storage.responses import Owner
from nagara.storage.snapshots import Snapshots

_ID = re.compile(r"[\w.:-]{1,256}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_FLAGS = {"true": True, "false": False}
EVENT_NUMBER_MAX = 10**9 - 1
_ORDERS = {"asc": True, "desc": False}


class ResponsesEndpoints:
    """The handlers. They raise `GatewayError`."""

    def __init__(self, snapshots: Snapshots, responses: StatefulResponses) -> None:
        self._snapshots = snapshots
        self._responses = responses

    async def read(self, request: Request) -> Response:
        """`GET` and `DELETE /v1/responses/{id}`; `GET` with `stream=true` for its events."""
        owner, response_id = self._find_owner(request), _read_id(request)
        if request.method == "DELETE":
            await self._responses.delete(owner, response_id)
            deleted = {"id": response_id, "object": "response", "deleted": True}
            return _json(msgspec.json.encode(deleted))
        is_stream = _read_choice(request, "stream", _FLAGS, default=False)
        after = _read_number(request, "starting_after", 0, EVENT_NUMBER_MAX)
        stored = await self._responses.find(owner, response_id)
        if not is_stream:
            return _json(stored.response)
        events = await self._responses.follow(stored, -1 if after is None else after)
        response = StreamingResponse(events)
        response.raw_headers = list(EVENT_STREAM)
        return response

    async def list_input_items(self, request: Request) -> Response:
        """`GET /v1/responses/{id}/input_items`: newest first, unless `order=asc`."""
        owner, response_id = self._find_owner(request), _read_id(request)
        limit = _read_number(request, "limit", 1, PAGE_MAX)
        is_ascending = _read_choice(request, "order", _ORDERS, default=False)
        stored = await self._responses.find(owner, response_id)
        page = list_page(
            whole_input(stored),
            after=request.query_params.get("after"),
            limit=limit or PAGE_DEFAULT,
            is_ascending=is_ascending,
        )
        return _json(msgspec.json.encode(page))

    async def cancel(self, request: Request) -> Response:
        """`POST /v1/responses/{id}/cancel`: may be repeated."""
        owner, response_id = self._find_owner(request), _read_id(request)
        return _json((await self._responses.cancel(owner, response_id)).response)

    def _find_owner(self, request: Request) -> Owner:
        _, key = self._snapshots.authenticate(request.headers.raw)
        require_standard(key)
        return owner_of(key)


def _read_id(request: Request) -> str:
    response_id = str(request.path_params["id"])
    # Whatever cannot be one is not there, like any other that is not.
    if not _ID.fullmatch(response_id):
        raise response_not_found(response_id)
    return response_id


def _read_number(request: Request, name: str, least: int, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise wrong_field(name, f"must be a whole number from {least} to {most}.")
    return int(text)


def _read_choice(request: Request, name: str, choices: dict[str, bool], *, default: bool) -> bool:
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in choices:
        raise wrong_field(name, f"must be {' or '.join(choices)}.")
    return choices[text]


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
