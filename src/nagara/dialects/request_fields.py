"""Readers of single request fields, shared by the dialects: a value, or an error that names it."""

import msgspec

from nagara.dialects.json_fields import Fields
from nagara.domain.errors import ErrorKind, GatewayError

_string_decoder = msgspec.json.Decoder(str)
_bool_decoder = msgspec.json.Decoder(bool | None)
_int_decoder = msgspec.json.Decoder(int | None)

MODEL_LENGTH_MAX = 256
TOKENS_MAX = 2**31 - 1
COUNT_MAX = 128

EMPTY_ARRAY_LOOK = 64
"""How far an array is looked into to see whether it is empty."""

_KINDS = {ord("["): "array", ord('"'): "string", ord("{"): "object"}


def wrong_field(name: str, what: str) -> GatewayError:
    """The error of a field that is missing or wrong."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"{name!r} {what}", param=name)


def read_model(fields: Fields) -> str:
    """The model that the caller asks for."""
    raw = fields.get("model")
    if raw is None:
        raise wrong_field("model", "is missing. Send the id of a model; GET /v1/models lists them.")
    try:
        model = _string_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field("model", "must be a string.") from error
    if not model or len(model) > MODEL_LENGTH_MAX:
        raise wrong_field("model", f"must have 1 to {MODEL_LENGTH_MAX} characters.")
    return model


def read_flag(fields: Fields, name: str) -> bool:
    """A boolean that is false when absent or null."""
    raw = fields.get(name)
    if raw is None:
        return False
    try:
        return bool(_bool_decoder.decode(raw))
    except msgspec.DecodeError as error:
        raise wrong_field(name, "must be true or false.") from error


def read_count(fields: Fields, name: str) -> int:
    """How many of something are asked for; one when absent or null."""
    raw = fields.get(name)
    if raw is None:
        return 1
    try:
        value = _int_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field(name, "must be a whole number.") from error
    if value is not None and not 1 <= value <= COUNT_MAX:
        raise wrong_field(name, f"must be between 1 and {COUNT_MAX}.")
    return 1 if value is None else value


def read_tokens_max(fields: Fields, name: str, *, minimum: int = 1) -> int | None:
    """A cap on output tokens; None when absent or null."""
    raw = fields.get(name)
    if raw is None:
        return None
    value: int | None
    try:
        value = _int_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise wrong_field(name, "must be a whole number of tokens.") from error
    if value is not None and not minimum <= value <= TOKENS_MAX:
        raise wrong_field(name, f"must be between {minimum} and {TOKENS_MAX}.")
    return value


def require_kind(fields: Fields, name: str, *kinds: str) -> msgspec.Raw:
    """A field that must be there and be one of `kinds` (array, string, object), not empty."""
    raw = fields.get(name)
    if raw is None:
        raise wrong_field(name, "is missing.")
    # A view, not a copy: this may be the whole of a large conversation.
    text = memoryview(raw)
    if _KINDS.get(text[0]) not in kinds:
        raise wrong_field(name, f"must be of type {' or '.join(kinds)}.")
    if text[0] == ord("[") and _is_blank(text[1:EMPTY_ARRAY_LOOK]) and _is_blank(text[1:]):
        raise wrong_field(name, "must not be empty.")
    return raw


def _is_blank(text: memoryview) -> bool:
    return not bytes(text).strip(b" \t\r\n]")
