"""A request for embeddings, as far as it is read: which inputs, how long, and how they are written.

An input is a text or an array of token ids, and `input` is one of them or an array of them. Each
is kept as the bytes it came in.
"""

import enum

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import NULL, Fields, encode_raw, read_fields, write_fields
from nagara.dialects.request_fields import read_model, require_kind, wrong_field

NAMED = frozenset({"model", "input", "dimensions", "encoding_format"})
"""The fields that every provider's format has a word for."""

_items = msgspec.json.Decoder(list[msgspec.Raw])
_encoding = msgspec.json.Decoder(str | None)


class Kind(enum.Enum):
    """What the inputs are."""

    TEXT = "text"
    TOKENS = "token ids"
    OTHER = "anything but text and token ids"


_QUOTE = ord('"')
_KINDS = {_QUOTE: Kind.TEXT, ord("["): Kind.TOKENS}
_DIGITS = frozenset(b"-0123456789")


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """What is asked for. `dimensions` is there if the caller set them; `encoding` is its word."""

    inputs: tuple[msgspec.Raw, ...]
    kind: Kind
    dimensions: msgspec.Raw | None
    encoding: str
    fields: Fields


def read_request(body: bytes) -> RequestView:
    """The view of a request for embeddings. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    require_kind(fields, "input", "string", "array")
    return RequestView(fields=fields, model=model)


def write_request(view: RequestView, model: str, *, asks_usage: bool = False) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model."""
    return write_fields(view.fields | {"model": encode_raw(model)})


def decode_request(view: RequestView) -> EmbeddingRequest:
    """All of a request. Raises `GatewayError` that names the wrong field."""
    fields = view.fields
    inputs, kind = _read_inputs(fields["input"])
    dimensions = fields.get("dimensions", NULL)
    try:
        encoding = _encoding.decode(fields.get("encoding_format", NULL)) or "float"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong_field("encoding_format", "must be 'float' or 'base64'.") from error
    return EmbeddingRequest(
        inputs, kind, None if dimensions == NULL else dimensions, encoding, fields
    )


def _read_inputs(raw: msgspec.Raw) -> tuple[tuple[msgspec.Raw, ...], Kind]:
    if memoryview(raw)[0] == _QUOTE:
        return (raw,), Kind.TEXT
    try:
        items = tuple(_items.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Half a surrogate pair, say: a provider may take it.
        return (raw,), Kind.OTHER
    starts = {memoryview(item)[0] for item in items}
    if starts <= _DIGITS:
        return (raw,), Kind.TOKENS
    kinds = {_KINDS.get(start, Kind.OTHER) for start in starts}
    return items, kinds.pop() if len(kinds) == 1 else Kind.OTHER
