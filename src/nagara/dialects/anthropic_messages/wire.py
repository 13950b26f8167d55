"""How Messages JSON is read and written: strictly and fast, leniently where it has to be.

`read_struct` reads one object as a struct that knows all its fields; fields it does not know come
back beside it, raw. A mistake is told with its path. Text with half a surrogate pair cannot be
written as UTF-8, so it is mended on the way in and, should another dialect let it through, on the
way out. Nothing here knows what the fields mean.

Source: https://docs.anthropic.com/en/api/messages
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from nagara.dialects.base import malformed_answer
from nagara.dialects.json_fields import decode_untyped
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import NO_EXTRAS, CacheMark, Extras

NAME = "anthropic_messages"
"""This dialect's name, as `Request.dialect` and `HostedCall.dialect` have it."""

DETAIL_LENGTH_MAX = 300
"""How much of a decoder's complaint is repeated to the caller."""

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")
Fault = Callable[[str, str], GatewayError]
"""Makes the error of something that is wrong, from its path and what is wrong with it."""

encode = msgspec.json.Encoder().encode


class CacheControl(msgspec.Struct, gc=False):
    """`cache_control`. https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching"""

    type: str = "ephemeral"
    ttl: str | None = None

    def to_mark(self) -> CacheMark:
        """The same in the hub's words."""
        return CacheMark(self.ttl)


TTLS = frozenset({"5m", "1h"})


def encode_mark(mark: CacheMark) -> dict[str, str]:
    """`cache_control` of a mark; a time to live that Anthropic does not have is its usual one."""
    ttl = {"ttl": mark.ttl} if mark.ttl in TTLS and mark.ttl else {}
    return {"type": "ephemeral", **ttl}


class _Typed(msgspec.Struct, gc=False):
    type: str | None = None


_typed_decoder = msgspec.json.Decoder(_Typed)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Reader:
    """Reads objects of one struct type. `T` must forbid unknown fields."""

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self._decoder = msgspec.json.Decoder(struct)
        self._names = frozenset(field.encode_name for field in msgspec.structs.fields(struct))

    def read(self, raw: msgspec.Raw, path: str, fault: Fault) -> tuple[Any, Extras]:
        """The struct and the fields it does not know. Raises what `fault` makes."""
        # Nearly every object has known fields alone, and is read in one pass; only the others are
        # taken apart to see which field it was.
        try:
            return self._decoder.decode(raw), NO_EXTRAS
        except (msgspec.ValidationError, RecursionError):
            fields = read_object(raw, path, fault)
        extras = {name: value for name, value in fields.items() if name not in self._names}
        known = {name: value for name, value in fields.items() if name in self._names}
        try:
            return self._decoder.decode(encode(known)), extras
        except msgspec.ValidationError as error:
            raise wrong_value(error, path, fault) from error


def read_object(raw: msgspec.Raw, path: str, fault: Fault) -> dict[str, msgspec.Raw]:
    """The fields of an object. Raises what `fault` makes when it is none."""
    try:
        return _fields_decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_value(error, path, fault) from error
    except RecursionError as error:
        raise fault(path, "is nested too deeply") from error


def read_type(raw: msgspec.Raw, path: str, fault: Fault) -> str:
    """The `type` of a block or a tool; empty when it has none."""
    try:
        return _typed_decoder.decode(raw).type or ""
    except msgspec.ValidationError as error:
        raise wrong_value(error, path, fault) from error
    except RecursionError as error:
        raise fault(path, "is nested too deeply") from error


def read_value(
    decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, path: str, fault: Fault
) -> Any:
    """A field of a known type. Raises what `fault` makes."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_value(error, path, fault) from error
    except RecursionError as error:
        raise fault(path, "is nested too deeply") from error


def wrong_value(error: msgspec.ValidationError, path: str, fault: Fault) -> GatewayError:
    """The error for a value of a wrong type: `path` goes on with where msgspec found it."""
    what, _, where = str(error)[:DETAIL_LENGTH_MAX].partition(" - at `$")
    return fault(path + where.rstrip("`"), f"is wrong: {what[:1].lower()}{what[1:]}")


def check_text(raw: msgspec.Raw) -> None:
    """Raise `GatewayError` if an upstream's piece that stays raw is not UTF-8.

    The decoder only skips it, and nobody later could write it.
    """
    try:
        bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise malformed_answer() from error


def blame_caller(path: str, what: str) -> GatewayError:
    """The error of a caller's field."""
    name = path.lstrip(".") or "the body"
    return GatewayError(ErrorKind.INVALID_REQUEST, f"{name!r} {what}.", param=name)


def blame_upstream(path: str, what: str) -> GatewayError:
    """The error of a provider's answer that does not say what this API's answers say."""
    return GatewayError(
        ErrorKind.UPSTREAM_PROTOCOL,
        f"The provider sent an answer that could not be read: {path.lstrip('.')!r} {what}. "
        "Send the request again.",
    )


def mend(data: bytes) -> bytes | None:
    """The same JSON with U+FFFD for every half of a surrogate pair; None if it is not JSON."""
    try:
        value = decode_untyped(data)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return None
    return _mend_text(text).encode()


def decode_leniently(decode: Callable[[bytes], T], data: bytes) -> T:
    """What `decode` makes of an upstream's bytes, of the mended ones if it cannot read them."""
    try:
        return read_mended(decode, data, "the answer", blame_upstream)
    except msgspec.ValidationError as error:
        raise wrong_value(error, "", blame_upstream) from error


def read_mended(read: Callable[[bytes], V], data: bytes, path: str, fault: Fault) -> V:
    """What `read` makes of JSON, or of the same mended. Raises what `fault` makes of anything else.

    A value of a wrong type is not mended: `msgspec.ValidationError` goes through.
    """
    try:
        return read(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mended = mend(data)
        if mended is None:
            raise fault(path, "is not valid JSON") from error
    try:
        return read(mended)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        raise fault(path, "is not valid JSON") from error


def encode_body(value: Any) -> bytes:
    """JSON of a value of our own, in which raw pieces may stand."""
    try:
        return encode(value)
    except UnicodeEncodeError:
        return encode(_mend_strings(value))


def _mend_strings(value: Any) -> Any:
    if isinstance(value, str):
        return _mend_text(value)
    if isinstance(value, dict):
        return {_mend_strings(name): _mend_strings(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mend_strings(item) for item in value]
    return value


def _mend_text(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
