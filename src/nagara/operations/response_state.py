"""What the Responses API keeps, as its JSON says it: requests, response objects, stream events.

Pure functions of bytes and fields. They work on the caller's side of the gateway, where an answer
has the same shape whichever provider and dialect it came from.

Sources: https://platform.openai.com/docs/api-reference/responses/create
and https://platform.openai.com/docs/guides/background
"""

import msgspec

from nagara.dialects.json_fields import NULL, Fields, encode_raw, read_fields, write_fields
from nagara.dialects.openai_responses.echo import UNASKED
from nagara.dialects.request_fields import read_flag, wrong_field
from nagara.dialects.sse import encode_event
from nagara.domain.errors import ErrorKind, GatewayError

ID_LENGTH_MAX = 256
ACTIVE = frozenset({"queued", "in_progress"})
CONTINUABLE = frozenset({"completed", "incomplete"})
TERMINAL_EVENTS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)

_TRUE = msgspec.Raw(b"true")
_string_decoder = msgspec.json.Decoder(str)


class StateRequest(msgspec.Struct, frozen=True, gc=False):
    """What a request says of state."""

    is_stored: bool
    is_background: bool
    previous_id: str | None

    @property
    def is_plain(self) -> bool:
        """Whether it is served like any other request."""
        return not self.is_background and self.previous_id is None


class EventView(msgspec.Struct, gc=False):
    """The fields of a stream's event that matter to state."""

    type: str | None = None
    response: msgspec.Raw = msgspec.Raw()
    item: msgspec.Raw = msgspec.Raw()


class ResponseView(msgspec.Struct, gc=False):
    """The fields of a response object that matter to state."""

    id: str | None = None
    status: str | None = None


_event_decoder = msgspec.json.Decoder(EventView)
_response_decoder = msgspec.json.Decoder(ResponseView)


def read_state_request(fields: Fields) -> StateRequest:
    """What the request's fields say. Raises `GatewayError` that names the wrong one."""
    is_stored = fields.get("store", NULL) == NULL or read_flag(fields, "store")
    is_background = read_flag(fields, "background")
    if is_background and not is_stored:
        raise wrong_field(
            "background", "needs the response to be stored: leave 'store' out, or set it to true."
        )
    return StateRequest(is_stored, is_background, _read_previous_id(fields))


def read_event(data: bytes) -> EventView:
    """The view of an event's data; of what cannot be read, an empty one."""
    try:
        return _event_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        # Half a surrogate pair stops the decoder, and must not stop the event.
        fields = _fields_or_none(data)
    nothing = msgspec.Raw()
    try:
        kind = _string_decoder.decode(fields.get("type", nothing))
    except msgspec.DecodeError:
        kind = None
    return EventView(kind, fields.get("response", nothing), fields.get("item", nothing))


def read_response(response: bytes) -> ResponseView:
    """The view of a response object; of what cannot be read, an empty one."""
    try:
        return _response_decoder.decode(response)
    except (msgspec.DecodeError, RecursionError):
        fields = _fields_or_none(response)
        known: Fields = {name: raw for name, raw in fields.items() if name in ("id", "status")}
    try:
        return _response_decoder.decode(write_fields(known))
    except msgspec.DecodeError:
        return ResponseView()


def edit_response(response: bytes, edits: Fields) -> bytes:
    """The response object with `edits` in place; anything else as it is."""
    fields = _fields_or_none(response)
    return write_fields(fields | edits) if fields else response


def begin_response(fields: Fields, response_id: str, model: str, created_at_s: int) -> Fields:
    """The object of a background response that nobody has begun to answer."""
    echoed = {
        name: fields[name] if fields.get(name, NULL) != NULL else encode_raw(told)
        for name, told in UNASKED.items()
    }
    return echoed | {
        "id": encode_raw(response_id),
        "object": encode_raw("response"),
        "created_at": encode_raw(created_at_s),
        "status": encode_raw("queued"),
        "background": _TRUE,
        "store": _TRUE,
        "completed_at": NULL,
        "error": NULL,
        "incomplete_details": NULL,
        "model": encode_raw(model),
        "output": encode_raw([]),
        "usage": NULL,
    }


def own_fields(begun: Fields) -> Fields:
    """What stays the gateway's own in every object of a background response."""
    names = ("id", "created_at", "background", "store", "previous_response_id")
    return {name: begun[name] for name in names}


def end_response(
    response: bytes, status: str, error: GatewayError | None = None, output: bytes | None = None
) -> bytes:
    """The object of a response that ended without an answer's own last word."""
    edits = {"status": encode_raw(status)}
    if error is not None:
        said = {"code": error.code or "server_error", "message": error.message}
        edits["error"] = encode_raw(said)
    if output is not None:
        edits["output"] = msgspec.Raw(output)
    return edit_response(response, edits)


def number_event(data: bytes, number: int, response: bytes | None) -> bytes:
    """An event of the provider's as one of ours: our number, and our response object if it has one.

    Raises `GatewayError` for what is no JSON object.
    """
    fields = read_fields(data) | {"sequence_number": encode_raw(number)}
    if response is not None:
        fields["response"] = msgspec.Raw(response)
    view = read_event(data)
    return encode_event(write_fields(fields), view.type)


def write_event(kind: str, number: int, response: bytes) -> bytes:
    """An event of our own that carries the response object."""
    fields = {
        "type": encode_raw(kind),
        "sequence_number": encode_raw(number),
        "response": msgspec.Raw(response),
    }
    return encode_event(write_fields(fields), kind)


def previous_not_found(previous_id: str, reason: str = "not found") -> GatewayError:
    """The error of a `previous_response_id` that cannot be continued."""
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Previous response with id {previous_id[:100]!r} {reason}.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def response_not_found(response_id: str) -> GatewayError:
    """The error of a response that is not there, or not this account's."""
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"Response with id {response_id[:100]!r} not found. It may have expired, been deleted, "
        "been sent with 'store': false, or belong to another account.",
        param="response_id",
    )


def _read_previous_id(fields: Fields) -> str | None:
    raw = fields.get("previous_response_id", NULL)
    if raw == NULL:
        return None
    try:
        previous_id = _string_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field("previous_response_id", "must be a string.") from error
    if not previous_id or len(previous_id) > ID_LENGTH_MAX:
        raise wrong_field("previous_response_id", f"must have 1 to {ID_LENGTH_MAX} characters.")
    return previous_id


def _fields_or_none(data: bytes) -> Fields:
    try:
        return read_fields(data)
    except GatewayError:
        return {}
