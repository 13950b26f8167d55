"""JSON objects as their top-level fields, each value kept as the bytes it was sent in.

The pass-through lane reads two or three fields of a body and forwards the rest untouched. Building
the body anew from its fields, rather than forwarding it, settles what a duplicated name means: a
later one wins, for us and for the provider alike, so nobody can show us one model and them another.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from nagara.domain.errors import ErrorKind, GatewayError

Fields = dict[str, msgspec.Raw]
NULL = msgspec.Raw(b"null")

_fields_decoder = msgspec.json.Decoder(Fields)
_encoder = msgspec.json.Encoder()

_BRACE = ord("{")
_BACKSLASH = ord("\\")


def read_fields(body: bytes) -> Fields:
    """The fields of a caller's JSON object.

    Raises `GatewayError` (INVALID_JSON) that says where a body stops being JSON.
    """
    try:
        # Strings that are only skipped are not checked by the decoder; a provider would choke.
        if not body.isascii():
            body.decode()
        return _fields_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"The body must be a JSON object. {error}."
        ) from error
    except msgspec.DecodeError as error:
        if (fields := _read_lone_surrogates(body)) is not None:
            return fields
        what = f"it is not complete JSON ({error})" if body else "it is empty"
        raise GatewayError(
            ErrorKind.INVALID_JSON, f"The body could not be read: {what}."
        ) from error
    except UnicodeDecodeError as error:
        raise GatewayError(
            ErrorKind.INVALID_JSON,
            f"The body must be JSON in UTF-8; byte {error.start} is not UTF-8.",
        ) from error
    except RecursionError as error:
        raise GatewayError(
            ErrorKind.INVALID_JSON, "The body could not be read: it is nested too deeply."
        ) from error


def write_fields(fields: Fields) -> bytes:
    """The object again, each value as the bytes it came in."""
    try:
        return _encoder.encode(fields)
    except UnicodeEncodeError:
        # A name may hold half a surrogate pair too, and the standard library escapes it.
        named = (json.dumps(name).encode() + b":" + bytes(raw) for name, raw in fields.items())
        return b"{" + b",".join(named) + b"}"


def encode_raw(value: object) -> msgspec.Raw:
    """A value of our own, to stand among the fields."""
    try:
        return msgspec.Raw(_encoder.encode(value))
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8; the standard library writes it as an escape.
        return msgspec.Raw(json.dumps(value).encode())


@lru_cache(maxsize=1024)
def encode_name(name: str) -> msgspec.Raw:
    """The name of a model, to stand among the fields: there are few of those, and many calls."""
    return encode_raw(name)


def decode_untyped(data: bytes) -> Any:
    """Any JSON value, lone surrogates included. Raises `ValueError` for what is not JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def replace_model(data: bytes, model: str) -> bytes:
    """The JSON object `data` with its `model`, if it has one, replaced; what is no object as it is.

    `data` was read to be JSON before.
    """
    around = _split_at_model(data)
    if around is not None:
        before, after = around
        return b"".join((before, b'"model":', encode_name(model), after))
    try:
        fields = read_fields(data)
    except GatewayError:
        return data
    if "model" not in fields:
        return data
    fields["model"] = encode_name(model)
    return write_fields(fields)


def _split_at_model(data: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and after an object's one `model`; None where that takes reading.

    Nearly every answer names its model before anything that is nested. No brace before it but the
    first means that it belongs to the object itself, and the colon that it is a name. Another of
    the same name would have to be written out further on, or with an escape.
    """
    before, _, rest = data.partition(b'"model"')
    colon, _, rest = rest.partition(b'"')
    value, _, after = rest.partition(b'"')
    if colon.strip() != b":" or before[:1] != b"{" or _BRACE in before[1:]:
        return None
    if after.find(b'"model"') >= 0:
        return None
    # A quote with a backslash before it neither begins nor ends anything.
    if _BACKSLASH in before or _BACKSLASH in value:
        return None
    if _BACKSLASH in after and after.find(b"\\u") >= 0:
        return None
    return before, after


def _read_lone_surrogates(body: bytes) -> Fields | None:
    r"""Fields of a body that holds half a surrogate pair (`"\ud83d"`), which msgspec refuses.

    JavaScript writes such text when it cuts a string inside an emoji, and providers write it when
    they cut a delta there, so it must pass.
    """
    if b"\\u" not in body:
        return None
    try:
        value = json.loads(body)
        if not isinstance(value, Mapping):
            return None
        return {
            name: msgspec.Raw(json.dumps(item, allow_nan=False).encode())
            for name, item in value.items()
        }
    except (ValueError, RecursionError):
        return None
